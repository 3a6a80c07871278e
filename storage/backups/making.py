"""Everything of one tenant's schema into a backup (SC-15): COPY of each table in one snapshot, streamed, so that memory stays flat and traffic goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from storage import sql
from storage.backups.form import FRAME, Writer
from storage.database import Connection, Database

_SQL = sql.load("storage.backups")
_TABLE_S: Final = 3_600.0

Send = Callable[[bytes], Awaitable[None]]


async def _nothing(_done: int, _total: int) -> None:
    return


async def write(
    database: Database,
    tenant: str,
    writer: Writer,
    send: Send,
    *,
    left_out: Collection[str],
    told: Callable[[int, int], Awaitable[None]] = _nothing,
) -> None:
    """Send a whole backup, without the tables `left_out`; `told` hears after each table how many of how many are through.

    Raises StorageUnavailableError, asyncpg.PostgresError, and whatever `send` raises.
    """
    await send(writer.head)
    async with database.inside(tenant, snapshot=True) as connection:
        tables = [row for row in await connection.fetch(_SQL["tables"]) if row["name"] not in left_out]
        for done, table in enumerate(tables):
            await _write_table(connection, writer, table["name"], list(table["columns"]), send)
            await told(done + 1, len(tables))
    await send(writer.close())


async def _write_table(connection: Connection, writer: Writer, name: str, columns: list[str], send: Send) -> None:
    await send(writer.begin(name, columns))
    waiting = bytearray()

    async def take(data: bytes) -> None:
        waiting.extend(data)
        while len(waiting) >= FRAME:
            await send(writer.rows(bytes(waiting[:FRAME])))
            del waiting[:FRAME]

    copied = await connection.copy_from_table(name, columns=columns, output=take, timeout=_TABLE_S)
    if waiting:
        await send(writer.rows(bytes(waiting)))
    await send(writer.end(int(copied.rpartition(" ")[2])))
