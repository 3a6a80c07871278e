"""Whom an addressee number means by a decision, and whom it meant before (LS-1.3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.linkage_server.review.store import SQL, Pair
from storage.database import Connection


class Repoints(StrEnum):
    """Why addressee numbers mean another person: a merge, a split to whom is known, or to somebody new."""

    MERGE = "merge"
    SPLIT = "split"
    NEW = "new"


async def repoint(connection: Connection, number: int, to: int, pairs: Collection[Pair], how: Repoints) -> None:
    """These addressee numbers of one person mean another from now on."""
    listed = sorted(pairs)
    systems, numbers = [pair[0] for pair in listed], [pair[1] for pair in listed]
    await connection.execute(SQL["repoint"], number, to, systems, numbers, how.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Whom an addressee number meant before merges, if another, and the day of what was sent for it then and when it came, if known."""

    merged_from: int | None
    known_since: date | None
    came_at: datetime | None


async def addressees_since(connection: Connection, number: int) -> dict[Pair, Since]:
    return {
        (row["business_system_id"], row["addressee_number"]): Since(
            merged_from=row["merged_from"], known_since=row["known_since"], came_at=row["came_at"]
        )
        for row in await connection.fetch(SQL["addressees_since"], number)
    }
