"""Runs over all originals of a business system: full transfers, comparisons and withdrawals, each part committed with its results and the place where the next begins."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.committer import commit_step
from storage.database import Connection, StorageUnavailableError

SQL = sql.load("gateway.linkage_server.business_information.runs")
PART_STEP: Final = commit_step("linkage", "business_information.part")
_PARTS_AT_ONCE: Final = 20
_ROWS = msgspec.json.Decoder(list[list[Any]])


class Kind(StrEnum):
    TRANSFER = "transfer"
    COMPARISON = "comparison"
    WITHDRAWAL = "withdrawal"


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is about; empty means all. `changed_from`, `changed_to`: the extraction window (抽出対象期間), the end is outside.

    `per_part`: records a part. `repair`: a comparison sends again what differs and deletes what is surplus.
    """

    information: str = ""
    data_set: str = ""
    version: str = ""
    changed_from: datetime | None = None
    changed_to: datetime | None = None
    per_part: int = 1_000
    repair: bool = False

    @property
    def is_full(self) -> bool:
        return self.changed_from is None and self.changed_to is None


_WANTED = msgspec.json.Decoder(Wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`after`: the last record id that is done; `counts`: outcomes so far."""

    id: str
    kind: Kind
    system: str
    wanted: Wanted
    done: bool
    after: str
    parts: int
    counts: Mapping[str, int]
    started_at: datetime
    finished_at: datetime | None

    @property
    def end(self) -> str:
        """The bound above all record ids of the system: `/` is followed by `0`."""
        return f"{self.system}0"


def _run(row: Any) -> Run:
    return Run(
        id=row["run_id"],
        kind=Kind(row["kind"]),
        system=row["business_system_id"],
        wanted=_WANTED.decode(row["wanted"]),
        done=row["state"] == "done",
        after=row["after"],
        parts=row["parts"],
        counts=counts_of(row["counts"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def counts_of(stored: str) -> Mapping[str, int]:
    """Outcomes of a run as they stand in its row."""
    found: Mapping[str, int] = json.loads(stored)
    return found


async def has_records(agency: Agency, system: str, information: str, data_set: str, version: str) -> bool:
    """Whether the system has brought records of this kind, deleted ones too; empty means any, and then it need not have any."""
    if not (information or data_set or version):
        return True
    async with agency.database.inside(agency.tenant) as connection:
        return bool(await connection.fetchval(SQL["has_records"], system, information, data_set, version))


async def begin(agency: Agency, run_id: str, request_key: str, kind: Kind, system: str, wanted: Wanted) -> Run:
    """Begin a run, or find the one that this request began before. Raises ProblemError 409 for what may not leave a restored database."""
    if kind is Kind.TRANSFER or wanted.repair:
        agency.release.check()
    async with agency.database.inside(agency.tenant) as connection:
        encoded = msgspec.json.encode(wanted).decode()
        now = agency.clock()
        await connection.execute(SQL["open_run"], run_id, request_key, kind.value, system, encoded, f"{system}/", now)
    return await of_request(agency, request_key)


async def of_request(agency: Agency, request_key: str) -> Run:
    """The run that a request began."""
    async with agency.database.inside(agency.tenant) as connection:
        return _run(await connection.fetchrow(SQL["run_by_request"], request_key))


async def find(agency: Agency, run_id: str) -> Run | None:
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(SQL["run_by_id"], run_id)
    return None if row is None else _run(row)


async def since(agency: Agency, instant: datetime, most: int) -> list[Run]:
    """Runs of every system that began since an instant, the newest first."""
    async with agency.database.inside(agency.tenant) as connection:
        return [_run(row) for row in await connection.fetch(SQL["runs_since"], instant, most)]


async def forget(agency: Agency, before: datetime) -> None:
    """Delete runs that ended before an instant, with their reports."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(SQL["forget_runs"], before)


async def latest(agency: Agency, system: str, most: int) -> list[Run]:
    async with agency.database.inside(agency.tenant) as connection:
        return [_run(row) for row in await connection.fetch(SQL["runs_of"], system, most)]


async def next_running(agency: Agency) -> Run | None:
    """The oldest run that has not ended."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(SQL["next_run"])
    return None if row is None else _run(row)


async def keep_part(
    connection: Connection, run: Run, rows: Sequence[Sequence[Any]], counts: Counter[str], after: str
) -> None:
    """A part's results and the place after it, in the transaction of what the part changed. Raises StorageUnavailableError when another process did it."""
    merged = json.dumps(dict(Counter(run.counts) + counts))
    if await connection.fetchval(SQL["advance_run"], run.id, run.parts, after, merged) is None:
        raise StorageUnavailableError("another process did a part of this run")
    if rows:
        await connection.execute(SQL["put_part"], run.id, run.parts, zlib.compress(msgspec.json.encode(rows), 1))


async def close(connection: Connection, run: Run, now: datetime) -> None:
    await connection.execute(SQL["close_run"], run.id, now)


async def read_parts(agency: Agency, run: Run) -> AsyncIterator[list[list[Any]]]:
    """The results of a run, part by part."""
    after = -1
    while True:
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(SQL["parts"], run.id, after, _PARTS_AT_ONCE)
        for row in rows:
            after = row["part"]
            yield _ROWS.decode(zlib.decompress(row["packed"]))
        if len(rows) < _PARTS_AT_ONCE:
            return
