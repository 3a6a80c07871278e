"""Copies follow the people (LS-2.6): whose number ends or is replaced, who is frozen, gets an 個人番号 or becomes another person is looked at anew, record by record.

The loop reads person and addressee by revision; the functions are for whoever cannot wait for it (split and merge).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from gateway.linkage_server.business_information.originals import Transfer
from gateway.linkage_server.business_information.store import SQL, change_originals, read_row
from gateway.linkage_server.tenant import Agency
from keys.errors import KeyUnusable, SealBroken
from storage.committer import commit_step
from storage.database import Connection

FOLLOWED_STEP: Final = commit_step("linkage", "business_information.followed")
_AT_ONCE: Final = 5_000

Pair = tuple[str, str]
"""A business system and its addressee number."""


async def follow(agency: Agency) -> int:
    """Look at the next changes of people and addressees; returns how many changes there were. Raises StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        seen = await connection.fetchrow(SQL["look"])
        newest = (seen["newest_person"], seen["newest_addressee"]) if seen else (0, 0)
        if seen is None or (seen["person_revision"], seen["addressee_revision"]) == newest:
            return 0
        await connection.fetch(SQL["cursor"])  # an intake holds it: what it judged these people by is committed now
        if not await connection.fetchval(
            SQL["any_original"]
        ):  # nothing to look at; what comes later is judged by what they are then
            await connection.execute(SQL["advance_cursor"], *newest)
            return 0
    return await _follow(agency)


async def _follow(agency: Agency) -> int:
    FOLLOWED_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        [(person, addressee)] = await connection.fetch(SQL["cursor"])
        addressees = await connection.fetch(SQL["changed_addressees"], addressee, _AT_ONCE)
        persons = await connection.fetch(SQL["changed_persons"], person, _AT_ONCE)
        named = [(row[1], row[2]) for row in (*addressees, *persons) if row[1] is not None]
        named += await _renumber(agency, connection, [(row[1], row[2]) for row in addressees])
        if named:
            await connection.execute(SQL["look_again"], *map(list, zip(*named, strict=True)))
        await connection.execute(
            SQL["advance_cursor"],
            persons[-1]["revision"] if persons else person,
            addressees[-1]["revision"] if addressees else addressee,
        )
    FOLLOWED_STEP.after.reached()
    return len(addressees) + len(persons)


async def _renumber(agency: Agency, connection: Connection, changed: Sequence[Pair]) -> list[Pair]:
    """Records of a 宛名番号 that was replaced are those of the number that has its place; returns these numbers.

    They say the same of the same person and are no new edition. One that cannot be read stays where it is, and no copy of it.
    """
    given: set[Pair] = set()
    unreadable: list[str] = []
    while changed:
        columns = map(list, zip(*{*changed, *given}, strict=True))
        rows = await connection.fetch(SQL["of_replaced"], *columns, unreadable, _AT_ONCE)
        if not rows:
            break
        to = {row["record_id"]: row["replaced_by"] for row in rows}
        moved = []
        for row in await connection.fetch(SQL["held"], sorted(to)):
            try:
                one = read_row(agency.keys, row)
            except (SealBroken, KeyUnusable):
                unreadable.append(row["record_id"])
                continue
            said = msgspec.structs.replace(one.said, addressee_number=to[row["record_id"]])
            transfer = Transfer.DUE if row["transfer"] == Transfer.REFUSED else Transfer(row["transfer"])
            moved.append((msgspec.structs.replace(one, said=said), transfer, False))
        await change_originals(connection, agency.keys, moved)
        given |= {(row["business_system_id"], row["replaced_by"]) for row in rows}
    return sorted(given)


async def _changed(agency: Agency, query: str, integrated_number: int, connection: Connection | None) -> int:
    async with AsyncExitStack() as stack:
        if connection is None:
            connection = await stack.enter_async_context(agency.database.inside(agency.tenant))
        return len(await connection.fetch(SQL[query], integrated_number))


async def withdraw(agency: Agency, integrated_number: int, *, connection: Connection | None = None) -> int:
    """Look anew at every copy that lies under this number; those that may not stand are deleted, those of another person move.

    Freeze the person or re-point the addressee before, or in the same transaction (`connection`). Returns how many copies lie there.
    """
    return await _changed(agency, "withdraw", integrated_number, connection)


async def register_anew(agency: Agency, integrated_number: int, *, connection: Connection | None = None) -> int:
    """Send every original of the addressees that point to this number again. Returns how many records."""
    return await _changed(agency, "register_anew", integrated_number, connection)


async def standing(agency: Agency, integrated_number: int) -> int:
    """How many copies may still lie under this number at the intermediate server, as far as it has answered."""
    async with agency.database.inside(agency.tenant) as connection:
        found: int = await connection.fetchval(SQL["standing"], integrated_number)
        return found
