"""宛名の登録 (registration): one chunk of rows is prepared, compared, decided and written in one transaction with its results.

Nothing is issued twice: a counter is taken by one load, under its row lock, before its number is given; a number that an earlier system
had issued is passed over; and a number that somebody has, had, or was merged out of stays in `person` for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
from prometheus_client import Counter as Metric

from codebook.issuing import issue_many
from evidence.entry import EntryKind, other_entry
from gateway.api.clients import SystemRights
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import store
from gateway.linkage_server.addressees.decide import Decided, NetworkVerdicts, Outcome, Surroundings, decide
from gateway.linkage_server.addressees.examination import Examined, ask_about, index_rows
from gateway.linkage_server.addressees.rows import Parsed, Row
from gateway.linkage_server.addressees.store import PersonRow
from gateway.linkage_server.intake import Intake
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.plausibility import NumbersSeen
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from gateway.linkage_server.ways_of_writing import counts_of, folds_of
from keys.masked import Secret
from keys.ring import version_of_index
from storage.committer import Commit, commit_step
from storage.database import Connection

CHUNK_STEP: Final = commit_step("linkage", "addressees.chunk")
LOADED_STEP: Final = commit_step("linkage", "addressees.loaded")
CHUNK: Final = 4_000
_SLICE: Final = 200
_REGISTERED: Final = (Outcome.ISSUED, Outcome.KEPT, Outcome.LINKED)
"""Tuples of outcomes: a look into a set costs the hash of an enum, a look into a tuple compares identities."""
_NEW: Final = (Outcome.ISSUED, Outcome.KEPT)
_ENCODE: Final = msgspec.json.encode
PERSONS = Metric("sekisho_persons_total", "Rows of people by what became of them", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A chunk before anything is read: rows with blind index, and what speaks for or against them.

    `rights` are those of the system whose rows these are; `last_line` is the last line that the chunk stands for; `as_of`: the day the rows are of;
    `sealed`: line → the row of somebody who is probably new, under a number that is ours already.
    """

    rights: SystemRights
    rows: Sequence[Parsed]
    indexes: Sequence[bytes | None]
    network: NetworkVerdicts
    two_people: frozenset[int]
    last_line: int
    as_of: date
    sealed: Mapping[int, PersonRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The counters of a file, one a line from `first_line` on: so numbers are given and rows sealed while the chunk before is written,
    and a file that is taken up again gives each line the number that it would have had. What is not used is a gap.
    """

    key: Secret
    first_counter: int
    first_line: int

    def numbers(self, first_line: int, count: int) -> list[int]:
        """Those of so many lines."""
        return issue_many(self.key, self.first_counter + first_line - self.first_line, count)


async def reserve(agency: Agency, taken: Intake, *, first_line: int, count: int) -> Reserved:
    """Take counters for the `count` lines of a file, or find those that it has. Raises StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        first = await store.numbers_from(connection, agency.marks, taken.id, count)
    return Reserved(key=agency.keys.issuing_key(), first_counter=first, first_line=first_line)


async def prepare(agency: Agency, parsed: Sequence[Parsed], *, rights: SystemRights, last_line: int) -> Prepared:
    """What needs no database, for a list that is a load of its own. Raises ChannelError when the resident network is away."""
    indexes = await index_rows(agency, parsed, agency.keys.index_version())
    seen = NumbersSeen()
    for row, index in zip(parsed, indexes, strict=True):
        if index is not None and isinstance(row, Row):
            seen.add(index, row.name, row.sex, row.birth_date)
    return Prepared(
        rights=rights,
        rows=parsed,
        indexes=indexes,
        network=await ask_about(agency, parsed),
        two_people=seen.of_two_people(),
        last_line=last_line,
        as_of=agency.today(),
        sealed={},
    )


async def prepare_examined(
    agency: Agency,
    parsed: Sequence[Parsed],
    examined: Examined,
    reserved: Reserved | None,
    *,
    rights: SystemRights,
    last_line: int,
    as_of: date,
) -> Prepared:
    """As `prepare`, for a chunk of a file that was examined; whoever was found new is sealed here already, off the way of the database."""
    indexes = await index_rows(agency, parsed, examined.index_version)
    first_line = last_line - len(parsed) + 1
    new = [
        (row, indexes[at], at) for at, row in enumerate(parsed) if isinstance(row, Row) and examined.is_new(row.line)
    ]
    sealed: dict[int, PersonRow] = {}
    if new and reserved is not None:
        numbers = reserved.numbers(first_line, len(parsed))
        for start in range(0, len(new), _SLICE):
            people = [(row, index, numbers[at]) for row, index, at in new[start : start + _SLICE]]
            sealed.update(zip((row.line for row, _, _ in people), _sealed(agency.keys, people, as_of), strict=True))
            await asyncio.sleep(0)
    return Prepared(
        rights=rights,
        rows=parsed,
        indexes=indexes,
        network=examined.verdicts(parsed),
        two_people=examined.two_people,
        last_line=last_line,
        as_of=as_of,
        sealed=sealed,
    )


def _sealed(keys: PersonalKeys, people: Sequence[tuple[Row, bytes | None, int]], as_of: date) -> list[PersonRow]:
    """Rows of `person`, from row, blind index and number of each: number, blind index, number sealed, four items sealed, the day they are of,
    whether the number is migrated.
    """
    individual = iter(
        keys.seal_individual_numbers([(row.individual_number, number) for row, index, number in people if index])
    )
    four_items = keys.seal_four_items_of([(_ENCODE(row.four_items()), number) for row, _, number in people])
    now = keys.index_version()
    return [
        (
            number,
            index if index is None or version_of_index(index) == now else keys.index_of(row.individual_number),
            next(individual) if index else None,
            items,
            as_of,
            bool(row.integrated_number),
        )
        for (row, index, number), items in zip(people, four_items, strict=True)
    ]


async def register(agency: Agency, taken: Intake, chunk: Prepared) -> Intake:
    """Decide and write one chunk; returns the intake after it. Raises StorageUnavailableError; then nothing of the chunk is there."""
    CHUNK_STEP.before.reached()
    system = chunk.rights.system
    async with agency.database.inside(agency.tenant) as connection:
        await store.lock_counter(connection)
        decisions = await decide_chunk(connection, agency, chunk, intake_id=taken.id)
        await write_people(connection, agency, chunk, decisions)
        await _write_addressees(connection, system, taken, decisions, chunk.as_of, agency.clock())
        await _write_readings(connection, agency, system, taken, decisions, chunk.as_of)
        await _write_holds(connection, agency, system, taken, decisions, chunk.as_of)
        learns = chunk.rights.may("integrated-numbers", "read")
        folds = await folds_of([one.folds for one in decisions])
        results = [_result(one, took, learns=learns) for one, took in zip(decisions, folds, strict=True)]
        advanced = await intake.keep_results(connection, taken, results, chunk.last_line, also=counts_of(folds))
    CHUNK_STEP.after.reached()
    for outcome in Outcome:
        PERSONS.labels(outcome.value).inc(advanced.counts.get(outcome, 0) - taken.counts.get(outcome, 0))
    return advanced


async def decide_chunk(connection: Connection, agency: Agency, chunk: Prepared, *, intake_id: int) -> list[Decided]:
    """Decide a chunk's rows under the counter's lock; nothing is written."""
    system = chunk.rights.system
    ledger = await store.read_ledger(connection, agency.keys, system, chunk.rows, chunk.indexes)
    around = Surroundings(
        intake_id=intake_id,
        network=chunk.network,
        two_people=chunk.two_people,
        today=agency.today(),
        ages=agency.limits.ages.get(system),
    )
    return decide(zip(chunk.rows, chunk.indexes, strict=True), ledger, around)


async def write_people(connection: Connection, agency: Agency, chunk: Prepared, decisions: Sequence[Decided]) -> None:
    """Give the new people of the chunk their numbers, in the order of their rows, and keep what is known of them, sealed."""
    new = [one for one in decisions if one.outcome in _NEW]
    if not new:
        return
    ready = chunk.sealed
    if ready:
        taken = await store.migrated_among(connection, [row[0] for row in ready.values()])
        if taken:
            ready = {line: row for line, row in ready.items() if row[0] not in taken}
    missing = sum(1 for one in new if one.outcome is Outcome.ISSUED and one.line not in ready)
    issued = iter(await store.issue_numbers(connection, agency.keys, agency.marks, missing))
    people: list[PersonRow] = []
    for at, one in enumerate(new):
        row, person = one.row, one.person
        if row is None or person is None:
            continue
        sealed = ready.get(one.line) if one.outcome is Outcome.ISSUED else None
        if sealed is None:
            number = int(row.integrated_number) if one.outcome is Outcome.KEPT else next(issued)
            (sealed,) = _sealed(agency.keys, [(row, person.index, number)], chunk.as_of)
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        person.integrated_number = sealed[0]
        people.append(sealed)
    await store.insert_persons(connection, people)


async def _write_addressees(
    connection: Connection, system: str, taken: Intake, decisions: Sequence[Decided], as_of: date, now: datetime
) -> None:
    await store.insert_addressees(
        connection,
        [
            (
                system,
                one.row.addressee_number,
                one.person.integrated_number,
                one.row.resident_kind,
                taken.id,
                as_of,
                now,
            )
            for one in decisions
            if one.outcome in _REGISTERED
            and one.row is not None
            and one.person is not None
            and one.person.integrated_number is not None
        ],
    )


async def _write_readings(
    connection: Connection, agency: Agency, system: str, taken: Intake, decisions: Sequence[Decided], as_of: date
) -> None:
    """Readings of people who were held without, each told by the first row that brings it."""
    readings: dict[int, store.Reading] = {}
    for one in decisions:
        if one.brings_kana and one.row is not None and one.person is not None and one.person.integrated_number:
            readings.setdefault(
                one.person.integrated_number,
                store.Reading(
                    integrated_number=one.person.integrated_number,
                    event_id=f"kana {taken.id}/{one.line}",
                    addressee_number=one.row.addressee_number,
                    kana=one.row.kana,
                    four_items=one.person.four_items(),
                ),
            )
    await store.put_readings(
        connection, agency.keys, list(readings.values()), system=system, as_of=as_of, now=agency.clock()
    )


async def _write_holds(
    connection: Connection, agency: Agency, system: str, taken: Intake, decisions: Sequence[Decided], as_of: date
) -> None:
    """A row that waits for a decision already, word for word, waits there."""
    now = agency.clock()
    held = [
        (one, one.row, store.digest_of_row(agency.keys, one.row))
        for one in decisions
        if one.outcome is Outcome.HELD and one.row is not None
    ]
    waiting = await store.open_rows(connection, system, [digest for _, _, digest in held])
    holds = []
    for one, row, digest in held:
        if digest in waiting or one.reason is None:
            continue
        waiting.add(digest)
        hold_id = f"H{taken.id}-{one.line}"
        sealed = agency.keys.seal_for_review(_ENCODE(row), hold_id)
        fields = sorted(name.value for name in one.differing)
        holds.append((hold_id, system, row.addressee_number, one.reason.value, fields, sealed, now, as_of, digest))
    await store.put_holds(connection, holds)


def _result(one: Decided, folds: Sequence[str], *, learns: bool) -> list[Any]:
    """Line, outcome, reason, the integrated number for a system that may learn it (LS-1.6), where the row is wrong, and the folds by which it agrees."""
    number = one.person.integrated_number if one.person is not None else None
    shown = f"{number:015d}" if learns and number is not None else None
    reason = one.reason.value if one.reason else None
    return [one.line, one.outcome.value, reason, shown, one.where, " ".join(folds) or None]


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
        Commit(step=LOADED_STEP, guard=intake.closing(agency, taken), entries=(new_entry(entry, now),))
    )
