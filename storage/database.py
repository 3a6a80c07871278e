"""One pool of one login, and the only way into an agency's schema.

A login is a member of the tenant roles that its process hosts and of no other (SC-8). A transaction enters a tenant by
`set_config(…, true)`: role and search path end with the transaction, so nothing of one agency survives into the next borrower.

A database that is there and does not answer (stopped, overloaded, its disk stuck) is given up like one that is gone: waiting for a connection,
for a statement and for the commit has a limit, and a connection that ran into one is cut off and never asked again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_TENANT = re.compile(r"[a-z][a-z0-9_]{1,60}")
ENTER_S = 5.0
"""Seconds for a connection of the pool, for BEGIN, ROLLBACK and COMMIT each."""
STATEMENT_S = 10.0
"""Seconds for a statement that names no limit of its own."""
LOOK_S = 5.0
"""Seconds for a shared look, its connection included: who comes while one is under way waits for that one and for the next."""
# generic plans: our statements take arrays and find rows by key, and a plan is needed anew for each tenant
_SETTINGS: Final = {"lock_timeout": "4s", "jit": "off", "plan_cache_mode": "force_generic_plan"}


class StorageUnavailableError(Exception):
    """The database cannot be reached or did not answer in time; nothing was decided. Ask again later."""


NUL_IN_TEXT: Final = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""A text has U+0000, which PostgreSQL stores nowhere: the caller's fault, and not a database's that is away."""


IN_EACH_OTHERS_WAY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Others held for too long what a statement needs: nothing was done, and the same may be asked again."""
ASK_AGAIN: Final = (StorageUnavailableError, *IN_EACH_OTHERS_WAY)


@contextmanager
def as_away(what: str) -> Iterator[None]:
    """What the database refuses inside is told as one that is away, in these words; U+0000 stays what it is. Raises StorageUnavailableError."""
    try:
        yield
    except NUL_IN_TEXT:
        raise
    except asyncpg.PostgresError:
        raise StorageUnavailableError(what) from None


class CommitUnknownError(StorageUnavailableError):
    """The connection was lost or slow while it committed: the transaction may have happened."""


async def _reset(connection: Connection) -> None:
    """Give a connection back clean: our transactions leave no session state, a torn one is rolled back."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


@dataclass(slots=True)
class _Asked:
    """The connection of one statement that is asked again and again."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncpg.Connection[asyncpg.Record] | None = None


class Database:
    """A pool of connections under one login."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], commits: asyncpg.Pool[asyncpg.Record], dsn: str) -> None:
        self.pool = pool
        self._commits = commits
        self._dsn = dsn
        self._asked: dict[str, _Asked] = {}

    @classmethod
    async def open(cls, dsn: str, *, connections: int = 8, statement_s: float = STATEMENT_S) -> Database:
        """Open a pool of up to `connections` and the one for shared commits; a statement takes `statement_s` at most.

        Raises StorageUnavailableError when the server does not answer.
        """
        pool_of = partial(
            asyncpg.create_pool,
            dsn,
            reset=_reset,
            command_timeout=statement_s,
            max_inactive_connection_lifetime=0,
            server_settings=_SETTINGS,
        )
        try:
            pool, commits = await pool_of(min_size=1, max_size=connections), await pool_of(min_size=0, max_size=1)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            raise StorageUnavailableError("the database did not accept the connection") from None
        return cls(pool, commits, dsn)

    async def close(self) -> None:
        await self.pool.close()
        await self._commits.close()
        for asked in self._asked.values():
            if asked.connection is not None:
                asked.connection.terminate()

    @asynccontextmanager
    async def inside(
        self, tenant: str, *, enter_s: float = ENTER_S, snapshot: bool = False, shared: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction inside one tenant's schema under that tenant's role. `snapshot`: all of it sees one state, and nothing may be written.
        `shared`: on the one connection for commits of many tenants, whose backend has planned their statements once.

        Commits when the block ends, rolls back when it raises. A connection that is lost or slow raises StorageUnavailableError
        (CommitUnknownError when that was the commit), unless it is lost while the block runs a statement: then asyncpg's error
        passes, without the text that quotes values. `enter_s`: seconds for the connection, BEGIN, ROLLBACK and COMMIT each.
        """
        try:
            async with (self._commits if shared else self.pool).acquire(timeout=enter_s) as connection:
                try:
                    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else "BEGIN"
                    await connection.execute(f"{begin}; {_entering(tenant)}", timeout=enter_s)
                    yield connection
                except BaseException as failure:
                    await _undo(connection, failure, enter_s)
                    raise
                await _commit(connection, enter_s)
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, TimeoutError):
            raise StorageUnavailableError("the database connection was lost or slow") from None

    async def ask(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """One statement that reads and enters its tenants by itself (`across.look`), without a transaction around it.

        Each statement has a connection of its own: what a backend has planned for every tenant is planned once, not once for each connection
        of the pool. One call at a time. A connection that is lost or slow raises StorageUnavailableError; what the server refuses raises
        asyncpg.PostgresError.
        """
        asked = self._asked.setdefault(statement, _Asked())
        try:
            async with asyncio.timeout(LOOK_S), asked.turn:
                if asked.connection is None or asked.connection.is_closed():
                    asked.connection = await asyncpg.connect(
                        self._dsn, command_timeout=LOOK_S, server_settings=_SETTINGS
                    )
                try:
                    return await asked.connection.fetch(statement, *arguments)
                except (TimeoutError, asyncio.CancelledError):
                    asked.connection.terminate()
                    raise
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, TimeoutError):
            raise StorageUnavailableError("the database connection was lost or slow") from None


def _entering(tenant: str) -> str:
    """Text without parameters, so that BEGIN and it are one round trip; the name has the form of a schema name."""
    if not _TENANT.fullmatch(tenant):
        raise RuntimeError("a tenant name is a schema name")
    return f"SELECT set_config('role', '{tenant}', true), set_config('search_path', '{tenant}', true)"


async def enter(connection: Connection, tenant: str, *, within_s: float = ENTER_S) -> None:
    """Go on inside another tenant in the same transaction, under that tenant's role and no other."""
    await connection.execute(_entering(tenant), timeout=within_s)


async def _commit(connection: Connection, within_s: float) -> None:
    """Raises CommitUnknownError when the server did not say that it committed."""
    try:
        await connection.execute("COMMIT", timeout=within_s)
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
        connection.terminate()
        raise CommitUnknownError("the database did not say whether it committed") from None
    except asyncio.CancelledError:
        connection.terminate()
        raise


async def _undo(connection: Connection, failure: BaseException, within_s: float) -> None:
    """Roll back; a connection that has just been too slow, or is so now, is cut off instead (the server rolls back then)."""
    if connection.is_closed():
        return
    if isinstance(failure, TimeoutError):
        connection.terminate()
        return
    try:
        async with asyncio.timeout(within_s):
            await connection.execute("ROLLBACK")
    except asyncio.CancelledError:
        connection.terminate()
        raise
    except Exception:  # noqa: BLE001 (what was being given up tells more than that this failed too)
        connection.terminate()
