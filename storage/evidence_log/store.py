"""Reading one party's log: its export for the offline verifier, and what stands under an inquiry number (IS-5, SC-7).

Only the committer writes. An export shows the log as of the moment it was asked for: entries never change, so the size
that was read first bounds everything that follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec

from evidence.canonical import timestamp
from evidence.checkpoint import format_vkey
from evidence.export import Header, LogParty, PeerCheckpoint, StoredEntry, write
from storage import sql
from storage.database import Connection, Database, StorageUnavailableError

_QUERIES = sql.load("storage.evidence_log")
_CHUNK = 5_000


async def export_lines(
    database: Database, tenant: str, *, agency: str, party: LogParty, public_key: bytes, year: int | None = None
) -> Iterator[bytes]:
    """The lines of the export of one fiscal year's log, the latest year unless told; none when there is no such log.

    `public_key`: the log's Ed25519 key. Raises StorageUnavailableError.
    """
    try:
        async with database.inside(tenant) as connection:
            heads = {head["year"]: head for head in await connection.fetch(_QUERIES["heads"])}
            head = heads.get(max(heads, default=0) if year is None else year)
            if head is None:
                return iter(())
            entries = await _entries(connection, head["year"], head["size"])
            notes = await _checkpoints(connection, head["year"], head["size"])
            peers = await connection.fetch(_QUERIES["peer_checkpoints"])
    except asyncpg.PostgresError:
        raise StorageUnavailableError("the evidence log could not be read") from None
    origin = head["origin"]
    header = Header(agency=agency, origin=origin, party=party, size=head["size"], vkey=format_vkey(origin, public_key))
    held = [
        PeerCheckpoint(held_since=timestamp(peer["seen_at"]), note=peer["note"], origin=peer["origin"])
        for peer in peers
    ]
    return write(header, entries=entries, checkpoints=notes, peers=held)


async def _entries(connection: Connection, year: int, size: int) -> list[StoredEntry]:
    found: list[StoredEntry] = []
    for start in range(0, size, _CHUNK):
        rows = await connection.fetch(_QUERIES["export_entries"], year, start, min(start + _CHUNK, size))
        found += [StoredEntry(index=row["idx"], leaf=row["leaf"], body=row["body"]) for row in rows]
    return found


async def _checkpoints(connection: Connection, year: int, size: int) -> list[str]:
    notes: list[str] = []
    last = 0
    while last < size:
        rows = await connection.fetch(_QUERIES["export_checkpoints"], year, last)
        notes += [row["note"] for row in rows if row["size"] <= size]
        if not rows:
            break
        last = rows[-1]["size"]
    return notes


async def search(database: Database, tenant: str, inquiry_number: str) -> list[dict[str, Any]]:
    """The entries under an inquiry number, oldest first, each with its place `log`: {year, index}. Raises StorageUnavailableError."""
    try:
        async with database.inside(tenant) as connection:
            rows = await connection.fetch(_QUERIES["search_by_inquiry"], inquiry_number)
    except asyncpg.PostgresError:
        raise StorageUnavailableError("the evidence log could not be read") from None
    return [msgspec.json.decode(row["body"]) | {"log": {"year": row["year"], "index": row["idx"]}} for row in rows]
