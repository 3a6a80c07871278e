"""Jobs of the intermediate server (IS-10): how far the counting of the log and the renewal of codes are, and what stands in the table `job`.

Whoever adds a kind of job writes its rows with `opening`, `advance` and `end`, and names it in `_KINDS`; what can be told from other rows gets a
source of its own and no row here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from gateway.batch import jobs
from gateway.batch.jobs import Job, JobNamed, JobState, JobsWanted, Source, job_of
from gateway.batch.resealing import source_of
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.operations import statistics
from gateway.intermediate_server.resealing.job import resealing_of
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import Function
from storage import sql
from storage.committer import Statement, Write
from storage.database import as_away

_SQL = sql.load("gateway.intermediate_server.operations")
_OPEN: Final = Statement("open_job", _SQL["open_job"])
JOBS_WANTED: Final = msgspec.json.Decoder(JobsWanted)
JOB_NAMED: Final = msgspec.json.Decoder(JobNamed)
_KINDS: Final = ("backup",)
_COUNTING: Final = "log"
_CODES_AT_ONCE: Final = 2_000


def opening(kind: str, job_id: str, staff_id: str, now: datetime) -> Write:
    """A job begins, with the record of who began it."""
    return Write(_OPEN, (job_id, kind, staff_id, now))


async def advance(
    agency: HostedAgency, job_id: str, done: int, total: int | None, counts: Mapping[str, int] | None = None
) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["advance_job"], job_id, done, total, json.dumps(counts or {}))


async def end(agency: HostedAgency, job_id: str, reason: str | None) -> None:
    """`reason`: why it failed, None when it is done."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["end_job"], job_id, agency.clock(), reason)


async def last_end(agency: HostedAgency, kind: str) -> datetime | None:
    """When the latest job of a kind was done. Raises StorageUnavailableError."""
    done = [
        job.finished_at
        for job in await _of_table(agency, kind, _since(agency), jobs.MOST)
        if job.state is JobState.DONE
    ]
    return max((at for at in done if at is not None), default=None)


async def interrupt(agency: HostedAgency) -> None:
    """At the start of a server: what was running before is not."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["interrupt_jobs"], agency.clock())


async def forget(agency: HostedAgency) -> None:
    """Jobs past the time that history is kept go."""
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["forget_jobs"], _since(agency))


async def watch(agency: HostedAgency) -> None:
    """Set the metric."""
    await jobs.watch(_sources(agency), "intermediate", agency.id, _since(agency))


async def listed(acting: Acting, wanted: JobsWanted) -> dict[str, Any]:
    """IF_SYM_90061."""
    agency = acting.desk.agency
    return {"jobs": await jobs.listed(_sources(agency), wanted, _since(agency))}


async def again(acting: Acting, named: JobNamed, now: datetime) -> dict[str, Any]:
    """IF_SYM_90062. Raises ProblemError 404, 409."""
    agency = acting.desk.agency
    sources = _sources(agency)
    if named.kind in {source.kind for source in sources}:  # nothing that somebody typed freely gets into the log
        await acting.record(Function.OPERATIONS, [{"job": named.kind}], now)
    return await jobs.again(sources, named, _since(agency), agency.new_id("J", now))


def _since(agency: HostedAgency) -> datetime:
    return agency.clock() - agency.limits.jobs_kept_for


def _sources(agency: HostedAgency) -> tuple[Source, ...]:
    kept = (Source(kind=kind, latest=partial(_of_table, agency, kind)) for kind in _KINDS)
    return (
        Source(kind="code_renewal", latest=partial(_renewals, agency), retry=partial(_renew_again, agency)),
        Source(kind="statistics", latest=partial(_counting, agency), retry=partial(_count_anew, agency)),
        *kept,
        source_of(resealing_of(agency)),
    )


async def _of_table(agency: HostedAgency, kind: str, since: datetime, most: int) -> list[Job]:
    with as_away("the jobs could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["jobs"], kind, since, most)
    return [job_of(row, kind, row["job_id"], JobState(row["state"])) for row in rows]


async def _renewals(agency: HostedAgency, since: datetime, most: int) -> list[Job]:
    """Each renewal of all codes to a new epoch (IS-1); it goes on by itself. One that left some codes as they were has failed for those."""
    with as_away("the jobs could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["code_renewals"], since, most)
    return [
        Job(
            kind="code_renewal",
            id=f"epoch-{row['epoch']}",
            state=JobState.RUNNING
            if row["state"] != "settled"
            else JobState.FAILED
            if row["refused"]
            else JobState.DONE,
            started_at=row["begun_at"],
            finished_at=row["settled_at"],
            done=row["renewed"] + row["refused"],
            total=row["total"],
            counts={"renewed": row["renewed"], "refused": row["refused"]},
            reason="codes_not_renewed" if row["refused"] else None,
        )
        for row in rows
    ]


async def _renew_again(agency: HostedAgency, job: Job, _identity: str) -> str:
    """Every code that the core did not renew is sent to it once more, at the next turn (`code_epochs_poll_s`)."""
    after: str | None = ""
    while after is not None:
        async with agency.database.inside(agency.tenant) as connection:
            after = await connection.fetchval(_SQL["renew_again"], after, _CODES_AT_ONCE)
    return job.id


async def _counting(agency: HostedAgency, _since: datetime, _most: int) -> list[Job]:
    """The counting of the log for the statistics never ends; behind by less than a stretch it counts as done."""
    with as_away("the jobs could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            row = await connection.fetchrow(_SQL["counting"])
    counted, size = (row["counted"], row["size"]) if row else (0, 0)
    state = JobState.DONE if size - counted < statistics.STRETCH else JobState.RUNNING
    return [Job(kind="statistics", id=_COUNTING, state=state, done=counted, total=size)]


async def _count_anew(agency: HostedAgency, _job: Job, _identity: str) -> str:
    """The counts are made anew from the log; statistics are told again when that is through. Whoever counts at this moment is waited for first, so that
    what they have counted goes too.
    """
    async with agency.database.inside(agency.tenant) as connection:
        await connection.execute(_SQL["count_from_the_start"])
        await connection.execute(_SQL["forget_counts"])
    agency.broom.call(0)
    return _COUNTING
