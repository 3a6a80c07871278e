"""Reading one party's log: its export for the offline verifier, what stands under an inquiry number, proofs of single entries (IS-5, SC-7).

Only the committer writes. An export shows the log as of the moment it was asked for: entries never change, so the size
that was read first bounds everything that follows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from evidence import merkle
from evidence.canonical import timestamp
from evidence.checkpoint import format_vkey
from evidence.export import Header, LogParty, PeerCheckpoint, StoredEntry, Writer
from storage import sql
from storage.database import Connection, Database, as_away

_QUERIES = sql.load("storage.evidence_log")
_STRETCH: Final = 5_000


async def export(
    database: Database,
    tenant: str,
    *,
    agency: str,
    party: LogParty,
    public_key: bytes,
    earlier: Sequence[bytes] = (),
    year: int | None = None,
) -> AsyncIterator[bytes]:
    """The export of one fiscal year's log, the latest year unless told, in blocks of lines; nothing when there is no such log.

    In flat memory and without a transaction that lasts: each stretch is read by itself, up to the size that was read first.
    `public_key`: the log's Ed25519 key; `earlier`: those of before, oldest first. Raises StorageUnavailableError.
    """
    async with _reading(database, tenant) as connection:
        heads = {head["year"]: head for head in await connection.fetch(_QUERIES["heads"])}
        head = heads.get(max(heads, default=0) if year is None else year)
        peers = await connection.fetch(_QUERIES["peer_checkpoints"])
    if head is None:
        return
    origin, size = head["origin"], head["size"]
    before = [format_vkey(origin, key) for key in earlier]
    header = Header(
        agency=agency, origin=origin, party=party, size=size, vkey=format_vkey(origin, public_key),
        earlier_vkeys=before or msgspec.UNSET,
    )  # fmt: skip
    writer = Writer()
    yield b"".join(writer.begin(header, (_held(peer) for peer in peers)))
    for start in range(0, size, _STRETCH):
        stop = min(start + _STRETCH, size)
        async with _reading(database, tenant) as connection:
            rows = await connection.fetch(_QUERIES["export_entries"], head["year"], start, stop)
            notes = await connection.fetch(_QUERIES["export_checkpoints"], head["year"], start, stop)
        entries = (StoredEntry(index=row["idx"], leaf=row["leaf"], body=row["body"]) for row in rows)
        yield b"".join(writer.part(entries, (row["note"] for row in notes)))
    yield writer.end()


def _held(peer: asyncpg.Record) -> PeerCheckpoint:
    return PeerCheckpoint(held_since=timestamp(peer["seen_at"]), note=peer["note"], origin=peer["origin"])


@asynccontextmanager
async def _reading(database: Database, tenant: str) -> AsyncIterator[Connection]:
    with as_away("the evidence log could not be read"):
        async with database.inside(tenant) as connection:
            yield connection


async def search(database: Database, tenant: str, inquiry_number: str) -> list[dict[str, Any]]:
    """The entries under an inquiry number, oldest first, each with its place `log`: {year, index}. Raises StorageUnavailableError."""
    async with _reading(database, tenant) as connection:
        rows = await connection.fetch(_QUERIES["search_by_inquiry"], inquiry_number)
    return [shown(row) for row in rows]


async def personal_parts(database: Database, tenant: str, entry_ids: Sequence[str]) -> dict[str, asyncpg.Record]:
    """By id, the entries that have a personal part: `entry_id`, `at`, `body`, `personal`. Raises StorageUnavailableError."""
    if not entry_ids:
        return {}
    async with _reading(database, tenant) as connection:
        rows = await connection.fetch(_QUERIES["personal_parts"], list(entry_ids))
    return {row["entry_id"]: row for row in rows}


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """An entry with its place; of one whose body is gone after seven years, what is left of it, and `erased`."""
    left = {"id": row["entry_id"], "at": timestamp(row["at"]), "kind": row["kind"], "erased": True}
    said: dict[str, Any] = left if row["body"] is None else msgspec.json.decode(row["body"])
    return said | {"log": {"year": row["year"], "index": row["idx"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """One record with what proves it: the log's checkpoint (a signed note) and the audit path of RFC 6962, leaf side first."""

    origin: str
    index: int
    leaf: bytes
    note: str
    path: list[bytes]


async def prove(database: Database, tenant: str, year: int, indexes: Sequence[int]) -> dict[int, Proven]:
    """Inclusion proofs of entries of one year under its latest checkpoint, by index. Raises StorageUnavailableError."""
    if not indexes:
        return {}
    async with _reading(database, tenant) as connection:
        head = await connection.fetchrow(_QUERIES["head_note"], year)
        if head is None:
            return {}
        wanted = {index: merkle.inclusion_ranges(index, head["size"]) for index in indexes}
        stored = await _stored(connection, year, {one for ranges in wanted.values() for one in ranges})
        leaves = await connection.fetch(_QUERIES["leaves"], year, list(indexes))
    return {
        row["idx"]: Proven(
            origin=head["origin"],
            index=row["idx"],
            leaf=row["leaf"],
            note=head["note"],
            path=merkle.inclusion_proof(row["idx"], head["size"], stored),
        )
        for row in leaves
    }


async def _stored(connection: Connection, year: int, wanted: set[merkle.Range]) -> dict[merkle.Range, list[bytes]]:
    """The stored hashes of these ranges, one query a level."""
    found: dict[tuple[int, int], bytes] = {}
    for level in {one.level for one in wanted}:
        places = sorted({at for one in wanted if one.level == level for at in range(one.start, one.stop)})
        rows = await (
            connection.fetch(_QUERIES["subtrees"], year, level, places)
            if level
            else connection.fetch(_QUERIES["leaves"], year, places)
        )
        found |= {(level, row["idx"]): row["leaf"] for row in rows}
    return {one: [found[one.level, at] for at in range(one.start, one.stop)] for one in wanted}


class Pruned(NamedTuple):
    """How many bodies and personal parts went, and how many entries of the year still have theirs."""

    pruned: int
    sealed: int
    remaining: int


async def prune(connection: Connection, year: int, most: int) -> Pruned:
    """Take the bodies of the next `most` entries of a year, in the caller's transaction (番号法施行令30条).

    The database refuses it (asyncpg's InsufficientPrivilegeError) until the log of the eighth year has begun.
    """
    row = await connection.fetchrow(_QUERIES["prune"], year, most)
    return Pruned(*row) if row is not None else Pruned(0, 0, 0)
