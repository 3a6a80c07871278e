"""Log-in, log-out and renewed proof: two factors shown against a challenge (IS-9, SC-7, SC-10).

An attempt is counted before it is judged, so guesses made at once are as many as guesses made in turn. Whatever is wrong, the
answer is the same and has cost the same work; the record alone says which part it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from datetime import datetime
from typing import Any, Final

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import factors, store
from gateway.intermediate_server.staff.desk import HASHES, LOGINS, StaffDesk
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.people import (
    STAFF_ID,
    Card,
    CardKind,
    Doubt,
    Entrance,
    MemberState,
    Purpose,
    Session,
    Shown,
    judge_entrance,
)
from storage.committer import Applied, Commit, Write, commit_step
from transport.problem import ProblemError

LOG_IN: Final = "log_in"
REFERENCE: Final = re.compile(r"(?!.*[0-9]{10})[A-Za-z0-9][A-Za-z0-9/-]{0,39}")
"""Number of a case or a request; nothing as long as a number of a person."""
_PURPOSE: Final = re.compile(r"[a-z_]{1,20}(/[A-Za-z0-9-]{1,64}){0,2}")
_ATTEMPT = commit_step("intermediate", "staff.attempt")
_PROVED = commit_step("intermediate", "staff.proved")
_ENTERED = commit_step("intermediate", "staff.logged_in")
_LEFT = commit_step("intermediate", "staff.logged_out")


class ChallengeItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90030. `purpose`: `log_in`, `password`, `register`, `approve/<grant id>/<digest>`, `reject/…`, `check/…`, `approve_extension/…`,
    `emergency/<staff or grant id>`.
    """

    staff_id: str
    purpose: str = LOG_IN


class Proof(msgspec.Struct, forbid_unknown_fields=True):
    """Both factors. One of `signature` (the card's key over the challenge) and `webauthn` (an assertion in JSON form)."""

    password: str
    challenge: bytes
    signature: bytes | None = None
    webauthn: dict[str, Any] | None = None


class LogInItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90031. `reason`, `reference`: why, on every record of the session."""

    staff_id: str
    proof: Proof
    reason: str
    reference: str = ""


def signed_by_card(proof: Proof) -> dict[str, str]:
    """What the card has signed, of a proof that was examined, for the record: anybody who has its public key can tell that it was the card and not
    the server.
    """
    if proof.webauthn is None:
        return {"challenge": proof.challenge.hex(), "signature": (proof.signature or b"").hex()}
    response = proof.webauthn.get("response", {})
    names = ("clientDataJSON", "authenticatorData", "signature")
    return {name: str(response.get(name, ""))[:2048] for name in names}


CHALLENGE_ITEM = msgspec.json.Decoder(ChallengeItem)
LOG_IN_ITEM = msgspec.json.Decoder(LogInItem)


def token_hash(token: str) -> str:
    """Of any bytes that a header may have, which come as surrogates where they are no UTF-8."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def challenge(desk: StaffDesk, item: ChallengeItem, certificate: bytes, now: datetime) -> dict[str, Any]:
    """IF_STF_90030: a challenge for whoever is named; nothing tells whether there is such a person."""
    if not STAFF_ID.fullmatch(item.staff_id) or not _PURPOSE.fullmatch(item.purpose):
        raise ProblemError(400, "malformed_item", "A staff id or a purpose does not have its form; see /openapi.json.")
    asked = Asked(agency=desk.agency.id, staff_id=item.staff_id, certificate=certificate, purpose=item.purpose)
    lives = desk.rules.challenge_for
    return {
        "challenge": msgspec.to_builtins(factors.new_challenge(desk.ring, asked, now, lives)),
        "expires_at": timestamp(now + lives),
        "rp_id": desk.rules.rp_id,
        "origins": sorted(desk.rules.origins),
    }


async def prove(desk: StaffDesk, asked: Asked, proof: Proof, now: datetime) -> Entrance:
    """Examine both factors for one purpose. Raises ProblemError 401 `login_refused` whatever is wrong."""
    ours = await _count(desk, asked, proof, now)
    member = await store.member(desk.agency, asked.staff_id)
    cards = await store.cards(desk.agency, asked.staff_id)
    locks = await store.locks(desk.agency, _keys(asked))
    known = member is not None and member.state is not MemberState.UNVOUCHED
    password = await _password_fits(desk, member.password_hash if member and known else None, proof.password)
    card, count = _card_of(desk, asked, cards, proof)
    shown = Shown(
        member=member,
        card=card,
        challenge=ours,
        person_locked=_locked(locks, _keys(asked)[0], now),
        terminal_locked=_locked(locks, _keys(asked)[1], now),
        password=password,
        signature=card is not None,
    )
    found = judge_entrance(shown, now)
    if isinstance(found, Doubt):
        raise await _refused(desk, asked, found, now, known=member is not None)
    person, terminal = _keys(asked)
    follow = (Write(store.FORGET_ATTEMPTS, (person,)), Write(store.UNCOUNT_ATTEMPT, (terminal,)))
    guard = None if count is None else Write(store.COUNT_CARD, (found.card.card_id, count))
    proved = await desk.agency.committer.apply(Commit(step=_PROVED, guard=guard, follow=follow))
    if guard is not None and not isinstance(proved, Applied):
        raise await _refused(desk, asked, Doubt.CARD, now, known=True)
    return found


def _keys(asked: Asked) -> tuple[str, str]:
    return f"person/{asked.staff_id}", f"terminal/{asked.certificate.hex()}"


def _locked(locks: dict[str, datetime | None], key: str, now: datetime) -> bool:
    until = locks.get(key)
    return until is not None and now < until


async def _count(desk: StaffDesk, asked: Asked, proof: Proof, now: datetime) -> bool:
    """Count the attempt and spend its challenge, durably; whether the challenge is ours, for this, and was not spent before."""
    rules = desk.rules
    ours = factors.challenge_holds(desk.ring, asked, proof.challenge, now)
    nonce = factors.challenge_nonce(proof.challenge) if ours else secrets.token_hex(16)
    ends = factors.challenge_ends(proof.challenge) if ours else now + rules.challenge_for
    person, terminal = _keys(asked)
    until, before = now + rules.locked_for, now - rules.locked_for
    counts = (
        Write(store.COUNT_ATTEMPT, (person, rules.failures, until, now, before)),
        Write(store.COUNT_ATTEMPT, (terminal, rules.terminal_failures, until, now, before)),
    )
    guard = Write(store.SPEND_CHALLENGE, (nonce, ends))
    spent = await desk.agency.committer.apply(Commit(step=_ATTEMPT, guard=guard, follow=counts))
    return ours and isinstance(spent, Applied)


async def _password_fits(desk: StaffDesk, stored: str | None, password: str) -> bool:
    """Hash in a thread, a few at once; an unknown id is measured against nobody's password."""
    HASHES.labels(desk.agency.id).inc()
    async with desk.hashing:
        fits = await asyncio.to_thread(factors.password_fits, stored or desk.nobody.password_hash, password[:1024])
    return fits and bool(stored)


def _card_of(desk: StaffDesk, asked: Asked, cards: list[Card], proof: Proof) -> tuple[Card | None, int | None]:
    """The card that has answered the challenge, and a WebAuthn card's counter. One signature is checked whether there is a card or not."""
    if proof.webauthn is not None:
        credential = factors.credential_id_of(proof.webauthn)
        card_id = factors.card_id_of(credential or b"")
        card = next((card for card in cards if card.card_id == card_id), desk.nobody.card)
        asserted = factors.assertion_fits(desk.web, card, proof.challenge, proof.webauthn)
        return (card, asserted.count) if asserted else (None, None)
    keys = [card for card in cards if card.kind is CardKind.KEY] or [desk.nobody.card]
    fitting = [card for card in keys if factors.signature_fits(card, asked, proof.challenge, proof.signature or b"")]
    return (fitting[0] if fitting else None), None


async def _refused(desk: StaffDesk, asked: Asked, doubt: Doubt, now: datetime, *, known: bool) -> ProblemError:
    """Record which part it was. Entries of one terminal are bounded by its lock; what comes after that is folded."""
    LOGINS.labels(desk.agency.id, doubt.value).inc()
    terminal = asked.certificate.hex()
    actor = asked.staff_id if known else None  # whatever else was typed may be a password
    if doubt in (Doubt.TERMINAL_LOCKED, Doubt.CHALLENGE):
        await desk.refusals.record(f"login_refused/{doubt}", f"{terminal} {actor or ''}")
    else:
        await desk.record_refusal(now, actor=actor, reason=f"login_refused/{doubt}", terminal=terminal)
    return ProblemError(
        401,
        "login_refused",
        "The id, the password or the card is not right, or the account is locked or over. Ask an administrator after several tries.",
    )


async def log_in(desk: StaffDesk, item: LogInItem, certificate: bytes, now: datetime) -> dict[str, Any]:
    """IF_STF_90031: open a session on this terminal. The token is drawn here and kept as a hash only."""
    if not STAFF_ID.fullmatch(item.staff_id) or item.reason not in set(Purpose):
        raise ProblemError(400, "malformed_item", "A staff id or a reason does not have its form; see /openapi.json.")
    if item.reference and not REFERENCE.fullmatch(item.reference):
        raise ProblemError(400, "malformed_item", "A reference is the number of a case, nothing of a person.")
    asked = Asked(agency=desk.agency.id, staff_id=item.staff_id, certificate=certificate, purpose=LOG_IN)
    entrance = await prove(desk, asked, item.proof, now)
    member, card, restricted = entrance.member, entrance.card, entrance.restricted
    token = secrets.token_urlsafe(32)
    session = Session(
        token_hash=token_hash(token),
        staff_id=member.staff_id,
        card_id=card.card_id,
        certificate=certificate,
        opened_at=now,
        seen_at=now,
        until=now + desk.rules.absolute,
        restricted=restricted,
        reason=item.reason,
        reference=item.reference,
        ended_at=None,
    )
    entry = desk.entry(
        now,
        EntryKind.STAFF_LOGGED_IN,
        actor=member.staff_id,
        reason=item.reason,
        reference=item.reference,
        office=member.office,
        terminal=certificate.hex(),
        card=card.card_id,
        restricted=int(restricted),
    )
    commit = Commit(
        step=_ENTERED,
        guard=store.open_session(desk.agency, session, member.version),
        follow=(Write(store.END_OLDEST_SESSIONS, (member.staff_id, desk.rules.sessions, now)),),
        entries=(entry,),
    )
    if not isinstance(await desk.agency.committer.apply(commit), Applied):
        raise await _refused(desk, asked, Doubt.CHANGED, now, known=True)
    LOGINS.labels(desk.agency.id, "logged_in").inc()
    return {
        "session": token,
        "until": timestamp(session.until),
        "idle_s": int(desk.rules.idle.total_seconds()),
        "password_change_needed": restricted,
    }


async def log_out(desk: StaffDesk, session: Session, now: datetime) -> dict[str, Any]:
    """IF_STF_90032: end the session that calls; one that has ended meanwhile has ended."""
    entry = desk.entry(
        now,
        EntryKind.STAFF_LOGGED_OUT,
        actor=session.staff_id,
        terminal=session.certificate.hex(),
        reason=session.reason,
    )
    guard = Write(store.END_SESSION, (session.token_hash, now))
    await desk.agency.committer.apply(Commit(step=_LEFT, guard=guard, entries=(entry,)))
    return {"logged_out": True}
