"""Decisions, holds, and the people they are about, in the database. Who changes people holds the counter's row lock (addressees.store)."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from asyncpg import Record

from gateway.linkage_server.addressees.rows import Row
from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.pushes import store as pushes
from gateway.linkage_server.review.decision import Content, Kind, Standing, State, staff_differ
from keys.binding import bind
from storage import sql
from storage.committer import Statement, Write
from storage.database import Connection
from transport.clock import JST

SQL: Final = sql.load("gateway.linkage_server.review")
_PROPOSE: Final = Statement("put_decision", SQL["put_decision"])
_EDIT: Final = Statement("edit_decision", SQL["edit_decision"])
_APPROVE: Final = Statement("approve_decision", SQL["approve_decision"])
_END: Final = Statement("end_decision", SQL["end_decision"])
CONTENT: Final = msgspec.json.Decoder(Content)
ROW: Final = msgspec.json.Decoder(Row)
_CHANGE = msgspec.json.Decoder(Change)

Pair = tuple[str, str]
"""Business system, addressee number."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Decision:
    """One row of `review_decision`. `seen`: person → revision that was looked at; `digest`: what an approval names; `proposed_client`: None where it
    was not kept yet; `forgotten_at`: since when what staff typed is not in the content.
    """

    id: str
    kind: Kind
    hold_id: str | None
    state: State
    version: int
    seen: dict[int, int]
    content: Content
    digest: bytes
    system: str
    affair: str
    proposed_by: str
    proposed_at: datetime
    proposed_client: str | None
    approved_by: str | None
    approved_at: datetime | None
    approval: bytes | None
    ended_at: datetime | None
    reason: str | None
    forgotten_at: datetime | None = None

    @property
    def subject(self) -> str:
        """What it is about: one decision about it is open at a time. Freezing waits for nothing that is only proposed."""
        if self.hold_id is not None:
            return f"hold/{self.hold_id}"
        return f"{'freeze' if self.kind is Kind.FREEZE else 'person'}/{self.content.person}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Hold:
    """What is held. `row`: of a load; `change`: of a change; the one that it is not is None, and both once the hold is forgotten (`forgotten_at`).

    `of_day`: the day that what was sent is of.
    """

    id: str
    system: str
    addressee_number: str
    reason: str
    differing: tuple[str, ...]
    state: str
    held_at: datetime
    of_day: date
    event_key: str | None
    row: Row | None
    change: Change | None
    forgotten_at: datetime | None

    @property
    def pair(self) -> Pair:
        return self.system, self.addressee_number

    @property
    def individual_number(self) -> str:
        if self.row is not None:
            return self.row.individual_number
        return self.change.says.individual_number if self.change is not None else ""


def digest_of(keys: PersonalKeys, one: Decision) -> bytes:
    """Keyed digest of all that an approval approves: what, about whom, in which state of theirs, in which version, proposed by whom, by which client."""
    people = [f"{number}:{revision}" for number, revision in sorted(one.seen.items())]
    content = msgspec.json.encode(one.content, order="deterministic")
    client = (one.proposed_client,) if one.proposed_client is not None else ()
    return keys.digest_of_decision(
        bind(one.id, one.version, one.kind.value, one.subject, one.proposed_by, people, content, *client)
    )


def _approval(keys: PersonalKeys, decision_id: str, digest: bytes, staff: str, at: datetime) -> bytes:
    return keys.digest_of_decision(bind(decision_id, digest, staff, at.astimezone(UTC).isoformat()))


def is_genuine(keys: PersonalKeys, one: Decision) -> bool:
    """Whether what lies in the row is what was proposed, and was approved so by somebody else: whoever writes to the database alone decides nothing."""
    if not hmac.compare_digest(digest_of(keys, one), one.digest):
        return False
    if one.kind is Kind.FREEZE:
        return True
    if one.approved_by is None or one.approved_at is None or one.approval is None:
        return False
    expected = _approval(keys, one.id, one.digest, one.approved_by, one.approved_at)
    return hmac.compare_digest(expected, one.approval) and staff_differ(one.proposed_by, one.approved_by)


def _decision(row: Record, keys: PersonalKeys) -> Decision:
    return Decision(
        id=row["decision_id"],
        kind=Kind(row["kind"]),
        hold_id=row["hold_id"],
        state=State(row["state"]),
        version=row["version"],
        seen=dict(zip(row["persons"], row["revisions"], strict=True)),
        content=CONTENT.decode(keys.open_decision(row["sealed"], row["decision_id"])),
        digest=row["content"],
        system=row["business_system_id"],
        affair=row["affair"],
        proposed_by=row["proposed_by"],
        proposed_at=row["proposed_at"],
        proposed_client=row["proposed_client"],
        approved_by=row["approved_by"],
        approved_at=row["approved_at"],
        approval=row["approval"],
        ended_at=row["ended_at"],
        reason=row["reason"],
        forgotten_at=row["forgotten_at"],
    )


async def read_decision(connection: Connection, keys: PersonalKeys, decision_id: str) -> Decision | None:
    row = await connection.fetchrow(SQL["decision"], decision_id)
    return _decision(row, keys) if row is not None else None


async def lock_decision(connection: Connection, keys: PersonalKeys, decision_id: str) -> Decision | None:
    """As `read_decision`; nobody else changes its row before this transaction ends."""
    row = await connection.fetchrow(SQL["lock_decision"], decision_id)
    return _decision(row, keys) if row is not None else None


async def to_do(connection: Connection) -> list[str]:
    """Decisions that are approved and not through, the oldest first."""
    return [row["decision_id"] for row in await connection.fetch(SQL["decisions_to_do"])]


async def splits_done(connection: Connection, keys: PersonalKeys, after: str, limit: int) -> list[Decision]:
    """Splits that were carried out, in the order of their ids."""
    return [_decision(row, keys) for row in await connection.fetch(SQL["splits_done"], after, limit)]


async def page_of_decisions(
    connection: Connection, after: str, states: Collection[str], limit: int
) -> list[dict[str, Any]]:
    """Decisions in the order of their ids, without their contents."""
    return [dict(row) for row in await connection.fetch(SQL["decisions"], after, sorted(states), limit)]


async def open_about(connection: Connection, subject: str) -> str | None:
    """The open decision about a hold or a person (`Decision.subject`), if there is one."""
    decision_id: str | None = await connection.fetchval(SQL["open_about"], subject)
    return decision_id


async def others_under_way(connection: Connection, one: Decision) -> bool:
    """Whether another decision about one of the same people has begun to take effect."""
    return await connection.fetchval(SQL["under_way_with"], list(one.seen), one.id) is not None


async def move(connection: Connection, one: Decision, to: State, states: Sequence[State]) -> None:
    """The next state of a decision whose row this transaction has locked."""
    await connection.execute(SQL["move_decision"], one.id, to.value, [state.value for state in states])


def _joined(numbers: Collection[int]) -> str:
    return ",".join(str(number) for number in numbers)


def put(keys: PersonalKeys, one: Decision) -> Write:
    """A new decision; nothing happens when another about the same is open."""
    row = (
        one.id, one.kind.value, one.subject, one.hold_id, one.state.value, _joined(one.seen), _joined(one.seen.values()),
        keys.seal_decision(msgspec.json.encode(one.content), one.id), one.digest, one.system, one.affair, one.proposed_by, one.proposed_at, one.proposed_client,
    )  # fmt: skip
    return Write(_PROPOSE, row)


def edit(keys: PersonalKeys, one: Decision) -> Write:
    """The next version of a decision about the same, proposed anew; an approval of the one before is gone."""
    row = (
        one.id, one.kind.value, one.subject, one.version, _joined(one.seen), _joined(one.seen.values()),
        keys.seal_decision(msgspec.json.encode(one.content), one.id), one.digest, one.system, one.affair, one.proposed_by, one.proposed_at, one.proposed_client,
    )  # fmt: skip
    return Write(_EDIT, row)


def approve(keys: PersonalKeys, decision_id: str, digest: bytes, staff: str, at: datetime) -> Write:
    return Write(_APPROVE, (decision_id, digest, staff, at, _approval(keys, decision_id, digest, staff, at)))


def end(decision_id: str, to: State, *, staff: str, at: datetime, reason: str | None, states: Sequence[State]) -> Write:
    return Write(_END, (decision_id, to.value, staff, at, reason, " ".join(state.value for state in states)))


def _day(row: Record) -> date:
    """The day that held words are of; of rows that were held before that was kept, the one on which they came."""
    kept: date | None = row["effective_on"]
    return kept or row["held_at"].astimezone(JST).date()


def _hold(row: Record, keys: PersonalKeys) -> Hold:
    opened = keys.open_for_review(row["sealed"], row["hold_id"]) if row["sealed"] is not None else None
    of_a_change = row["subject"] == "change"
    return Hold(
        id=row["hold_id"],
        system=row["business_system_id"],
        addressee_number=row["addressee_number"],
        reason=row["reason"],
        differing=tuple(row["differing"]),
        state=row["state"],
        held_at=row["held_at"],
        of_day=_day(row),
        event_key=row["event_key"],
        row=ROW.decode(opened) if opened is not None and not of_a_change else None,
        change=_CHANGE.decode(opened) if opened is not None and of_a_change else None,
        forgotten_at=row["forgotten_at"],
    )


async def read_hold(connection: Connection, keys: PersonalKeys, hold_id: str) -> Hold | None:
    row = await connection.fetchrow(SQL["hold"], hold_id)
    return _hold(row, keys) if row is not None else None


async def row_that_was_linked(connection: Connection, keys: PersonalKeys, pair: Pair) -> tuple[Row, date] | None:
    """What a system had sent when staff linked its addressee number, if they did, and of which day."""
    row = await connection.fetchrow(SQL["hold_of_addressee"], *pair)
    return (ROW.decode(keys.open_for_review(row["sealed"], row["hold_id"])), _day(row)) if row is not None else None


async def page_of_holds(
    connection: Connection, after: str, reason: str, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Open holds in the order in which they came, nobody's data in them, and how many there are in all."""
    rows = [dict(row) for row in await connection.fetch(SQL["holds"], after, reason, limit)]
    return rows, await connection.fetchval(SQL["open_holds_count"])


async def close_hold(connection: Connection, hold_id: str, state: str, at: datetime) -> None:
    await connection.execute(SQL["close_hold"], hold_id, state, at)


async def read_standings(connection: Connection, numbers: Collection[int]) -> dict[int, Standing]:
    """People by integrated number; absent when there is nobody."""
    wanted = sorted(set(numbers))
    held: dict[int, dict[Pair, str | None]] = {}
    for row in await connection.fetch(SQL["addressees_of"], wanted):
        pair = (row["business_system_id"], row["addressee_number"])
        held.setdefault(row["integrated_number"], {})[pair] = row["replaced_by"]
    return {
        row["integrated_number"]: Standing(
            revision=row["revision"],
            frozen=row["frozen"],
            merged_into=row["merged_into"],
            has_number=row["has_number"],
            code_state=row["code_state"],
            addressees=frozenset(held.get(row["integrated_number"], ())),
            replaced={pair: by for pair, by in held.get(row["integrated_number"], {}).items() if by is not None},
        )
        for row in await connection.fetch(SQL["standings"], wanted)
    }


async def person_of_addressee(connection: Connection, pair: Pair) -> int | None:
    number: int | None = await connection.fetchval(SQL["person_of_addressee"], *pair)
    return number


async def person_of_index(connection: Connection, indexes: Sequence[bytes]) -> int | None:
    number: int | None = await connection.fetchval(SQL["person_of_index"], list(indexes))
    return number


async def set_frozen(connection: Connection, numbers: Collection[int], now: datetime, *, frozen: bool) -> None:
    """A number that was merged stays frozen. Pushes written before, in a race also while somebody is frozen, do not leave as they are."""
    await connection.execute(SQL["set_frozen"], sorted(numbers), frozen)
    await pushes.supersede(connection, sorted(numbers), now)


async def touch(connection: Connection, numbers: Collection[int]) -> None:
    """Whose addressees or history changed is another than was looked at, also when the items came out the same."""
    await connection.execute(SQL["touch"], sorted(set(numbers)))


async def new_person(connection: Connection, number: int, four_items_sealed: bytes, since: date) -> None:
    await connection.execute(SQL["new_person"], number, four_items_sealed, since)


async def set_merged(connection: Connection, number: int, into: int) -> None:
    await connection.execute(SQL["set_merged"], number, into)


async def unmerge(connection: Connection, number: int) -> None:
    await connection.execute(SQL["unmerge"], number)


async def all_addressees(connection: Connection, number: int) -> list[Pair]:
    """Also those that have ended."""
    return [(row[0], row[1]) for row in await connection.fetch(SQL["all_addressees"], number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """How a change came: under which addressee number of which system, when it was applied (None: its day has not come), and which open hold it waits for."""

    pair: Pair
    applied_at: datetime | None
    held_by: str | None


async def events_that_came(connection: Connection, number: int, pairs: Collection[Pair]) -> dict[str, Came]:
    """Changes of one person that came under these addressee numbers and are not undone, or are held, by event key."""
    listed = sorted(pairs)
    rows = await connection.fetch(
        SQL["events_of_addressees"], number, [pair[0] for pair in listed], [pair[1] for pair in listed]
    )
    return {
        row["event_key"]: Came(
            pair=(row["business_system_id"], row["addressee_number"]),
            applied_at=row["applied_at"],
            held_by=row["held_by"],
        )
        for row in rows
    }


async def follow_hold(connection: Connection, hold_id: str, event_key: str) -> None:
    """The change of a hold lies in the history under another key since a decision."""
    await connection.execute(SQL["follow_hold"], hold_id, event_key)


async def put_addressee(connection: Connection, hold: Hold, number: int, since: tuple[date, datetime] | None) -> None:
    """The addressee number of a held row means this person. The load that held it is the first part of the hold's id.

    `since`: day and instant since which whoever is new by this row is known; None: what was sent lies in the hold.
    """
    if hold.row is not None:
        intake_id = int(hold.id.removeprefix("H").partition("-")[0])
        await connection.execute(
            SQL["put_addressee"], *hold.pair, number, hold.row.resident_kind, intake_id, *(since or (None, None))
        )


class InHistory(StrEnum):
    """Where a held change stands in the history of people: one that had waited for its day is there before it is decided."""

    NOWHERE = "nowhere"
    HELD = "held"
    HELD_OF_ANOTHER = "held_of_another"
    TAKEN = "taken"


async def change_in_history(connection: Connection, hold_id: str) -> InHistory:
    """HELD_OF_ANOTHER: it lies with a person whom its addressee number meant when it came, and does not mean now. TAKEN: counting, or undone since."""
    row = await connection.fetchrow(SQL["event_of_hold"], hold_id)
    if row is None:
        return InHistory.NOWHERE
    if not row["is_held"]:
        return InHistory.TAKEN
    return InHistory.HELD_OF_ANOTHER if row["is_anothers"] else InHistory.HELD


async def forget_base_number(connection: Connection, number: int) -> None:
    """The 個人番号 that a person had from the start was never theirs."""
    await connection.execute(SQL["forget_base_number"], number)
