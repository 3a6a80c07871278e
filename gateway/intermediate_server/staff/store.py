"""Staff in the database: rows read as values, and the writes that the committer makes of changes. Reads raise StorageUnavailableError."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff.extensions import Extension, ExtensionState
from gateway.intermediate_server.staff.people import Card, CardKind, CardState, Member, MemberState, Session
from gateway.intermediate_server.staff.rights import Actor, Function, Grant, GrantState, Scope
from storage import sql
from storage.committer import Statement, Write
from storage.database import as_away

_SQL = sql.load("gateway.intermediate_server.staff")
FOUND = Statement("found", _SQL["found"])
FOUND_ANEW = Statement("found_anew", _SQL["found_anew"])
ADD_MEMBER = Statement("add_member", _SQL["add_member"])
CHANGE_MEMBER = Statement("change_member", _SQL["change_member"])
NOTE_LEAVING = Statement("note_leaving", _SQL["note_leaving"])
ENOUGH_REMAIN = Statement("enough_remain", _SQL["enough_remain"])
ADD_CARD = Statement("add_card", _SQL["add_card"])
CHANGE_CARD = Statement("change_card", _SQL["change_card"])
REVOKE_CARDS_OF = Statement("revoke_cards_of", _SQL["revoke_cards_of"])
COUNT_CARD = Statement("count_card", _SQL["count_card"])
SPEND_CHALLENGE = Statement("spend_challenge", _SQL["spend_challenge"])
COUNT_ATTEMPT = Statement("count_attempt", _SQL["count_attempt"])
FORGET_ATTEMPTS = Statement("forget_attempts", _SQL["forget_attempts"])
UNCOUNT_ATTEMPT = Statement("uncount_attempt", _SQL["uncount_attempt"])
OPEN_SESSION = Statement("open_session", _SQL["open_session"])
END_OLDEST_SESSIONS = Statement("end_oldest_sessions", _SQL["end_oldest_sessions"])
END_SESSION = Statement("end_session", _SQL["end_session"])
END_SESSIONS_OF = Statement("end_sessions_of", _SQL["end_sessions_of"])
RECORD_SESSION_END = Statement("record_session_end", _SQL["record_session_end"])
USE_SESSION = Statement("use_session", _SQL["use_session"])
ADD_GRANT = Statement("add_grant", _SQL["add_grant"])
CHANGE_GRANT = Statement("change_grant", _SQL["change_grant"])
REVOKE_GRANTS_OF = Statement("revoke_grants_of", _SQL["revoke_grants_of"])
VOID_GRANTS_OF = Statement("void_grants_of", _SQL["void_grants_of"])
ADD_EXTENSION = Statement("add_extension", _SQL["add_extension"])
CHANGE_EXTENSION = Statement("change_extension", _SQL["change_extension"])
EXTENSION_STANDS = Statement("extension_stands", _SQL["extension_stands"])
FORGET_RELATION = Statement("forget_relation", _SQL["forget_relation"])
ADD_RELATION = Statement("add_relation", _SQL["add_relation"])


async def _fetch(agency: HostedAgency, query: str, *values: Any) -> list[Record]:
    with as_away("staff could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            return list(await connection.fetch(_SQL[query], *values))


def _member(row: Record) -> Member:
    return Member(**{**dict(row), "state": MemberState(row["state"])})


def _card(row: Record) -> Card:
    return Card(**{**dict(row), "kind": CardKind(row["kind"]), "state": CardState(row["state"])})


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
    return _member(rows[0]) if rows else None


async def members(agency: HostedAgency) -> list[Member]:
    return [_member(row) for row in await _fetch(agency, "members")]


async def locked_people(agency: HostedAgency, now: datetime) -> dict[str, datetime]:
    return {row["staff_id"]: row["locked_until"] for row in await _fetch(agency, "locked_people", now)}


async def cards(agency: HostedAgency, staff_id: str | None = None) -> list[Card]:
    rows = await (_fetch(agency, "cards") if staff_id is None else _fetch(agency, "cards_of", staff_id))
    return [_card(row) for row in rows]


async def locks(agency: HostedAgency, keys: Sequence[str]) -> dict[str, datetime | None]:
    return {row["key"]: row["locked_until"] for row in await _fetch(agency, "attempts", list(keys))}


async def session(agency: HostedAgency, token_hash: str) -> Session | None:
    rows = await _fetch(agency, "session", token_hash)
    return Session(**dict(rows[0])) if rows else None


async def ended_sessions(agency: HostedAgency, now: datetime, idle_since: datetime, most: int) -> list[Record]:
    """Sessions that are over and whose end is not in the log."""
    return await _fetch(agency, "ended_sessions", now, idle_since, most)


async def grants(agency: HostedAgency, staff_id: str | None = None) -> list[Grant]:
    rows = await (_fetch(agency, "grants") if staff_id is None else _fetch(agency, "grants_of", staff_id))
    return [_grant(row) for row in rows]


async def grant(agency: HostedAgency, grant_id: str) -> Grant | None:
    rows = await _fetch(agency, "grant_one", grant_id)
    return _grant(rows[0]) if rows else None


async def extensions(agency: HostedAgency) -> list[Extension]:
    return [_extension(row) for row in await _fetch(agency, "extensions")]


async def extension(agency: HostedAgency, extension_id: str) -> Extension | None:
    rows = await _fetch(agency, "extension_one", extension_id)
    return _extension(rows[0]) if rows else None


async def able(agency: HostedAgency, now: datetime) -> list[Record]:
    """`function`, `staff_id`, `until` of whoever can approve grants or administer staff now."""
    return await _fetch(agency, "able", now)


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
    """`at`, `kind`, `actor` (`system/staff`; a system that reads by itself), `item`, `subject` and `inquiry_number` of each inquiry and of each
    reading of a result, oldest first; of more than `most` the newest.
    """
    kinds = [EntryKind.INQUIRY_REGISTERED.value, EntryKind.INQUIRY_REFUSED.value, EntryKind.RESULT_READ.value]
    return await _fetch(agency, "inquiries_between", kinds, since, until, most)


async def personal_parts(agency: HostedAgency, inquiry_numbers: Sequence[str]) -> list[Record]:
    return await _fetch(agency, "personal_parts", list(inquiry_numbers))


async def forget(agency: HostedAgency, now: datetime, before: datetime) -> None:
    """Challenges past their time go, and counts and sessions older than `before` whose end is on record; what was done with them is in the log."""
    await _fetch(agency, "forget_challenges", now)
    await _fetch(agency, "forget_old_attempts", before)
    await _fetch(agency, "forget_sessions", before)


def add_card(card: Card) -> Write:
    row = (card.card_id, card.staff_id, card.kind.value, card.public_key, card.credential, card.sign_count)
    return Write(ADD_CARD, (*row, card.valid_until))


def change_member(before: Member, after: Member, by: str) -> Write:
    row = (before.staff_id, before.version, after.office, after.state.value, after.password_hash)
    return Write(CHANGE_MEMBER, (*row, after.password_initial, after.password_until, after.valid_until, by))


def change_card(before: Card, after: Card) -> Write:
    return Write(CHANGE_CARD, (before.card_id, before.valid_until, after.valid_until))


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


def add_grant(grant: Grant) -> Write:
    row = (grant.grant_id, grant.staff_id, *_scope_row(grant), grant.state.value, grant.version, *_of(grant.requested))
    return Write(ADD_GRANT, (*row, *_of(grant.approved), grant.approved_digest))


def change_grant(before: Grant, after: Grant) -> Write:
    row = (before.grant_id, before.state.value, before.version, *_scope_row(after), after.state.value, after.version)
    people = (*_of(after.requested), *_of(after.approved), after.approved_digest, *_of(after.revoked))
    return Write(CHANGE_GRANT, (*row, *people, *_of(after.checked)))
