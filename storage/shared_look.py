"""One query for many who look at once: what waits shares the next look, which begins when the one before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

import asyncpg
import structlog

from storage.database import Database, StorageUnavailableError
from storage.pace import Pace

K = TypeVar("K")
V = TypeVar("V")
_MOST = 2_000
_LOG = structlog.get_logger()


class SharedLook(Generic[K, V]):
    """`look` answers up to 2,000 keys (and a last caller's more) by one query; a key that is absent from its answer was not found."""

    def __init__(self, look: Callable[[list[K]], Awaitable[dict[K, V]]]) -> None:
        self._look = look
        self._waiting: list[tuple[list[K], asyncio.Future[dict[K, V]]]] = []
        self._since = 0.0
        self._pace = Pace()
        self._looking: asyncio.Task[None] | None = None

    async def find(self, keys: Iterable[K]) -> dict[K, V]:
        """What is there under these keys. Raises StorageUnavailableError."""
        wanted = list(keys)
        if not wanted:
            return {}
        loop = asyncio.get_running_loop()
        found: asyncio.Future[dict[K, V]] = loop.create_future()
        if not self._waiting:
            self._since = loop.time()
        self._waiting.append((wanted, found))
        self._pace.came(loop.time())
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._work())
        held = await found
        return {key: held[key] for key in wanted if key in held}

    async def _work(self) -> None:
        while self._waiting:
            waited = asyncio.get_running_loop().time() - self._since
            if pause := self._pace.wait_s(len(self._waiting), waited):
                await asyncio.sleep(pause)
            batch = self._take()
            try:
                found = await self._look(list(dict.fromkeys(key for keys, _ in batch for key in keys)))
            except Exception as failure:  # noqa: BLE001 (whoever waits must hear of it, whatever it is)
                if not isinstance(failure, (StorageUnavailableError, asyncpg.PostgresError)):
                    _LOG.error("look:broke", error=type(failure).__name__)
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_exception(StorageUnavailableError("what was looked for could not be read"))
            else:
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_result(found)

    def _take(self) -> list[tuple[list[K], asyncio.Future[dict[K, V]]]]:
        batch: list[tuple[list[K], asyncio.Future[dict[K, V]]]] = []
        size = 0
        while self._waiting and size < _MOST:
            batch.append(self._waiting.pop(0))
            size += len(batch[-1][0])
        return batch


TenantKey: TypeAlias = tuple[str, str]


class TenantLook:
    """One query for everybody of a process who looks at once, whatever their tenants; each tenant is read under its own role (SC-8).

    `query`: names a function of the tenants' schemas to `across.look` and takes tenants, first and second halves of keys. A row holds its
    tenant and then the two halves of its key. A tenant that cannot be read harms no other.
    """

    def __init__(self, database: Database, query: str) -> None:
        self._database = database
        self._query = query
        self._rows = SharedLook(self._read)

    async def find(self, tenant: str, keys: Iterable[TenantKey]) -> dict[TenantKey, asyncpg.Record]:
        """What this tenant holds under these keys; what is not there is absent. Raises StorageUnavailableError."""
        found = await self._rows.find((tenant, *key) for key in keys)
        if any(row is None for row in found.values()):
            raise StorageUnavailableError("this tenant could not be read")
        return {(first, second): row for (_, first, second), row in found.items() if row is not None}

    async def _read(self, keys: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], asyncpg.Record | None]:
        """Rows by key; None where the tenant could not be read."""
        rows, unreadable = await look_across(self._database, self._query, keys)
        found: dict[tuple[str, str, str], asyncpg.Record | None] = {(row[0], row[1], row[2]): row for row in rows}
        return found | {key: None for key in keys if key[0] in unreadable}


async def look_across(
    database: Database, query: str, keys: Iterable[tuple[str, str, str]]
) -> tuple[list[asyncpg.Record], set[str]]:
    """Rows under these keys (tenant, and the two halves that the query takes), and the tenants that could not be read: they harm no other.

    Raises StorageUnavailableError.
    """
    wanted = sorted(keys)
    if not wanted:
        return [], set()
    try:
        return list(await database.ask(query, *map(list, zip(*wanted, strict=True)))), set()
    except asyncpg.PostgresError as failure:
        groups = [list(group) for _, group in groupby(wanted, key=itemgetter(0))]
        if len(groups) == 1:
            _LOG.error("look:tenant_unreadable", error=type(failure).__name__)
            return [], {wanted[0][0]}
    rows: list[asyncpg.Record] = []
    unreadable: set[str] = set()
    for group in groups:
        some, bad = await look_across(database, query, group)
        rows += some
        unreadable |= bad
    return rows, unreadable
