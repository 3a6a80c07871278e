"""The first members of an agency's staff come from set-up, under the signatures of two people (IS-9, SC-11).

Nobody is there yet who could grant anything, so the founding document names two founders with a card each, the members and their
first grants; both cards have signed all of it. It is taken once, when the agency has no staff, and stands in the evidence log by its digest.

When too few are left to grant anything, another document of the same kind founds the agency anew: two new people who can administer and approve,
and nothing else; whoever is there stays as they are (docs/adr/0116). Its own people have signed it, so it counts only when the agency's ring names it.

That it was taken, and that what was there before there were marks (staff.vouching) has been marked, stands in the agency's ring, where nobody who
writes the database can undo it: neither is ever done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import structlog
from asyncpg import Record

from evidence import canonical
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import ending, remaining, store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.factors import card_id_of
from gateway.intermediate_server.staff.granting import GRANT_PREFIX
from gateway.intermediate_server.staff.people import (
    OFFICE,
    RESERVED,
    STAFF_ID,
    Card,
    CardKind,
    CardState,
    Member,
    MemberState,
)
from gateway.intermediate_server.staff.rights import EVERYTHING, Actor, Function, Grant, GrantState, Scope
from keys import labels
from keys.passphrase import CHEAPEST, NORMAL, Profile
from keys.signing import Signer, verify
from storage.committer import Applied, Commit, Write, commit_step

_LOG = structlog.get_logger()
_FOUNDED = commit_step("founding", "staff.founded")
_MARKED = commit_step("founding", "staff.marked")
MARKED: Final = "staff-marked"
FOUNDED: Final = "staff-founded"
_NAMED: Final = "staff-founding/"
"""Purposes of the ring that seal nothing: that they are there is the fact. `_NAMED` and a digest: this document may found the agency anew, once."""
_FORM: Final = 1
_FOUNDERS: Final = 2
_LATELY: Final = timedelta(days=30)
"""So old a document that founds anew may be: none lies ready for years."""
PROFILES: Final[Mapping[str, Profile]] = {"normal": NORMAL, "cheapest": CHEAPEST}


class FoundingBrokenError(ValueError):
    """The founding document is not signed by two founders of its own, or not of its form: no staff comes from it."""


class FirstMember(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A member as set-up makes them. `card_key`: hex of the card's Ed25519 public key."""

    staff_id: str
    office: str
    password_hash: str
    card_key: str
    functions: tuple[Function, ...]

    @property
    def card_id(self) -> str:
        return card_id_of(bytes.fromhex(self.card_key))


class Founding(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`founders`: the ids of the two who sign; every grant of it is asked for by one of them and approved by the other."""

    v: int
    agency: str
    profile: str
    at: datetime
    valid_until: datetime
    founders: tuple[str, str]
    members: tuple[FirstMember, ...]


class _Signed(msgspec.Struct, forbid_unknown_fields=True):
    founding: str
    signatures: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """A checked document and the digest of its bytes."""

    founding: Founding
    digest: str


def write(founding: Founding, signers: Mapping[str, Signer]) -> bytes:
    """The document with both founders' signatures."""
    text = canonical.encode(
        {
            "v": founding.v,
            "agency": founding.agency,
            "profile": founding.profile,
            "at": timestamp(founding.at),
            "valid_until": timestamp(founding.valid_until),
            "founders": list(founding.founders),
            "members": [msgspec.to_builtins(member) for member in founding.members],
        }
    )
    signatures = {who: signers[who].sign(labels.STAFF_FOUNDING, text).hex() for who in founding.founders}
    return msgspec.json.encode(_Signed(founding=text.decode(), signatures=signatures))


def new(
    agency: str,
    *,
    profile: str,
    at: datetime,
    valid_until: datetime,
    founders: tuple[str, str],
    members: Sequence[FirstMember],
) -> Founding:
    return Founding(_FORM, agency, profile, at, valid_until, founders, tuple(members))


def read(data: bytes, agency: str) -> Founded:
    """Check a document for this agency: its form, two different founders with two different cards, and both signatures. Raises FoundingBrokenError."""
    try:
        signed = msgspec.json.decode(data, type=_Signed)
        text = signed.founding.encode()
        found = msgspec.json.decode(text, type=Founding)
        members = {member.staff_id: member for member in found.members}
        keys = {bytes.fromhex(members[who].card_key) for who in found.founders}
        right = all(
            verify(
                bytes.fromhex(members[who].card_key), labels.STAFF_FOUNDING, text, bytes.fromhex(signed.signatures[who])
            )
            for who in found.founders
        )
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError, RecursionError):
        raise FoundingBrokenError("the founding document is not of its form") from None
    ids = [member.staff_id for member in found.members]
    cards = {member.card_key for member in found.members}
    named = all(STAFF_ID.fullmatch(member.staff_id) and OFFICE.fullmatch(member.office) for member in found.members)
    if not right or len(keys) != _FOUNDERS or len(set(ids)) != len(ids) or len(cards) != len(ids) or not named:
        raise FoundingBrokenError("the founding document is not signed by two founders of its own")
    if found.agency != agency or found.v != _FORM or found.profile not in PROFILES:
        raise FoundingBrokenError("the founding document is another agency's or of another form")
    return Founded(founding=found, digest=sha256(text).hexdigest())


def read_file(path: Path, agency: str) -> Founded | None:
    """The document that set-up has left, or None when there is none. Raises FoundingBrokenError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return read(data, agency)


def naming(founded: Founded) -> str:
    """The purpose by which a ring names a document; whoever opens the ring puts it there."""
    return f"{_NAMED}{founded.digest}"


async def begin(desk: StaffDesk, founded: Founded | None) -> None:
    """Before anybody is let in: mark what is of before, once; take the document, once. A server that is killed in between does so at its next start.

    Raises StorageUnavailableError, KeyStoreError.
    """
    agency = desk.agency
    done = set(agency.keys.ring.purposes())
    if MARKED not in done:
        await _mark_those_of_before(desk)
    if founded is not None:
        await found(desk, founded)
    known = await store.foundings(agency)
    agency.keys.ensure_all([MARKED, FOUNDED] if known else [MARKED])
    if founded is not None and founded.digest in known and (named := naming(founded)) in done:
        with agency.keys.changing() as ring:
            if named in ring.purposes():
                ring.destroy(named)
                ring.forget(named)


async def _mark_those_of_before(desk: StaffDesk) -> None:
    agency = desk.agency
    marks = await store.marks_of_before(agency)
    if marks:
        entry = desk.entry(agency.clock(), EntryKind.STAFF_CHANGED, operation="marked", rows=len(marks))
        await agency.committer.apply(Commit(step=_MARKED, follow=tuple(marks), entries=(entry,)))
        _LOG.info("staff_marked", agency=agency.id, count=len(marks))


async def found(desk: StaffDesk, founded: Founded) -> None:
    """Take the document if the agency has no staff yet, or too few who can grant and its ring names it. Another server that does so at the same time
    wins or loses whole.
    """
    agency = desk.agency
    known, now = await store.foundings(agency), agency.clock()
    if founded.digest in known:
        return
    if not RESERVED.isdisjoint(member.staff_id for member in founded.founding.members):
        _LOG.error("staff_not_founded:id_reserved", agency=agency.id)
        return
    anew = bool(known) or FOUNDED in agency.keys.ring.purposes()
    able = await store.able(agency, now)
    if anew and (why := await _not_anew(desk, founded, able, now)) is not None:
        _LOG.warning("staff_not_founded_anew", agency=agency.id, reason=why)
        return
    founding = founded.founding
    grants = _grants(desk, founding, now)
    writes = [write for member in founding.members for write in _member(desk, founding, member, now)]
    entry = desk.entry(
        now,
        EntryKind.STAFF_FOUNDED,
        digest=founded.digest,
        founders=" ".join(founding.founders),
        members=" ".join(member.staff_id for member in founding.members),
        grants=len(grants),
        anew="yes" if anew else "",
    )
    first = Write(store.FOUND, ("founded", founded.digest))
    guard = Write(store.FOUND_ANEW, (founded.digest, now, store.counted(able))) if anew else first
    follow = (*writes, *(store.add_grant(agency, grant) for grant in grants))
    done = await agency.committer.apply(Commit(step=_FOUNDED, guard=guard, follow=follow, entries=(entry,)))
    if isinstance(done, Applied):
        _LOG.info("staff_founded", agency=agency.id, count=len(founding.members))


async def _not_anew(desk: StaffDesk, founded: Founded, rows: Sequence[Record], now: datetime) -> str | None:
    """Why a document does not found an agency anew that was founded before: 1. the ring does not name it: whoever writes disk and database put it there;
    2. enough are left who can grant; 3. it was not made lately; 4. it gives more than what is needed to grant again; 5. an id or a card of it is or was
    somebody's.
    """
    founding = founded.founding
    if naming(founded) not in desk.agency.keys.ring.purposes():
        return "not_vouched"
    able = remaining.by_function(rows)
    if all(len(able[function]) >= least for function, least in remaining.LEAST.items()):
        return "enough_left"
    if not now - _LATELY < founding.at <= now:
        return "not_made_lately"
    if any(set(member.functions) - set(remaining.LEAST) for member in founding.members):
        return "more_than_granting"
    return await _somebodys(desk, founding)


async def _somebodys(desk: StaffDesk, founding: Founding) -> str | None:
    ids = {member.staff_id for member in await store.members(desk.agency)}
    cards = {card.card_id for card in await store.cards(desk.agency)}
    for member in founding.members:
        if member.staff_id in ids or await ending.is_noted(desk.agency, ending.MEMBER, member.staff_id):
            return "staff_id_taken"
        if member.card_id in cards or await ending.is_noted(desk.agency, ending.CARD, member.card_id):
            return "card_taken"
    return None


def _member(desk: StaffDesk, founding: Founding, member: FirstMember, now: datetime) -> tuple[Write, Write]:
    person = Member(
        staff_id=member.staff_id,
        office=member.office,
        state=MemberState.ACTIVE,
        password_hash=member.password_hash,
        password_initial=False,
        password_until=now + desk.rules.password_for,
        valid_until=founding.valid_until,
        version=1,
    )
    key = bytes.fromhex(member.card_key)
    card = Card(
        card_id=member.card_id,
        staff_id=member.staff_id,
        kind=CardKind.KEY,
        public_key=key,
        credential=None,
        sign_count=0,
        # of a simulation, whose clock is moved by years: as long as the account
        valid_until=founding.valid_until if desk.agency.register().simulation else now + desk.rules.card_for,
        state=CardState.ACTIVE,
    )
    return store.add_member(desk.agency, person, "set-up"), store.add_card(desk.agency, card)


def _grants(desk: StaffDesk, founding: Founding, now: datetime) -> list[Grant]:
    """Asked for by one founder and approved by the other, who is not the holder: the rule of every later grant."""
    cards = {member.staff_id: member.card_id for member in founding.members}
    one, other = (Actor(staff_id=who, card_id=cards[who]) for who in founding.founders)
    grants = []
    for member in founding.members:
        asking, approving = (other, one) if member.staff_id == other.staff_id else (one, other)
        for function in member.functions:
            scope = Scope(
                function=function,
                office=member.office,
                affair=EVERYTHING,
                information=EVERYTHING,
                file=EVERYTHING,
                valid_from=min(founding.at, now),
                valid_until=founding.valid_until,
            )
            grant = Grant(
                grant_id=desk.agency.new_id(GRANT_PREFIX, now),
                staff_id=member.staff_id,
                scope=scope,
                state=GrantState.EFFECTIVE,
                version=1,
                requested=asking,
                approved=approving,
            )
            grants.append(replace(grant, approved_digest=grant.digest(desk.agency.id)))
    return grants
