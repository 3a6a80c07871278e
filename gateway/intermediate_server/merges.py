"""Which integrated numbers were merged into others and are still, as the linkage server tells (LS-1.3; docs/adr/0108, 0115).

Of each the number that it was merged into: the later of several merges alone may be undone. A merge that is undone is forgotten, and no restore of a
backup of before brings it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from gateway.intermediate_server.agency import HostedAgency
from storage import sql
from storage.committer import Statement, Write

_SQL = sql.load("gateway.intermediate_server.bars")
_REMEMBER: Final = Statement("remember_merge", _SQL["remember_merge"])
_FORGET: Final = Statement("forget_merge", _SQL["forget_merge"])
TABLE: Final = "merged_number"
"""As the journal of erasures knows a merge, by the number that was merged."""


def remembered(merges: Mapping[str, str]) -> tuple[Write, ...]:
    """That these numbers were merged into those."""
    return tuple(Write(_REMEMBER, merge) for merge in sorted(merges.items()) if merge[0] != merge[1])


async def live_on(agency: HostedAgency, merges: Mapping[str, str]) -> set[tuple[str, str]]:
    """Who moves to whom by these merges: to whoever lives on, by way of one another and of what is remembered."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["live_on"], list(merges), list(merges.values()))
    return set((dict(merges) | {row["number"]: row["other"] for row in rows}).items())


async def lives_on(agency: HostedAgency, number: str) -> str | None:
    """Who lives on of a number that was merged; None when it was not."""
    return (await each_lives_on(agency, [number])).get(number)


async def each_lives_on(agency: HostedAgency, numbers: Collection[str]) -> dict[str, str]:
    """Of those of these numbers that were merged: who lives on."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["lives_on"], list(numbers))
    return {row["number"]: row["other"] for row in rows}


async def merged_into(agency: HostedAgency, number: str) -> list[str]:
    """The numbers that were merged into this one, also by way of others, and are still."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["merged_into"], number)
    return [row["number"] for row in rows]


async def undone(agency: HostedAgency, numbers: Collection[str], now: datetime) -> tuple[Write, ...]:
    """That these numbers live by themselves again. It is in the journal when this returns. Raises StorageUnavailableError."""
    apart = sorted(numbers)
    await asyncio.to_thread(agency.erasures.write, [(TABLE, number) for number in apart], now)
    return tuple(Write(_FORGET, (number,)) for number in apart)
