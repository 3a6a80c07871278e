"""One pool of one login, and the only way into an agency's schema.

A login is a member of the tenant roles that its process hosts and of no other (SC-8). A transaction enters a tenant by
`set_config(…, true)`: role and search path end with the transaction, so nothing of one agency survives into the next borrower.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_TENANT = re.compile(r"[a-z][a-z0-9_]{1,60}")


class StorageUnavailableError(Exception):
    """The database cannot be reached or did not answer in time; nothing was decided. Ask again later."""


async def _reset(connection: Connection) -> None:
    """Give a connection back clean: our transactions leave no session state, a torn one is rolled back."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


class Database:
    """A pool of connections under one login."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.pool = pool

    @classmethod
    async def open(cls, dsn: str, *, connections: int = 8) -> Database:
        """Open a pool of up to `connections`. Raises StorageUnavailableError when the server does not answer."""
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections,
                reset=_reset,
                command_timeout=60,
                max_inactive_connection_lifetime=0,
                # generic plans: our statements take arrays and find rows by key, and a plan is needed anew for each tenant
                server_settings={"lock_timeout": "10s", "jit": "off", "plan_cache_mode": "force_generic_plan"},
            )
        except (OSError, asyncpg.PostgresError):
            raise StorageUnavailableError("the database did not accept the connection") from None
        return cls(pool)

    async def close(self) -> None:
        await self.pool.close()

    @asynccontextmanager
    async def inside(self, tenant: str) -> AsyncIterator[Connection]:
        """One transaction inside one tenant's schema under that tenant's role.

        Commits when the block ends, rolls back when it raises. A lost connection raises StorageUnavailableError, unless it is
        lost while the block runs a statement: then asyncpg's error passes, without the text that quotes values.
        """
        if not _TENANT.fullmatch(tenant):
            raise RuntimeError("a tenant name is a schema name")
        try:
            async with self.pool.acquire(timeout=30) as connection:
                # one round trip: the name was matched against a pattern just above, and these three take no parameters together
                await connection.execute(
                    f"BEGIN; SELECT set_config('role', '{tenant}', true), set_config('search_path', '{tenant}', true)"
                )
                try:
                    yield connection
                except BaseException:
                    if not connection.is_closed():
                        await connection.execute("ROLLBACK")
                    raise
                await connection.execute("COMMIT")
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, TimeoutError):
            raise StorageUnavailableError("the database connection was lost or slow") from None
