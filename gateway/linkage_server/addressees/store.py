"""People and addressees in the database. Loads of one agency follow one another under the counter's row lock, so no look-up is out of date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import msgspec

from codebook.four_items import Field
from codebook.issuing import issue_many
from gateway.linkage_server import numbers
from gateway.linkage_server.addressees.decide import Known, Ledger, Registered
from gateway.linkage_server.addressees.rows import Parsed, Row
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection
from storage.marks import Marks

_SQL = sql.load("gateway.linkage_server.addressees")
PERSON_COLUMNS = (
    "integrated_number",
    "individual_number_index",
    "individual_number_sealed",
    "four_items_sealed",
    "registered_on",
    "migrated",
)
ADDRESSEE_COLUMNS = (
    "business_system_id",
    "addressee_number",
    "integrated_number",
    "resident_kind",
    "intake_id",
    "known_since",
    "came_at",
)
PersonRow = tuple[int, bytes | None, bytes | None, bytes, date, bool]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reading:
    """A reading that a row brings somebody who was held without one. `event_id`: none that a business system can send; `four_items`: with the reading."""

    integrated_number: int
    event_id: str
    addressee_number: str
    kana: str
    four_items: Sequence[str]


async def lock_counter(connection: Connection) -> int:
    """Take the lock that puts all who write people into an order; as the how many-th, of all whose writing stayed."""
    nth: int = await connection.fetchval(_SQL["lock_counter"])
    return nth


async def count_of_locks(connection: Connection) -> int:
    """How often the lock was taken. Before reading what is to be good as long as this stays the same."""
    count: int = await connection.fetchval(_SQL["count_of_locks"])
    return count


async def claim_numbers(connection: Connection, marks: Marks, count: int) -> int:
    """The first of `count` counters that are ours from now on, whatever becomes of this database; what is not used of them is a gap, and gaps are harmless."""
    first: int = await connection.fetchval(_SQL["claim_numbers"], count)
    await numbers.taken(marks, first + count)
    return first


async def numbers_from(connection: Connection, marks: Marks, intake_id: int, count: int) -> int:
    """The first of `count` counters that an intake has for its lines; taken once, and found again by whoever takes it up."""
    await lock_counter(connection)
    kept: int | None = await connection.fetchval(_SQL["numbers_from"], intake_id)
    if kept is None:
        kept = await claim_numbers(connection, marks, count)
        await connection.execute(_SQL["keep_numbers_from"], intake_id, kept)
    return kept


async def migrated_among(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Which of these an earlier system had issued, and somebody has."""
    return {row["integrated_number"] for row in await connection.fetch(_SQL["migrated_numbers"], numbers)}


async def issue_numbers(connection: Connection, keys: PersonalKeys, marks: Marks, count: int) -> list[int]:
    """`count` integrated numbers that nobody has or had. Only in a transaction that holds the counter's lock (`lock_counter`)."""
    issued: list[int] = []
    while len(issued) < count:
        wanted = count - len(issued)
        first = await claim_numbers(connection, marks, wanted)
        drawn = issue_many(keys.issuing_key(), first, wanted)
        taken = await migrated_among(connection, drawn)
        issued += [number for number in drawn if number not in taken]
    return issued


async def read_ledger(
    connection: Connection, keys: PersonalKeys, system: str, rows: Sequence[Parsed], indexes: Sequence[bytes | None]
) -> Ledger:
    """What is held about these rows: by addressee number, by blind index (`indexes`, one a row), by migrated number; people bear the index of their row.

    The number of a merged person leads to the one who lives on.
    """
    good = [row for row in rows if isinstance(row, Row)]
    migrated = [int(row.integrated_number) for row in good if row.integrated_number]
    known_by = _known_by(keys, rows, indexes)

    def known(row: Any) -> Known:
        number, index = row["integrated_number"], row["individual_number_index"]
        return Known(
            index=known_by.get(index, index),
            integrated_number=number,
            four_items=partial(keys.open_four_items, row["four_items_sealed"], number),
            frozen=row["frozen"],
        )

    ledger = Ledger()
    for row in await connection.fetch(_SQL["persons_by_index"], list(known_by)) if known_by else ():
        person = known(row)
        ledger.by_index[known_by[row["individual_number_index"]]] = person
    ledger.former = frozenset(known_by[index] for index in await former_holders(connection, list(known_by)))
    for row in await connection.fetch(_SQL["persons_by_number"], migrated) if migrated else ():
        person = known(row)
        ledger.by_integrated_number[row["asked"]] = ledger.by_index.get(person.index or b"") or person
    addressees = [row.addressee_number for row in good]
    for row in await connection.fetch(_SQL["addressees"], system, addressees) if addressees else ():
        person = known(row)
        ledger.by_addressee[row["addressee_number"]] = Registered(
            person=ledger.by_index.get(person.index or b"") or person,
            intake_id=row["intake_id"],
            ended=row["state"] == "ended",
        )
    registered = [row for row in good if row.addressee_number in ledger.by_addressee]
    ledger.settled = await _settled(connection, keys, system, registered) if registered else frozenset()
    return ledger


async def _settled(connection: Connection, keys: PersonalKeys, system: str, rows: Sequence[Row]) -> frozenset[int]:
    found = await connection.fetch(_SQL["settled_rows"], system, [row.addressee_number for row in rows])
    digests = {row["addressee_number"]: row["digest"] for row in found}
    decided = [row for row in rows if digests.get(row.addressee_number) is not None]
    return frozenset(row.line for row in decided if digest_of_row(keys, row) == digests[row.addressee_number])


def digest_of_row(keys: PersonalKeys, row: Row) -> bytes:
    """Keyed, 32 bytes: what a row says, wherever it stands in whichever load."""
    return keys.digest_of_row(msgspec.json.encode(msgspec.structs.replace(row, line=0)))


async def open_rows(connection: Connection, system: str, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these rows of a system are held and not decided."""
    return {row["digest"] for row in await connection.fetch(_SQL["open_rows"], system, digests)} if digests else set()


async def former_holders(connection: Connection, indexes: Sequence[bytes]) -> dict[bytes, int]:
    """Blind index → integrated number of whoever had the 個人番号 last and has it no more, or lives on from them. Somebody may have it now."""
    found = await connection.fetch(_SQL["former_holders"], indexes) if indexes else ()
    return {row["individual_number_index"]: row["integrated_number"] for row in found}


def _known_by(keys: PersonalKeys, rows: Sequence[Parsed], indexes: Sequence[bytes | None]) -> dict[bytes, bytes]:
    """What the people of these rows are looked for by → the index of their row; several lead to one while the key of the indexes is being changed."""
    found = {index: index for index in indexes if index is not None}
    if keys.index_is_changing():
        found |= {
            one: index
            for row, index in zip(rows, indexes, strict=True)
            if index is not None and isinstance(row, Row)
            for one in keys.indexes_of(row.individual_number)
        }
    return found


async def insert_persons(connection: Connection, rows: Sequence[PersonRow]) -> None:
    if rows:
        await connection.copy_records_to_table("person", records=rows, columns=PERSON_COLUMNS)


async def insert_addressees(
    connection: Connection, rows: Sequence[tuple[str, str, int, str, int, date, datetime]]
) -> None:
    if rows:
        await connection.copy_records_to_table("addressee", records=rows, columns=ADDRESSEE_COLUMNS)


async def put_readings(
    connection: Connection, keys: PersonalKeys, readings: Sequence[Reading], *, system: str, as_of: date, now: datetime
) -> None:
    """Put readings into the histories and into `person`, under a new revision. `as_of`: the day of the rows that brought them."""
    if not readings:
        return
    rows = []
    for one in readings:
        number, key = one.integrated_number, keys.event_key(system, one.event_id)
        says = msgspec.json.encode({Field.KANA.value: one.kana})
        items = keys.seal_four_items(msgspec.json.encode(one.four_items), number)
        sealed = keys.seal_event(says, number, key)
        rows.append((number, key, one.addressee_number, sealed, keys.event_digest(says), items))
    await connection.execute(
        _SQL["put_readings"], *(list(column) for column in zip(*rows, strict=True)), system, as_of, now
    )


async def put_holds(
    connection: Connection, rows: Sequence[tuple[str, str, str, str, list[str], bytes, datetime, date, bytes]]
) -> None:
    if rows:
        await connection.executemany(_SQL["put_hold"], rows)
