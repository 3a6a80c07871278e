"""Schemas that are made at their first use: a process asks the database for one of its own tenants (docs/adr/0048)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import asyncpg

from storage import sql
from storage.database import Database, StorageUnavailableError

_SQL: Final = sql.load("storage")
OPEN_S: Final = 60.0
"""Seconds in which a schema must be made: two dozen migrations on a busy machine."""


async def open_tenant(database: Database, tenant: str) -> bool:
    """Make the tenant's schema if it is not there; whether it was made now. Raises StorageUnavailableError.

    The whole schema or none of it; of two processes that ask at once one makes it.
    """
    try:
        async with database.pool.acquire(timeout=OPEN_S) as connection:
            return bool(await connection.fetchval(_SQL["open_tenant"], tenant, timeout=OPEN_S))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise StorageUnavailableError("a schema could not be made") from None


async def in_use(database: Database, tenants: Iterable[str]) -> frozenset[str]:
    """Those of the tenants whose schema is there. Raises StorageUnavailableError."""
    try:
        async with database.pool.acquire(timeout=OPEN_S) as connection:
            there = {row["schema"] for row in await connection.fetch(_SQL["schemas_there"])}
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise StorageUnavailableError("the schemas could not be listed") from None
    return frozenset(tenants) & there
