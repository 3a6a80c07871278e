"""What everybody does with their own account: another password, and a card of a browser beside the one that they have (IS-9, SC-10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from fido2.webauthn import (
    AttestedCredentialData,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
)

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import ending, factors, store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.enrolling import hashed
from gateway.intermediate_server.staff.entering import Proof, prove
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import Card, CardKind, CardState
from storage.committer import Commit, Write, commit_step
from transport.problem import ProblemError

PASSWORD: Final = "password"  # noqa: S105 (a purpose's name)
REGISTER: Final = "register"
_OWN = commit_step("intermediate", "staff.own_changed")


class PasswordItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90038; the proof answers a challenge for `password`."""

    proof: Proof
    new_password: str


class CardItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90039: without `registration` it asks for options. The proof answers a challenge for `register`."""

    proof: Proof | None = None
    registration: dict[str, Any] | None = None


PASSWORD_ITEM = msgspec.json.Decoder(PasswordItem)
CARD_ITEM = msgspec.json.Decoder(CardItem)


async def set_password(acting: Acting, item: PasswordItem) -> dict[str, Any]:
    """IF_STF_90038: a password that nobody else knows. Every session ends: whoever knew the old one is out."""
    desk = acting.desk
    now = desk.agency.clock()
    member = (await prove(desk, _asked(acting, PASSWORD), item.proof, now)).member
    if item.new_password == item.proof.password:
        raise ProblemError(400, "password_too_weak", "The new password is the old one.")
    after = replace(
        member,
        password_hash=await hashed(desk, member.staff_id, item.new_password),
        password_initial=False,
        password_until=now + desk.rules.password_for,
    )
    ended = Write(store.END_SESSIONS_OF, (member.staff_id, now))
    await ending.note(desk.agency, [(ending.PASSWORD, member.staff_id)], now)
    changed = store.change_member(desk.agency, member, after, member.staff_id)
    await _commit_own(acting, "password", changed, (ended,), now)
    return {"password_until": timestamp(after.password_until)}


async def register_card(acting: Acting, item: CardItem) -> dict[str, Any]:
    """IF_STF_90039: the holder's WebAuthn card, registered under both factors that they have already. A card that is somebody's, or was, is excluded:
    it makes no second credential (WebAuthn §5.4), so two people never show the same one.
    """
    desk = acting.desk
    now = desk.agency.clock()
    if acting.session.restricted:
        raise ProblemError(403, "password_change_needed", "Set a password of your own first: sekisho staff password.")
    asked = _asked(acting, REGISTER)
    if item.registration is None or item.proof is None:
        challenge = factors.new_challenge(desk.ring, asked, now, desk.rules.challenge_for)
        who = acting.staff_id
        user = PublicKeyCredentialUserEntity(name=who, id=who.encode(), display_name=who)
        known = [one for one in await store.cards(desk.agency) if one.state is not CardState.UNVOUCHED]
        cards = [AttestedCredentialData(one.credential) for one in known if one.credential]
        options, _ = desk.web.register_begin(user, cards, ResidentKeyRequirement.REQUIRED, challenge=challenge)
        return {"options": dict(options)}
    await prove(desk, asked, item.proof, now)
    card = _registered(desk, asked, item.registration, now)
    guard = store.add_card(desk.agency, card)
    await _commit_own(acting, "card", guard, (), now, card=card.card_id)
    return {"card_id": card.card_id, "valid_until": timestamp(card.valid_until)}


def _registered(desk: StaffDesk, asked: Asked, registration: dict[str, Any], now: datetime) -> Card:
    """The card of a registration that answers a challenge of ours at our origin. Raises ProblemError 400."""
    found = None
    try:
        challenge = bytes(RegistrationResponse.from_dict(registration).response.client_data.challenge)
        if factors.challenge_holds(desk.ring, asked, challenge, now):
            found = desk.web.register_complete(factors.web_state(challenge), registration).credential_data
    except Exception:  # noqa: BLE001 (foreign CBOR and base64: whatever it raises, it is broken)
        found = None
    if found is None:
        raise ProblemError(
            400, "registration_broken", "This registration does not answer a challenge of this server; begin again."
        )
    return Card(
        card_id=factors.card_id_of(found.credential_id),
        staff_id=asked.staff_id,
        kind=CardKind.WEBAUTHN,
        public_key=bytes(found.credential_id),
        credential=bytes(found),
        sign_count=0,
        valid_until=now + desk.rules.card_for,
        state=CardState.ACTIVE,
    )


def _asked(acting: Acting, purpose: str) -> Asked:
    return Asked(
        agency=acting.desk.agency.id,
        staff_id=acting.staff_id,
        certificate=acting.session.certificate,
        purpose=purpose,
    )


async def _commit_own(
    acting: Acting, operation: str, guard: Write, follow: tuple[Write, ...], now: datetime, **facts: str
) -> None:
    entry = acting.entry(now, EntryKind.STAFF_CHANGED, None, operation=operation, holder=acting.staff_id, **facts)
    commit = Commit(step=_OWN, guard=guard, follow=follow, entries=(entry,))
    if not await acting.commit(commit):
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; try again.")
