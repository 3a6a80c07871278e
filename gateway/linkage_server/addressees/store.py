"""People and addressees in the database. Loads of one agency follow one another under the counter's row lock, so no look-up is out of date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from gateway.linkage_server.addressees.decide import Known, Ledger, Registered
from gateway.linkage_server.personal_keys import PersonalKeys
from storage import sql
from storage.database import Connection

_SQL = sql.load("gateway.linkage_server.addressees")
_PERSON = ("integrated_number", "individual_number_index", "individual_number_sealed", "four_items_sealed")
_ADDRESSEE = ("business_system_id", "addressee_number", "integrated_number", "resident_kind", "intake_id")


async def lock_counter(connection: Connection) -> None:
    await connection.fetchval(_SQL["lock_counter"])


async def claim_numbers(connection: Connection, count: int) -> int:
    """The first of `count` counters that are ours from now on."""
    first: int = await connection.fetchval(_SQL["claim_numbers"], count)
    return first


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
) -> Ledger:
    """What is held about these addressee numbers and blind indexes."""
    ledger = Ledger()
    for row in await connection.fetch(_SQL["persons_by_index"], indexes) if indexes else ():
        ledger.by_index[row["individual_number_index"]] = _known(row, keys)
    for row in await connection.fetch(_SQL["addressees"], system, addressee_numbers) if addressee_numbers else ():
        person = ledger.by_index.get(row["individual_number_index"] or b"") or _known(row, keys)
        ledger.by_addressee[row["addressee_number"]] = Registered(person=person, intake_id=row["intake_id"])
    return ledger


async def insert_persons(connection: Connection, rows: Sequence[tuple[int, bytes | None, bytes | None, bytes]]) -> None:
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


async def find_addressees(
    connection: Connection, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, bool]]:
    """(business system, addressee number) → integrated number and whether the person has an 個人番号; absent when not held."""
    systems, numbers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = await connection.fetch(_SQL["find_addressees"], systems, numbers)
    return {
        (row["business_system_id"], row["addressee_number"]): (row["integrated_number"], row["has_individual_number"])
        for row in found
    }
