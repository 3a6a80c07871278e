"""Whom an addressee number means by now: an answer about the person of before is not handed out under it (docs/adr/0121)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import Connection

_SQL: Final = sql.load("gateway.linkage_server.inquiry_desk")


async def behind(agency: Agency, system: str, numbers: Sequence[str]) -> dict[str, list[int]]:
    """Addressee number of this system → all integrated numbers of the person behind it, also of one that has ended. Raises StorageUnavailableError."""
    if not numbers:
        return {}
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["persons_behind"], system, numbers)
        same = await same_person(connection, [row["integrated_number"] for row in rows])
    return {row["addressee_number"]: same[row["integrated_number"]] for row in rows}


async def same_person(connection: Connection, numbers: Collection[int]) -> dict[int, list[int]]:
    """Integrated number → who lives on from it, and everybody who was merged into them."""
    rows = await connection.fetch(_SQL["same_person"], list(set(numbers))) if numbers else ()
    return {row["number"]: row["numbers"] for row in rows}
