"""The first members of an agency's staff come from set-up, under the signatures of two people (IS-9, SC-11).

Nobody is there yet who could grant anything, so the founding document names two founders with a card each, the members and their
first grants; both cards have signed all of it. It is taken once, when the agency has no staff, and stands in the evidence log by its digest.

That it was taken, and that what was there before there were marks (staff.vouching) has been marked, stands in the agency's ring, where nobody who
writes the database can undo it: neither is ever done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import structlog

from evidence import canonical
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.factors import card_id_of
from gateway.intermediate_server.staff.granting import GRANT_PREFIX
from gateway.intermediate_server.staff.people import OFFICE, STAFF_ID, Card, CardKind, CardState, Member, MemberState
from gateway.intermediate_server.staff.rights import EVERYTHING, Actor, Function, Grant, GrantState, Scope
from keys import labels
from keys.passphrase import CHEAPEST, NORMAL, Profile
from keys.signing import Signer, verify
from storage.committer import Commit, Write, commit_step

_LOG = structlog.get_logger()
_FOUNDED = commit_step("founding", "staff.founded")
_MARKED = commit_step("founding", "staff.marked")
MARKED: Final = "staff-marked"
FOUNDED: Final = "staff-founded"
"""Purposes of the ring that seal nothing: that they are there is the fact."""
_FORM: Final = 1
_FOUNDERS: Final = 2
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


async def begin(desk: StaffDesk, founded: Founded | None) -> None:
    """Before anybody is let in: mark what is of before, once; take the document, once. A server that is killed in between does so at its next start.

    Raises StorageUnavailableError, KeyStoreError.
    """
    agency = desk.agency
    done = set(agency.keys.ring.purposes())
    if {MARKED, FOUNDED} <= done:
        return
    if MARKED not in done:
        await _mark_those_of_before(desk)
    if FOUNDED not in done and founded is not None and not await store.founded(agency):
        await found(desk, founded)
    agency.keys.ensure_all([MARKED, FOUNDED] if await store.founded(agency) else [MARKED])


async def _mark_those_of_before(desk: StaffDesk) -> None:
    agency = desk.agency
    marks = await store.marks_of_before(agency)
    if marks:
        entry = desk.entry(agency.clock(), EntryKind.STAFF_CHANGED, operation="marked", rows=len(marks))
        await agency.committer.apply(Commit(step=_MARKED, follow=tuple(marks), entries=(entry,)))
        _LOG.info("staff_marked", agency=agency.id, count=len(marks))


async def found(desk: StaffDesk, founded: Founded) -> None:
    """Take the document. Another server that does so at the same time wins or loses whole."""
    agency = desk.agency
    now = agency.clock()
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
    )
    guard = Write(store.FOUND, ("founded", founded.digest))
    follow = (*writes, *(store.add_grant(agency, grant) for grant in grants))
    await agency.committer.apply(Commit(step=_FOUNDED, guard=guard, follow=follow, entries=(entry,)))
    _LOG.info("staff_founded", agency=agency.id, count=len(founding.members))


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
