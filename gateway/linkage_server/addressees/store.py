"""People and addressees in the database. Loads of one agency follow one another under the counter's row lock, so no look-up is out of date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from codebook.issuing import issue_many
from gateway.linkage_server.addressees.decide import Known, Ledger, Registered
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.addressees")
_PERSON = (
    "integrated_number",
    "individual_number_index",
    "individual_number_sealed",
    "four_items_sealed",
    "registered_on",
    "migrated",
)
_ADDRESSEE = ("business_system_id", "addressee_number", "integrated_number", "resident_kind", "intake_id")
PersonRow = tuple[int, bytes | None, bytes | None, bytes, date, bool]


async def lock_counter(connection: Connection) -> int:
    """Take the lock that puts all who write people into an order; as the how many-th, of all whose writing stayed."""
    nth: int = await connection.fetchval(_SQL["lock_counter"])
    return nth


async def count_of_locks(connection: Connection) -> int:
    """How often the lock was taken. Before reading what is to be good as long as this stays the same."""
    count: int = await connection.fetchval(_SQL["count_of_locks"])
    return count


async def claim_numbers(connection: Connection, count: int) -> int:
    """The first of `count` counters that are ours from now on; what is not used of them is a gap, and gaps are harmless."""
    first: int = await connection.fetchval(_SQL["claim_numbers"], count)
    return first


async def numbers_from(connection: Connection, intake_id: int, count: int) -> int:
    """The first of `count` counters that an intake has for its lines; taken once, and found again by whoever takes it up."""
    await lock_counter(connection)
    kept: int | None = await connection.fetchval(_SQL["numbers_from"], intake_id)
    if kept is None:
        kept = await claim_numbers(connection, count)
        await connection.execute(_SQL["keep_numbers_from"], intake_id, kept)
    return kept


async def migrated_among(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Which of these an earlier system had issued, and somebody has."""
    return {row["integrated_number"] for row in await connection.fetch(_SQL["migrated_numbers"], numbers)}


async def issue_numbers(connection: Connection, keys: PersonalKeys, count: int) -> list[int]:
    """`count` integrated numbers that nobody has or had. Only in a transaction that holds the counter's lock (`lock_counter`)."""
    issued: list[int] = []
    while len(issued) < count:
        wanted = count - len(issued)
        first = await claim_numbers(connection, wanted)
        drawn = issue_many(keys.issuing_key(), first, wanted)
        taken = await migrated_among(connection, drawn)
        issued += [number for number in drawn if number not in taken]
    return issued


def _known(row: Any, keys: PersonalKeys) -> Known:
    number = row["integrated_number"]
    return Known(
        row["individual_number_index"], number, partial(keys.open_four_items, row["four_items_sealed"], number)
    )


async def read_ledger(
    connection: Connection,
    keys: PersonalKeys,
    *,
    system: str,
    addressee_numbers: Sequence[str],
    indexes: Sequence[bytes],
    integrated_numbers: Sequence[int] = (),
) -> Ledger:
    """What is held about these addressee numbers, blind indexes and migrated numbers. The number of a merged person leads to the one who lives on."""
    ledger = Ledger()
    for row in await connection.fetch(_SQL["persons_by_index"], indexes) if indexes else ():
        ledger.by_index[row["individual_number_index"]] = _known(row, keys)
    for row in await connection.fetch(_SQL["persons_by_number"], integrated_numbers) if integrated_numbers else ():
        person = ledger.by_index.get(row["individual_number_index"] or b"") or _known(row, keys)
        ledger.by_integrated_number[row["integrated_number"]] = person
    for row in await connection.fetch(_SQL["addressees"], system, addressee_numbers) if addressee_numbers else ():
        person = ledger.by_index.get(row["individual_number_index"] or b"") or _known(row, keys)
        ledger.by_addressee[row["addressee_number"]] = Registered(
            person=person, intake_id=row["intake_id"], ended=row["state"] == "ended"
        )
    return ledger


async def insert_persons(connection: Connection, rows: Sequence[PersonRow]) -> None:
    if rows:
        await connection.copy_records_to_table("person", records=rows, columns=_PERSON)


async def insert_addressees(connection: Connection, rows: Sequence[tuple[str, str, int, str, int]]) -> None:
    if rows:
        await connection.copy_records_to_table("addressee", records=rows, columns=_ADDRESSEE)


async def put_holds(
    connection: Connection, rows: Sequence[tuple[str, str, str, str, list[str], bytes, datetime]]
) -> None:
    if rows:
        await connection.executemany(_SQL["put_hold"], rows)
