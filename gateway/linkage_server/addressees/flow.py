"""宛名の登録 (registration): one chunk of rows is prepared, compared, decided and written in one transaction with its results.

Nothing is issued twice: numbers come from a counter that moves in the same transaction as the people who get them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from codebook.errors import CodebookError
from codebook.four_items import FourItems
from codebook.issuing import issue_many
from evidence.entry import EntryKind, other_entry
from gateway.api.clients import SystemRights
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import store
from gateway.linkage_server.addressees.decide import Decided, Known, Outcome, decide
from gateway.linkage_server.addressees.rows import Parsed, Row
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.outbound import SEND_FOUR_ITEMS
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from storage.committer import Commit, Write, commit_step
from storage.database import Connection

CHUNK_STEP: Final = commit_step("linkage", "addressees.chunk")
LOADED_STEP: Final = commit_step("linkage", "addressees.loaded")
CHUNK: Final = 4_000
_SLICE: Final = 200
PERSONS = Counter("sekisho_persons_total", "Rows of people by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A chunk before anything is read: rows with blind index and encoded four items, and what the resident network says.

    `rights` are those of the system whose rows these are; `last_line` is the last line that the chunk stands for.
    """

    rights: SystemRights
    rows: Sequence[Parsed]
    indexes: Sequence[bytes | None]
    network: Mapping[int, Sequence[str] | None]
    last_line: int


async def _network_account(agency: Agency, rows: Sequence[Row]) -> dict[int, Sequence[str] | None]:
    """IF_JRN_90014 for the rows with an 個人番号: line → four items or None when it is unknown there."""
    asked = [row for row in rows if row.individual_number]
    if not asked or not agency.compare_with_resident_network or not agency.outbound.knows_resident_network:
        return {}
    answers = await agency.outbound.ask_list(
        agency.outbound.resident_network("four-items"),
        [{"individual_number": row.individual_number} for row in asked],
        step=SEND_FOUR_ITEMS,
    )
    return {row.line: _account(answer) for row, answer in zip(asked, answers, strict=True)}


def _account(answer: Mapping[str, Any]) -> Sequence[str] | None:
    if answer.get("unknown"):
        return None
    try:
        return list(FourItems.parse(answer).reveal().values())  # reveal: to be compared with the row and dropped
    except CodebookError:
        return None


async def prepare(agency: Agency, parsed: Sequence[Parsed], *, rights: SystemRights, last_line: int) -> Prepared:
    """What needs no database. Lets other work of the server run in between. Raises ChannelError when the resident network is away."""
    indexes: list[bytes | None] = []
    for start in range(0, len(parsed), _SLICE):
        indexes += [
            agency.keys.index_of(row.individual_number) if isinstance(row, Row) and row.individual_number else None
            for row in parsed[start : start + _SLICE]
        ]
        await asyncio.sleep(0)
    network = await _network_account(agency, [row for row in parsed if isinstance(row, Row)])
    return Prepared(rights=rights, rows=parsed, indexes=indexes, network=network, last_line=last_line)


async def register(agency: Agency, taken: Intake, chunk: Prepared) -> Intake:
    """Decide and write one chunk; returns the intake after it. Raises StorageUnavailableError; then nothing of the chunk is there."""
    CHUNK_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        await store.lock_counter(connection)
        rows = [row for row in chunk.rows if isinstance(row, Row)]
        ledger = await store.read_ledger(
            connection,
            agency.keys,
            system=chunk.rights.system,
            addressee_numbers=[row.addressee_number for row in rows],
            indexes=[index for index in chunk.indexes if index is not None],
        )
        decisions = decide(
            zip(chunk.rows, chunk.indexes, strict=True), ledger, intake_id=taken.id, network=chunk.network
        )
        await _write_people(connection, agency, decisions)
        await _write_addressees(connection, chunk.rights.system, taken, decisions)
        await _write_holds(connection, agency, chunk.rights.system, taken, decisions)
        results = [_result(one, chunk.rights) for one in decisions]
        advanced = await intake.keep_results(connection, taken, results, chunk.last_line)
    CHUNK_STEP.after.reached()
    for outcome in Outcome:
        PERSONS.labels(outcome.value).inc(advanced.counts.get(outcome, 0) - taken.counts.get(outcome, 0))
    return advanced


async def _write_people(connection: Connection, agency: Agency, decisions: Sequence[Decided]) -> None:
    """Issue numbers to the new people of the chunk, in the order of their rows, and seal what is known of them."""
    new: list[tuple[Row, Known]] = [
        (one.row, one.person)
        for one in decisions
        if one.outcome is Outcome.ISSUED and one.row is not None and one.person is not None
    ]
    if not new:
        return
    first = await store.claim_numbers(connection, len(new))
    numbers = issue_many(agency.keys.issuing_key(), first, len(new))
    encode = msgspec.json.encode
    keys = agency.keys
    people: list[tuple[int, bytes | None, bytes | None, bytes]] = []
    for at, ((row, person), text) in enumerate(zip(new, numbers, strict=True)):
        number = int(text)
        person.integrated_number = number
        sealed = keys.seal_individual_number(row.individual_number, number) if person.index is not None else None
        people.append((number, person.index, sealed, keys.seal_four_items(encode(row.four_items()), number)))
        if at % _SLICE == 0:
            await asyncio.sleep(0)
    await store.insert_persons(connection, people)


async def _write_addressees(connection: Connection, system: str, taken: Intake, decisions: Sequence[Decided]) -> None:
    await store.insert_addressees(
        connection,
        [
            (system, one.row.addressee_number, one.person.integrated_number, one.row.resident_kind, taken.id)
            for one in decisions
            if one.outcome in {Outcome.ISSUED, Outcome.LINKED}
            and one.row is not None
            and one.person is not None
            and one.person.integrated_number is not None
        ],
    )


async def _write_holds(
    connection: Connection, agency: Agency, system: str, taken: Intake, decisions: Sequence[Decided]
) -> None:
    now = agency.clock()
    holds = []
    for one in decisions:
        if one.outcome is not Outcome.HELD or one.row is None or one.reason is None:
            continue
        hold_id = f"H{taken.id}-{one.line}"
        sealed = agency.keys.seal_for_review(msgspec.json.encode(one.row), hold_id)
        fields = sorted(name.value for name in one.differing)
        holds.append((hold_id, system, one.row.addressee_number, one.reason.value, fields, sealed, now))
    await store.put_holds(connection, holds)


def _result(one: Decided, rights: SystemRights) -> list[Any]:
    """Line, outcome, reason, and the integrated number for a system that may learn it (LS-1.6)."""
    number = one.person.integrated_number if one.person is not None else None
    shown = f"{number:015d}" if rights.may("integrated-numbers", "read") and number is not None else None
    return [one.line, one.outcome.value, one.reason.value if one.reason else None, shown]


async def close(agency: Agency, taken: Intake, *, system: str) -> None:
    """The whole intake is in: `addressees.loaded` goes into the log with its counts and digest, once."""
    now = agency.clock()
    entry = other_entry(
        id=new_entry_id(now),
        at=now,
        kind=EntryKind.ADDRESSEES_LOADED,
        actor=system,
        facts={
            "system": system,
            "sha256": taken.sha256.hex(),
            "lines": sum(taken.counts.get(one, 0) for one in Outcome),
            **dict(taken.counts),
        },
    )
    await agency.committer.apply(
        Commit(step=LOADED_STEP, guard=Write(intake.CLOSE, (taken.key,)), entries=(new_entry(entry, now),))
    )
