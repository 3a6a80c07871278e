"""Backups of a linkage server as jobs (IS-10): how far they are, how they ended, and when the latest was complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import asyncpg

from gateway.batch.jobs import MOST, Job, JobState, job_of
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.backups.form import BackedUp
from storage.committer import Statement, Write
from storage.database import as_away
from transport import backups

_SQL = sql.load("gateway.linkage_server.backups")
_OPEN: Final = Statement("open_backup", _SQL["open_backup"])


def opening(backup_id: str, now: datetime) -> Write:
    """A backup begins, with its record."""
    return Write(_OPEN, (backup_id, now))


async def advance(agency: Agency, backup_id: str, done: int, total: int, counts: Mapping[str, int]) -> None:
    """So many tables of so many are through. Raises StorageUnavailableError, asyncpg.PostgresError."""
    await _execute(agency, "advance_backup", backup_id, done, total, json.dumps(counts))


async def end(agency: Agency, backup_id: str, reason: str | None) -> None:
    """`reason`: why it failed, None when it is complete. Raises StorageUnavailableError, asyncpg.PostgresError."""
    await _execute(agency, "end_backup", backup_id, agency.clock(), reason)


async def interrupt(agency: Agency) -> None:
    """At the start of a server: nobody works on what an earlier process began. Raises StorageUnavailableError."""
    await _execute(agency, "interrupt_backups", agency.clock())


async def forget(agency: Agency, since: datetime) -> None:
    """Backups of before are told no more."""
    await _execute(agency, "forget_backups", since)


async def latest(agency: Agency, since: datetime, most: int) -> list[Job]:
    """The newest first. Raises StorageUnavailableError."""
    with as_away("the backups could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["backups"], since, most)
    return [job_of(row, backups.KIND, row["backup_id"], _state(row)) for row in rows]


async def watch(agency: Agency, since: datetime) -> None:
    """Set the metric: when the latest one was complete. Raises StorageUnavailableError."""
    made = [one.finished_at for one in await latest(agency, since, MOST) if one.state is JobState.DONE]
    backups.told(agency.id, BackedUp.LINKAGE, max((at for at in made if at is not None), default=None))


def _state(row: asyncpg.Record) -> JobState:
    if row["finished_at"] is None:
        return JobState.RUNNING
    return JobState.DONE if row["reason"] is None else JobState.FAILED


async def _execute(agency: Agency, name: str, *arguments: Any) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL[name], *arguments)
