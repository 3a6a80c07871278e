"""Rows that are sealed under a key of the ring, and how a stretch of them is sealed anew (IS-8). How far it went is written in the same transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg

from keys.errors import KeyUnusable, SealBroken
from storage.database import Connection, Database
from storage.turns import with_turns

UNDER: Final = True
OTHERS: Final = False
"""What the statements count: rows under a version, or those under any other."""
_COUNT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`last`: the key that the next stretch begins after, None at the end of the table; `done`, `unreadable`: rows."""

    last: str | None
    done: int
    unreadable: int


Renew = Callable[[asyncpg.Record], tuple[Any, ...]]
"""What a row says, opened and sealed anew: the values that its `write` takes."""
Advance = Callable[[Connection, Stretch], Awaitable[None]]
"""Writes how far it went, in the transaction of the stretch."""


class Rows(Protocol):
    """One table's rows that are sealed under a purpose. `first`: the key before every key."""

    @property
    def name(self) -> str: ...

    @property
    def purpose(self) -> str: ...

    @property
    def first(self) -> str: ...

    async def others(self, connection: Connection, version: int) -> int:
        """How many are sealed under another version than this one."""

    async def stretch(self, after: str, most: int, version: int, advance: Advance) -> Stretch:
        """Look at so many rows after a key and seal anew those under another version. Raises StorageUnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A table whose sealed column hangs on nothing but its own row. Statements: `page` ($1 after, $2 most, $3 version) → `last` and, for rows to do,
    their columns; `write` one array a value that `renew` gives; `count` ($1 version, $2 UNDER it or OTHERS).
    """

    name: str
    purpose: str
    first: str
    page: str
    write: str
    count: str
    renew: Renew
    database: Database
    tenant: str

    @classmethod
    def named(
        cls,
        name: str,
        statements: Mapping[str, str],
        renew: Renew,
        *,
        purpose: str,
        first: str,
        database: Database,
        tenant: str,
    ) -> TableRows:
        """By the name of its statements: `page_of_…`, `write_…`, `count_…`."""
        return cls(
            name=name,
            purpose=purpose,
            first=first,
            page=statements[f"page_of_{name}"],
            write=statements[f"write_{name}"],
            count=statements[f"count_{name}"],
            renew=renew,
            database=database,
            tenant=tenant,
        )

    async def others(self, connection: Connection, version: int) -> int:
        return int(await connection.fetchval(self.count, version, OTHERS, timeout=_COUNT_S))

    async def stretch(self, after: str, most: int, version: int, advance: Advance) -> Stretch:
        async with self.database.inside(self.tenant) as connection:
            rows = await connection.fetch(self.page, after, most, version)
            found = [row for row in rows if row["is_old"]]
            renewed = await renewable(found, self.renew)
            if renewed:
                await connection.execute(self.write, *map(list, zip(*renewed, strict=True)))
            stretch = Stretch(last=rows[0]["last"], done=len(renewed), unreadable=len(found) - len(renewed))
            await advance(connection, stretch)
        return stretch


async def renewable(rows: Sequence[asyncpg.Record], renew: Renew) -> list[tuple[Any, ...]]:
    """What can be opened, sealed anew; a row that somebody has changed, or whose key is gone, stays as it is."""
    found = []
    async for row in with_turns(rows):
        with contextlib.suppress(SealBroken, KeyUnusable):
            found.append(renew(row))
    return found
