"""Staff in the database: rows read as values, and the writes that the committer makes of changes. Reads raise StorageUnavailableError.

What is written in force is written with its mark (staff.vouching), and what is read in force without one that holds is read as `unvouched`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff import vouching
from gateway.intermediate_server.staff.extensions import Extension, ExtensionState
from gateway.intermediate_server.staff.people import Card, CardKind, CardState, Member, MemberState, Session
from gateway.intermediate_server.staff.rights import Actor, Function, Grant, GrantState, Scope, edited
from keys.ring import Keyring
from storage import sql
from storage.committer import Statement, Write
from storage.database import as_away

SQL = sql.load("gateway.intermediate_server.staff")
FOUND = Statement("found", SQL["found"])
FOUND_ANEW = Statement("found_anew", SQL["found_anew"])
ADD_MEMBER = Statement("add_member", SQL["add_member"])
CHANGE_MEMBER = Statement("change_member", SQL["change_member"])
NOTE_LEAVING = Statement("note_leaving", SQL["note_leaving"])
ENOUGH_REMAIN = Statement("enough_remain", SQL["enough_remain"])
ADD_CARD = Statement("add_card", SQL["add_card"])
CHANGE_CARD = Statement("change_card", SQL["change_card"])
REVOKE_CARDS_OF = Statement("revoke_cards_of", SQL["revoke_cards_of"])
COUNT_CARD = Statement("count_card", SQL["count_card"])
SPEND_CHALLENGE = Statement("spend_challenge", SQL["spend_challenge"])
COUNT_ATTEMPT = Statement("count_attempt", SQL["count_attempt"])
FORGET_ATTEMPTS = Statement("forget_attempts", SQL["forget_attempts"])
UNCOUNT_ATTEMPT = Statement("uncount_attempt", SQL["uncount_attempt"])
OPEN_SESSION = Statement("open_session", SQL["open_session"])
END_OLDEST_SESSIONS = Statement("end_oldest_sessions", SQL["end_oldest_sessions"])
END_SESSION = Statement("end_session", SQL["end_session"])
END_SESSIONS_OF = Statement("end_sessions_of", SQL["end_sessions_of"])
RECORD_SESSION_END = Statement("record_session_end", SQL["record_session_end"])
USE_SESSION = Statement("use_session", SQL["use_session"])
ADD_GRANT = Statement("add_grant", SQL["add_grant"])
CHANGE_GRANT = Statement("change_grant", SQL["change_grant"])
REVOKE_GRANTS_OF = Statement("revoke_grants_of", SQL["revoke_grants_of"])
VOID_GRANTS_OF = Statement("void_grants_of", SQL["void_grants_of"])
ADD_EXTENSION = Statement("add_extension", SQL["add_extension"])
CHANGE_EXTENSION = Statement("change_extension", SQL["change_extension"])
EXTENSION_STANDS = Statement("extension_stands", SQL["extension_stands"])
FORGET_RELATION = Statement("forget_relation", SQL["forget_relation"])
ADD_RELATION = Statement("add_relation", SQL["add_relation"])
MARK_MEMBER = Statement("mark_member", SQL["mark_member"])
MARK_CARD = Statement("mark_card", SQL["mark_card"])
MARK_GRANT = Statement("mark_grant", SQL["mark_grant"])
MARK_SESSION = Statement("mark_session", SQL["mark_session"])


async def _fetch(agency: HostedAgency, query: str, *values: Any) -> list[Record]:
    with as_away("staff could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            return list(await connection.fetch(SQL[query], *values))


def _said(row: Record, of: type[Member | Card | Session]) -> dict[str, Any]:
    return {name: row[name] for name in of.__slots__ if name != "vouched"}


def member_of(ring: Keyring, agency: str, row: Record) -> Member:
    found = Member(**{**_said(row, Member), "state": MemberState(row["state"])})
    return found if vouching.holds(ring, agency, found, row["mark"]) else replace(found, state=MemberState.UNVOUCHED)


def card_of(ring: Keyring, agency: str, row: Record) -> Card:
    found = Card(**{**_said(row, Card), "kind": CardKind(row["kind"]), "state": CardState(row["state"])})
    return found if vouching.holds(ring, agency, found, row["mark"]) else replace(found, state=CardState.UNVOUCHED)


def session_of(ring: Keyring, agency: str, row: Record) -> Session:
    found = Session(**_said(row, Session))
    return replace(found, vouched=vouching.holds(ring, agency, found, row["mark"]))


def grant_of(ring: Keyring, agency: str, row: Record) -> Grant:
    found = _grant(row)
    return found if vouching.holds(ring, agency, found, row["mark"]) else replace(found, state=GrantState.UNVOUCHED)


def _actor(row: Record, act: str) -> Actor | None:
    by = row[f"{act}_by"]
    return None if by is None else Actor(staff_id=by, card_id=row[f"{act}_card"])


def _extension(row: Record) -> Extension:
    return Extension(
        extension_id=row["extension_id"],
        staff_id=row["staff_id"],
        cards=tuple(row["cards"]),
        valid_until=row["valid_until"],
        member_version=row["member_version"],
        state=ExtensionState(row["state"]),
        version=row["version"],
        proposed=Actor(staff_id=row["proposed_by"], card_id=row["proposed_card"]),
        decided=_actor(row, "decided"),
    )


def _grant(row: Record) -> Grant:
    return Grant(
        grant_id=row["grant_id"],
        staff_id=row["staff_id"],
        scope=Scope(
            function=Function(row["function"]),
            office=row["office"],
            affair=row["affair"],
            information=row["information"],
            file=row["file"],
            valid_from=row["valid_from"],
            valid_until=row["valid_until"],
        ),
        state=GrantState(row["state"]),
        version=row["version"],
        requested=Actor(staff_id=row["requested_by"], card_id=row["requested_card"]),
        approved=_actor(row, "approved"),
        approved_digest=row["approved_digest"],
        revoked=_actor(row, "revoked"),
        checked=_actor(row, "checked"),
    )


async def member(agency: HostedAgency, staff_id: str) -> Member | None:
    rows = await _fetch(agency, "member", staff_id)
    return member_of(agency.keys.ring, agency.id, rows[0]) if rows else None


async def members(agency: HostedAgency) -> list[Member]:
    return [member_of(agency.keys.ring, agency.id, row) for row in await _fetch(agency, "members")]


async def locked_people(agency: HostedAgency, now: datetime) -> dict[str, datetime]:
    return {row["staff_id"]: row["locked_until"] for row in await _fetch(agency, "locked_people", now)}


async def cards(agency: HostedAgency, staff_id: str | None = None) -> list[Card]:
    rows = await (_fetch(agency, "cards") if staff_id is None else _fetch(agency, "cards_of", staff_id))
    return [card_of(agency.keys.ring, agency.id, row) for row in rows]


async def locks(agency: HostedAgency, keys: Sequence[str]) -> dict[str, datetime | None]:
    return {row["key"]: row["locked_until"] for row in await _fetch(agency, "attempts", list(keys))}


async def session(agency: HostedAgency, token_hash: str) -> Session | None:
    rows = await _fetch(agency, "session", token_hash)
    return session_of(agency.keys.ring, agency.id, rows[0]) if rows else None


async def open_sessions(agency: HostedAgency) -> list[Session]:
    return [session_of(agency.keys.ring, agency.id, row) for row in await _fetch(agency, "open_sessions")]


async def ended_sessions(agency: HostedAgency, now: datetime, idle_since: datetime, most: int) -> list[Record]:
    """Sessions that are over and whose end is not in the log."""
    return await _fetch(agency, "ended_sessions", now, idle_since, most)


async def grants(agency: HostedAgency, staff_id: str | None = None) -> list[Grant]:
    rows = await (_fetch(agency, "grants") if staff_id is None else _fetch(agency, "grants_of", staff_id))
    return [grant_of(agency.keys.ring, agency.id, row) for row in rows]


async def grant(agency: HostedAgency, grant_id: str) -> Grant | None:
    rows = await _fetch(agency, "grant_one", grant_id)
    return grant_of(agency.keys.ring, agency.id, rows[0]) if rows else None


async def extensions(agency: HostedAgency) -> list[Extension]:
    return [_extension(row) for row in await _fetch(agency, "extensions")]


async def extension(agency: HostedAgency, extension_id: str) -> Extension | None:
    rows = await _fetch(agency, "extension_one", extension_id)
    return _extension(rows[0]) if rows else None


async def able(agency: HostedAgency, now: datetime) -> list[Record]:
    """`function`, `staff_id`, `grant_id`, `card_id`, `until` of each right and card under which somebody can approve grants or administer staff now: of
    rows whose marks hold.
    """
    found = await _fetch(agency, "able", now)
    held: set[tuple[str, str]] = set()
    for who in {row["staff_id"] for row in found}:
        person = await member(agency, who)
        if person is None or person.state is not MemberState.ACTIVE:
            continue
        given = [one.grant_id for one in await grants(agency, who) if one.state is GrantState.EFFECTIVE]
        shown = [one.card_id for one in await cards(agency, who) if one.state is CardState.ACTIVE]
        held.update(product(given, shown))
    return [row for row in found if (row["grant_id"], row["card_id"]) in held]


def counted(rows: Iterable[Record]) -> str:
    """Rows of `able` as the statements that count them again in a transaction take them: whatever else is there has no mark that holds."""
    return " ".join(sorted(f"{row['grant_id']}/{row['card_id']}" for row in rows))


async def ending(agency: HostedAgency, now: datetime, before: datetime) -> list[Record]:
    """`what`, `ending`: how many accounts, cards and grants that are in force end before then."""
    return await _fetch(agency, "ending", now, before)


async def enough_remain(agency: HostedAgency, provided: Write) -> bool:
    """Whether a commit that is provided this would go through now."""
    return bool(await _fetch(agency, "enough_remain", *([value] for value in provided.row)))


async def foundings(agency: HostedAgency) -> frozenset[str]:
    """The digests of the documents that it was founded by; none of an agency without staff."""
    return frozenset(row["digest"] for row in await _fetch(agency, "founded"))


async def others_of(agency: HostedAgency, staff_id: str, indexes: Sequence[bytes]) -> bool:
    """Whether the person who is found by one of these is said to be a member of staff under another id that is in force."""
    return bool(await _fetch(agency, "others_of", staff_id, list(indexes)))


async def relations(agency: HostedAgency) -> list[Record]:
    """`staff_id`, `relation`, `person_index`, `number_sealed` of each."""
    return await _fetch(agency, "relations")


async def staff_entries(agency: HostedAgency, since: datetime, until: datetime, most: int) -> list[bytes]:
    """Bodies of the access log's entries, oldest first; of more than `most` the newest."""
    return [row["body"] for row in await _fetch(agency, "staff_entries", since, until, most)]


async def inquiries_between(agency: HostedAgency, since: datetime, until: datetime, most: int) -> list[Record]:
    """`at`, `kind`, `actor` (`system/staff`; a system that reads by itself), `item`, `subject`, `inquiry_number` and place (`year`, `idx`) of each
    inquiry and of each reading of a result, oldest first; of more than `most` the newest.
    """
    kinds = [EntryKind.INQUIRY_REGISTERED.value, EntryKind.INQUIRY_REFUSED.value, EntryKind.RESULT_READ.value]
    return await _fetch(agency, "inquiries_between", kinds, since, until, most)


async def personal_parts(agency: HostedAgency, inquiry_numbers: Sequence[str]) -> list[Record]:
    return await _fetch(agency, "personal_parts", list(inquiry_numbers))


async def personal_parts_at(agency: HostedAgency, places: Sequence[tuple[int, int]]) -> list[Record]:
    """Of the entries at these places of the log, each with its place."""
    return await _fetch(agency, "personal_parts_at", *map(list, zip(*places, strict=True)))


async def forget(agency: HostedAgency, now: datetime, before: datetime) -> None:
    """Challenges past their time go, and counts and sessions older than `before` whose end is on record; what was done with them is in the log."""
    await _fetch(agency, "forget_challenges", now)
    await _fetch(agency, "forget_old_attempts", before)
    await _fetch(agency, "forget_sessions", before)


def _mark(agency: HostedAgency, row: vouching.Row) -> bytes | None:
    return vouching.mark(agency.keys.ring, agency.id, row)


def add_member(agency: HostedAgency, member: Member, by: str) -> Write:
    row = (member.staff_id, member.office, member.password_hash, member.password_initial, member.password_until)
    return Write(ADD_MEMBER, (*row, member.valid_until, by, _mark(agency, member)))


def change_member(agency: HostedAgency, before: Member, after: Member, by: str) -> Write:
    row = (before.staff_id, before.version, after.office, after.state.value, after.password_hash)
    marked = _mark(agency, replace(after, version=before.version + 1))
    return Write(CHANGE_MEMBER, (*row, after.password_initial, after.password_until, after.valid_until, by, marked))


def add_card(agency: HostedAgency, card: Card) -> Write:
    row = (card.card_id, card.staff_id, card.kind.value, card.public_key, card.credential, card.sign_count)
    return Write(ADD_CARD, (*row, card.valid_until, _mark(agency, card)))


def open_session(agency: HostedAgency, session: Session, member_version: int) -> Write:
    """Of somebody who is as they were when their factors were examined."""
    row = (session.token_hash, session.staff_id, session.card_id, session.certificate, session.opened_at, session.until)
    said = (session.restricted, session.reason, session.reference)
    return Write(OPEN_SESSION, (*row, *said, _mark(agency, session), member_version))


def change_card(agency: HostedAgency, before: Card, after: Card) -> Write:
    return Write(CHANGE_CARD, (before.card_id, before.valid_until, after.valid_until, _mark(agency, after)))


def _extension_row(one: Extension) -> tuple[Any, ...]:
    return (" ".join(one.cards), one.valid_until, one.member_version)


def add_extension(one: Extension) -> Write:
    return Write(ADD_EXTENSION, (one.extension_id, one.staff_id, *_extension_row(one), one.version, *_of(one.proposed)))


def change_extension(before: Extension, after: Extension) -> Write:
    row = (before.extension_id, before.version, *_extension_row(after), after.state.value, after.version)
    return Write(CHANGE_EXTENSION, (*row, *_of(after.proposed), *_of(after.decided)))


def _scope_row(grant: Grant) -> tuple[Any, ...]:
    scope = grant.scope
    text = (scope.function.value, scope.office, scope.affair, scope.information, scope.file)
    return (*text, scope.valid_from, scope.valid_until)


def _of(actor: Actor | None) -> tuple[str | None, str | None]:
    return (actor.staff_id, actor.card_id) if actor else (None, None)


def add_grant(agency: HostedAgency, grant: Grant) -> Write:
    row = (grant.grant_id, grant.staff_id, *_scope_row(grant), grant.state.value, grant.version, *_of(grant.requested))
    return Write(ADD_GRANT, (*row, *_of(grant.approved), grant.approved_digest, _mark(agency, grant)))


def _stands(grant: Grant) -> GrantState:
    """What the row of an unvouched grant says."""
    return GrantState.EFFECTIVE if grant.approved else GrantState.REQUESTED


def void_grants(agency: HostedAgency, grants: Iterable[Grant], staff_id: str, by: Actor) -> Write:
    """Every grant of somebody's is asked for anew by `by`, as far as it is as it was read; what is unvouched, or has been written since, is revoked."""
    asked = [edited(one, by, one.scope) for one in grants if one.state in (GrantState.REQUESTED, GrantState.EFFECTIVE)]
    named = " ".join(f"{one.grant_id}/{one.version - 1}/{(_mark(agency, one) or b'').hex()}" for one in asked)
    return Write(VOID_GRANTS_OF, (staff_id, *_of(by), named))


def change_grant(agency: HostedAgency, before: Grant, after: Grant) -> Write:
    stands = _stands(before) if before.state is GrantState.UNVOUCHED else before.state
    row = (before.grant_id, stands.value, before.version, *_scope_row(after), after.state.value, after.version)
    people = (*_of(after.requested), *_of(after.approved), after.approved_digest, *_of(after.revoked))
    return Write(CHANGE_GRANT, (*row, *people, *_of(after.checked), _mark(agency, after)))


async def marks_of_before(agency: HostedAgency) -> list[Write]:
    """What marks everything in force that has no mark which holds, whatever it says: for rows of before there were marks, and for nothing else."""
    people = [one for one in await members(agency) if one.state is MemberState.UNVOUCHED]
    held = [one for one in await cards(agency) if one.state is CardState.UNVOUCHED]
    given = [one for one in await grants(agency) if one.state is GrantState.UNVOUCHED]
    opened = [one for one in await open_sessions(agency) if not one.vouched]
    marks = {
        MARK_MEMBER: {one.staff_id: _mark(agency, replace(one, state=MemberState.ACTIVE)) for one in people},
        MARK_CARD: {one.card_id: _mark(agency, replace(one, state=CardState.ACTIVE)) for one in held},
        MARK_GRANT: {one.grant_id: _mark(agency, replace(one, state=_stands(one))) for one in given},
        MARK_SESSION: {one.token_hash: _mark(agency, replace(one, vouched=True)) for one in opened},
    }
    return [Write(statement, row) for statement, rows in marks.items() for row in rows.items()]


async def unvouched(agency: HostedAgency) -> dict[str, int]:
    """How many rows in force have no mark that holds, by what they are."""
    return {
        "member": sum(one.state is MemberState.UNVOUCHED for one in await members(agency)),
        "card": sum(one.state is CardState.UNVOUCHED for one in await cards(agency)),
        "grant": sum(one.state is GrantState.UNVOUCHED for one in await grants(agency)),
        "session": sum(not one.vouched for one in await open_sessions(agency)),
    }
