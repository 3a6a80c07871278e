"""Re-encryption as a job that is listed and done again like every other (IS-8, IS-10): what `storage.resealing` has written of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from gateway.batch.jobs import Job, JobState, Source
from storage import sql
from storage.resealing.job import UNREADABLE, Resealing, named, outdated

KIND: Final = "resealing"
_SQL = sql.load("storage.resealing")


def source_of(resealing: Resealing) -> Source:
    """The jobs of one agency's re-sealing. Done again is what earlier versions of the key still open for: of any other one nobody would come to the end."""

    async def latest(since: datetime, most: int) -> list[Job]:
        async with resealing.database.inside(resealing.tenant) as connection:
            rows = await connection.fetch(_SQL["resealings"], since, most)
        return [_job(row, outdated(resealing.ring, row["purpose"])) for row in rows]

    async def again(job: Job, _identity: str) -> str:
        purpose, _, version = job.id.rpartition("-")
        await resealing.anew(purpose, int(version))
        return job.id

    return Source(kind=KIND, latest=latest, retry=again)


def _job(row: asyncpg.Record, wanted: int | None) -> Job:
    return Job(
        kind=KIND,
        id=named(row["purpose"], row["version"]),
        state=_state(row),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        done=row["done"],
        total=max(row["total"], row["done"]),
        counts={"unreadable": row["unreadable"]} if row["unreadable"] else {},
        reason=row["reason"],
        repeatable=row["version"] == wanted,
    )


def _state(row: asyncpg.Record) -> JobState:
    if row["finished_at"] is None:
        return JobState.RUNNING
    return JobState.FAILED if row["reason"] == UNREADABLE else JobState.DONE
