"""受付 (intake): one file or one API registration, taken chunk by chunk, each chunk with its results in one transaction.

The key of an intake is its retry identity: what was committed is not done again, and the results of a replay are read back, byte for byte.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from asyncpg import Record

from gateway.batch.manifest import CSV, Manifest
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.committer import Statement, Write
from storage.database import Connection, StorageUnavailableError

_SQL = sql.load("gateway.linkage_server")
_CLOSE: Final = Statement("close_intake", _SQL["close_intake"])

Result = Sequence[Any]
"""One line's result: line, outcome, reason or None, then what the channel adds."""

_RESULTS = msgspec.json.Decoder(list[list[Any]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """`lines_done`: the last line (or item) whose chunk is committed; `counts`: outcomes and reasons so far; `taken_at`: when it came first."""

    id: int
    key: str
    sha256: bytes
    done: bool
    lines_done: int
    counts: Mapping[str, int]
    taken_at: datetime


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Who sent a list by call, in which affair, and why: words that may name somebody."""

    client_id: str
    staff: str
    affair: str
    reason: str

    def __repr__(self) -> str:
        return "<Said>"


_SAID = msgspec.json.Decoder(Said)


def file_key(channel: str, system: str, manifest: Manifest) -> str:
    """The same bytes from the same system over the same channel, read in the same way, are the same file, whatever its name.

    A sender who declared the wrong encoding, form or day sends the same bytes again with the right one: that is another file.
    """
    key = f"file/{channel}/{system}/{manifest.sha256.lower()}"
    read = (manifest.encoding.lower(), manifest.form, manifest.as_of)
    return key if read == ("utf-8", CSV, "") else "/".join((key, *read))


def request_key(agency: Agency, client_id: str, path: str, key: str) -> str:
    """The retry identity of a request to `path`; the Idempotency-Key goes into it as a keyed digest."""
    return f"api/{path}/{agency.keys.retry_identity(client_id, path, key, 0)}"


async def open_intake(
    agency: Agency, key: str, *, channel: str, system: str, sha256: bytes, lines: int | None = None
) -> Intake:
    """Find the intake of this key or begin it. `lines`: how many a file has, by its manifest."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["open_intake"], key, channel, system, sha256, agency.clock(), lines)
        row = await connection.fetchrow(_SQL["intake"], key)
    if row is None:
        raise StorageUnavailableError("an intake that was just written is not there")
    return Intake(
        id=row["id"],
        key=key,
        sha256=row["sha256"],
        done=row["state"] == "done",
        lines_done=row["lines_done"],
        counts=json.loads(row["counts"]),
        taken_at=row["taken_at"],
    )


async def forget(agency: Agency, intake: Intake) -> None:
    """A file that was stopped before anything of it counted is no intake; sent again, it begins one."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["forget_intake"], intake.id)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LeftOpen:
    """An intake whose list is in and not on record."""

    intake: Intake
    system: str
    said_sealed: bytes | None

    def said(self, keys: PersonalKeys) -> Said | None:
        """By whom it came by call. Raises SealBroken, KeyUnusable."""
        return _SAID.decode(keys.open_access_reason(self.said_sealed, self.intake.key)) if self.said_sealed else None


async def left_open(agency: Agency, before: datetime, most: int) -> list[LeftOpen]:
    """Those that were begun before an instant. Lists of calls and of the server's own are one chunk: one that has a line has all."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["left_open"], before, most)
    return [
        LeftOpen(
            intake=Intake(
                id=row["id"],
                key=row["key"],
                sha256=row["sha256"],
                done=False,
                lines_done=row["lines_done"],
                counts=json.loads(row["counts"]),
                taken_at=row["taken_at"],
            ),
            system=row["business_system_id"],
            said_sealed=row["said_sealed"],
        )
        for row in rows
    ]


async def keep_said(connection: Connection, keys: PersonalKeys, intake: Intake, said: Said) -> None:
    """By whom a list came, in the list's own transaction; it goes when the intake is closed."""
    sealed = keys.seal_access_reason(msgspec.json.encode(said).decode(), intake.key)
    await connection.execute(_SQL["keep_said"], intake.id, sealed)


async def files_taken(agency: Agency, since: datetime, most: int) -> list[Record]:
    """Files that were taken since an instant, the newest first: their rows."""
    async with agency.database.inside(agency.tenant) as connection:
        return list(await connection.fetch(_SQL["files_taken"], since, most))


def closing(agency: Agency, taken: Intake) -> Write:
    """The end of an intake, as the guard of its commit."""
    return Write(_CLOSE, (taken.key, agency.clock()))


def counted(counts: Mapping[str, int], results: Sequence[Result]) -> dict[str, int]:
    """Counts with these results added: by outcome, and by reason where there is one."""
    return dict(
        Counter(counts)
        + Counter(one[1] for one in results)
        + Counter(f"{one[1]}:{one[2]}" for one in results if one[2])
    )


async def keep_results(
    connection: Connection, intake: Intake, results: Sequence[Result], last_line: int, *, also: Mapping[str, int] = {}
) -> Intake:
    """Write a chunk's results in the chunk's own transaction; returns the intake after it. `also`: what else of them is counted.

    Raises StorageUnavailableError when another process committed a chunk of it meanwhile.
    """
    counts = dict(Counter(counted(intake.counts, results)) + Counter(also))
    advanced = await connection.fetchval(
        _SQL["advance_intake"], intake.id, last_line, json.dumps(counts), intake.lines_done
    )
    if advanced is None:
        raise StorageUnavailableError("another process took a chunk of this intake")
    await connection.execute(
        _SQL["put_results"],
        intake.id,
        results[0][0] if results else last_line,
        zlib.compress(msgspec.json.encode(results), 1),
    )
    return replace(intake, done=False, lines_done=last_line, counts=counts)


async def change_results(
    connection: Connection,
    intake: Intake,
    stored: Sequence[Result],
    anew: Sequence[Result],
    *,
    also: Mapping[str, int] = {},
) -> Intake:
    """Put results of lines that were judged anew in the place of those of before, in the transaction that took them.

    `stored`: the chunk that the lines are of; `also`: what else of those judged anew is counted.
    Returns the intake after it, open again where anything changed: it is to be closed once more.
    Raises StorageUnavailableError when another process did the same meanwhile.
    """
    by_line = {one[0]: list(one) for one in anew}
    results = [by_line.get(one[0], one) for one in stored]
    if results == stored:
        return intake
    counts = dict(Counter(counted(intake.counts, results)) - Counter(counted({}, stored)) + Counter(also))
    reopened = await connection.fetchval(
        _SQL["reopen_intake"], intake.id, json.dumps(counts), json.dumps(dict(intake.counts))
    )
    if reopened is None:
        raise StorageUnavailableError("another process judged lines of this intake anew")
    packed = zlib.compress(msgspec.json.encode(results), 1)
    await connection.execute(_SQL["change_results"], intake.id, stored[0][0], packed)
    return replace(intake, done=False, counts=counts)


async def results_after(agency: Agency, intake: Intake, line: int) -> list[list[Any]] | None:
    """The first chunk of results that begins after a line; None behind the last."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["results_after"], intake.id, line)
    return _RESULTS.decode(zlib.decompress(row["packed"])) if row is not None else None


async def write_result_file(agency: Agency, intake: Intake, columns: Mapping[str, int], path: Path) -> Path:
    """As `result_file`, to a file and piece by piece, so that its size does not matter. `columns`: header → place in a result."""
    places = tuple(columns.values())
    after = -1
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        while results := await results_after(agency, intake, after):
            after = results[0][0]
            writer.writerows([one[at] if at < len(one) else None for at in places] for one in results)
    return path


async def result_file(agency: Agency, intake: Intake, header: Sequence[str]) -> bytes:
    """The result file of an intake: CSV, UTF-8, LF, one line per line of the file that came; results are cut to the header's columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    width = len(header)
    async with agency.database.inside(agency.tenant) as connection:
        packed = await connection.fetch(_SQL["results"], intake.id)
    for row in packed:
        writer.writerows(result[:width] for result in _RESULTS.decode(zlib.decompress(row["packed"])))
        await asyncio.sleep(0)
    return text.getvalue().encode()


async def read_results(agency: Agency, intake: Intake) -> list[list[Any]]:
    """All results of an intake in the order of its lines."""
    async with agency.database.inside(agency.tenant) as connection:
        packed = await connection.fetch(_SQL["results"], intake.id)
    return [result for row in packed for result in _RESULTS.decode(zlib.decompress(row["packed"]))]
