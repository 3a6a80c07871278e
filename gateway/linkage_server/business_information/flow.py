"""業務情報の取込み (LS-2.1 to LS-2.3): lines of a business system become originals, or new editions of them, together with their results.

Nothing is sent here: what is to go on is `due` when the chunk is committed, and the transfer takes it from there (LS-2.4, LS-2.5).
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from gateway.linkage_server import intake
from gateway.linkage_server.business_information import records, store
from gateway.linkage_server.business_information.originals import (
    FIELD_OF,
    Change,
    Ledger,
    LineReason,
    Original,
    Said,
    Told,
    Transfer,
    said_by,
)
from gateway.linkage_server.business_information.records import Record, Refused
from gateway.linkage_server.business_information.store import Addressee
from gateway.linkage_server.business_information.transfer import Prepared, as_taken_in
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.tenant import Agency
from storage.committer import Commit, commit_step
from storage.database import Connection
from transport.clock import JST

CHUNK_STEP: Final = commit_step("linkage", "business_information.chunk")
CLOSE_STEP: Final = commit_step("linkage", "business_information.registered")
CHUNK: Final = 1_000
_SLICE: Final = 200
LINES = Counter("sekisho_business_lines", "Lines of business information by what became of them here", ["outcome"])


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of a file or an item of a call: its record, or why it is not one."""

    number: int
    record: Record | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whose lines these are. `by`: who changes the records, as each edition keeps it. `day`: the day that they are of, where a line tells no time."""

    system: str
    by: str
    day: date | None = None


Result = list[Any]
"""Line, outcome (`taken`, `unchanged`, `rejected`), reason, item, record id, edition, what the line does. The first four are the result file's columns."""
SHOWN: Final = 4


class Judged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line as far as it alone tells: the record with what it says, or why it is refused."""

    number: int
    found: tuple[Record, Said] | Refused


@dataclass(slots=True, kw_only=True)
class _Chunk:
    """What a chunk writes: the latest edition of each record that it changes, and the editions before."""

    before: dict[str, Original]
    changed: dict[str, Original]
    past: list[Original]


async def judge(agency: Agency, lines: Sequence[Line], sender: Sender) -> list[Judged]:
    """What needs no database. Lets other work of the server run in between."""
    today = agency.clock().astimezone(JST).date()
    judged: list[Judged] = []
    for start in range(0, len(lines), _SLICE):
        judged += [
            Judged(number=line.number, found=_judged(agency, line.record, sender, today))
            for line in lines[start : start + _SLICE]
        ]
        await asyncio.sleep(0)
    return judged


def _judged(agency: Agency, record: Record | Refused, sender: Sender, today: date) -> tuple[Record, Said] | Refused:
    if isinstance(record, Refused):
        return record
    layout = records.layout_of(record, agency.layouts, today)
    wrong = records.problem(record, layout, agency.layouts, today=today, system=sender.system)
    return wrong or (record, said_by(record, sender.system, agency.layouts, layout))


async def take_in(
    agency: Agency,
    taken: Intake,
    judged: Sequence[Judged],
    sender: Sender,
    *,
    on_command: bool,
    stored: Sequence[Result] | None = None,
) -> tuple[Intake, list[Prepared]]:
    """Decide and write one chunk that was judged; returns the intake after it, and the new records that are due, to be sent as they are.

    Raises StorageUnavailableError; then nothing of the chunk is there.
    `stored`: the results of the chunk when some of its lines are decided anew; they are as old as their intake, and what came since is newer.
    `on_command`: what belongs to a data set whose first full transfer has not gone through waits for that (初回提供区分).
    """
    CHUNK_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        await store.lock_intake(connection)
        ledger = await _read_ledger(connection, agency, judged, sender.system)
        chunk = _Chunk(before=dict(ledger.held), changed={}, past=[])
        received = taken.taken_at if stored is not None else None
        results = [_decide(agency, ledger, chunk, one, sender, received) for one in judged]
        fresh = await _write(connection, agency, chunk, ledger.addressees, sender.system, on_command=on_command)
        if stored is None:
            taken = await intake.keep_results(connection, taken, results, judged[-1].number)
        else:
            said_before = [one[:SHOWN] for one in stored]
            results = [one for one in results if one[:SHOWN] not in said_before]
            taken = await intake.change_results(connection, taken, stored, results)
        gone = [("original", one.said.record_id) for one in chunk.changed.values() if one.said.deleted]
        if gone:
            await asyncio.to_thread(agency.erasures.write, gone, agency.clock())
    CHUNK_STEP.after.reached()
    for outcome, times in Tally(result[1] for result in results).items():
        LINES.labels(outcome).inc(times)
    return taken, fresh


async def _read_ledger(connection: Connection, agency: Agency, judged: Sequence[Judged], system: str) -> Ledger:
    found = [one.found for one in judged if not isinstance(one.found, Refused)]
    said = [one for _, one in found]
    ids = list(dict.fromkeys(one.record_id for one in said))
    parents = [one.parent_record_id for one in said if one.parent_record_id is not None]
    held_before = list(dict.fromkeys(one.record_id for record, one in found if record.operation != "register"))
    return Ledger(
        held=await store.read_held(connection, agency.keys, [*ids, *parents]),
        children=await store.read_children(connection, held_before) if held_before else {},
        addressees=await store.read_addressees(
            connection, system, list(dict.fromkeys(one.addressee_number for one in said))
        ),
        layouts=agency.layouts,
    )


def _told(agency: Agency, record: Record, sender: Sender, received: datetime | None) -> Told:
    if record.changed_at is not None:
        return Told(record.changed_at, record.changed_at)
    if sender.day is not None:
        return Told.on(sender.day)
    return Told(received or agency.clock(), received)


def _decide(
    agency: Agency, ledger: Ledger, chunk: _Chunk, one: Judged, sender: Sender, received: datetime | None
) -> Result:
    if isinstance(one.found, Refused):
        return [one.number, "rejected", one.found.reason, one.found.item, None, None, None]
    record, said = one.found
    held = ledger.held.get(said.record_id)
    change = ledger.take(record, said, told=_told(agency, record, sender, received), by=sender.by)
    if isinstance(change, LineReason):
        return [one.number, "rejected", change.value, FIELD_OF.get(change), None, None, None]
    return _taken(one.number, record.operation, change, held, chunk)


def _taken(number: int, operation: str, change: Change, held: Original | None, chunk: _Chunk) -> Result:
    identity, edition = change.original.said.record_id, change.original.edition
    if not change.new_edition:
        reason = change.reason.value if change.reason else None
        return [number, "unchanged", reason, None, identity, edition, operation]
    if held is not None:
        chunk.past.append(held)
    chunk.changed[identity] = change.original
    return [number, "taken", None, None, identity, edition, operation]


async def _write(
    connection: Connection,
    agency: Agency,
    chunk: _Chunk,
    addressees: Mapping[str, Addressee],
    system: str,
    *,
    on_command: bool,
) -> list[Prepared]:
    scopes = {(one.said.information, one.said.data_set, one.said.layout_version) for one in chunk.changed.values()}
    await store.open_scopes(connection, system, scopes)
    waiting = await store.scopes_waiting(connection, system) if on_command else set()
    new: list[tuple[Original, Transfer, bool, int]] = []
    changed: list[tuple[Original, Transfer, bool]] = []
    fresh: list[Prepared] = []
    revisions = iter(await store.next_revisions(connection, len(chunk.changed.keys() - chunk.before.keys())))
    for identity, one in chunk.changed.items():
        said = one.said
        waits = (said.information, said.data_set, said.layout_version) in waiting and not said.deleted
        person = addressees.get(said.addressee_number)
        may_be_sent = not waits and not said.deleted and person is not None and person.reason is None
        transfer = Transfer.AWAITING_FIRST if waits else Transfer.DUE
        if identity in chunk.before:
            changed.append((one, transfer, may_be_sent))
            continue
        revision = next(revisions)
        new.append((one, transfer, may_be_sent, revision))
        if may_be_sent and person is not None:
            fresh.append(as_taken_in(one, revision, person.integrated_number))
    await store.insert_originals(connection, agency.keys, system, new)
    await store.change_originals(connection, agency.keys, changed)
    await store.keep_past(connection, agency.keys, chunk.past)
    return fresh


async def close(agency: Agency, taken: Intake) -> None:
    """The whole intake is in and its results are final; only its state moves here."""
    await agency.committer.apply(Commit(step=CLOSE_STEP, guard=intake.closing(agency, taken)))
