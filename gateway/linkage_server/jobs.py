"""What runs in batches at the linkage server (IS-10): files, runs over business information, inquiry files, runs of code requests,
rows that are sealed anew, backups. /v1/jobs.

Each kind is read from its own rows, files that failed as a whole from what lies in `failed/`. Past `jobs_keep_s` it is no more in the history,
and finished runs go from the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from asyncpg import Record

from codebook.identifiers import new_sortable_id
from gateway.api.authorization import CALLER, idempotency_key, require
from gateway.batch import jobs, spool
from gateway.batch.jobs import Job, JobNamed, JobState, JobsWanted, Source
from gateway.linkage_server import intake
from gateway.linkage_server.backups import history
from gateway.linkage_server.bulk_inquiries import store as inquiry_files
from gateway.linkage_server.business_information.runs import store as runs_store
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.business_information.runs.store import Kind
from gateway.linkage_server.code_requests import store as code_runs
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.registration import CHANNELS
from gateway.linkage_server.tenant import Agency, milliseconds
from storage.database import StorageUnavailableError
from transport import backups, wire
from transport.problem import ProblemError

_WATCH_S: Final = 60.0
_PREFIX: Final = {Kind.TRANSFER: "T", Kind.COMPARISON: "V"}
"""Of what is done again from here; a withdrawal is ordered each time."""
_WANTED: Final = msgspec.json.Decoder(JobsWanted)
_NAMED: Final = msgspec.json.Decoder(JobNamed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs of one agency. `keep`: how long history is told; `run()` must be running for the metric and for what goes."""

    agency: Agency
    codes: CodeRequests
    runs: BusinessRuns
    spool_root: Path
    keep: timedelta
    resealing: Source

    @property
    def since(self) -> datetime:
        return self.agency.clock() - self.keep

    @property
    def sources(self) -> tuple[Source, ...]:
        return (
            Source(kind="file", latest=self._files),
            Source(kind="failed_file", latest=self._failed_files),
            Source(kind="inquiry_file", latest=self._inquiry_files),
            Source(kind="business_run", latest=self._business_runs, retry=self._repeat_business_run),
            Source(kind="code_run", latest=self._code_runs, retry=self._repeat_code_run),
            self.resealing,
            Source(kind=backups.KIND, latest=partial(history.latest, self.agency)),
        )

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with contextlib.suppress(StorageUnavailableError):
                await jobs.watch(self.sources, "linkage", self.agency.id, self.since)
                await history.watch(self.agency, self.since)
                await self._forget()
            await asyncio.sleep(self.agency.look_s(_WATCH_S))

    async def _forget(self) -> None:
        await history.forget(self.agency, self.since)
        await runs_store.forget(self.agency, self.since)
        await code_runs.forget_runs(self.agency, self.since)

    # --- kinds

    async def _files(self, since: datetime, most: int) -> list[Job]:
        """Files of people, changes and business information that were taken."""
        return [
            Job(
                kind="file",
                id=f"{row['channel']}/{row['id']}",
                state=_state(row, JobState.DONE if row["state"] == "done" else JobState.RUNNING),
                system=row["business_system_id"],
                started_at=row["taken_at"],
                finished_at=row["done_at"],
                done=row["lines_done"] if row["lines"] is None else min(row["lines_done"], row["lines"]),
                total=row["lines"],
                counts=json.loads(row["counts"]),
                reason=row["stopped_because"],
                tries=row["tries"],
            )
            for row in await intake.files_taken(self.agency, since, most)
        ]

    async def _failed_files(self, since: datetime, most: int) -> list[Job]:
        """Files that were given back without a result, by what was left for their sender."""
        found = await asyncio.to_thread(spool.failed, self.spool_root, self.agency.id, CHANNELS)
        now = self.agency.clock()
        told = [
            Job(
                kind="failed_file",
                id=f"{one.system}/{one.channel}/{one.name}",
                state=JobState.FAILED,
                system=one.system,
                finished_at=now - one.age,
                counts=one.facts,
                reason=one.reason,
            )
            for one in found
        ]
        kept = [job for job in told if job.finished_at is not None and job.finished_at >= since]
        return sorted(kept, key=_ended, reverse=True)[:most]

    async def _inquiry_files(self, since: datetime, most: int) -> list[Job]:
        return [
            Job(
                kind="inquiry_file",
                id=str(row["file_id"]),
                state=_state(row, JobState.RUNNING if row["state"] == "asking" else JobState.DONE),
                system=row["business_system_id"],
                started_at=row["taken_at"],
                finished_at=row["finished_at"],
                done=sum(classes.values()) - row["is_open"],
                total=row["lines"],
                counts=classes,
                reason=row["stopped_because"],
            )
            for row in await inquiry_files.files_since(self.agency, since, most)
            for classes in (json.loads(row["classes"]),)
        ]

    async def _business_runs(self, since: datetime, most: int) -> list[Job]:
        return [
            Job(
                kind="business_run",
                id=run.id,
                state=JobState.DONE if run.done else JobState.RUNNING,
                system=run.system,
                started_at=run.started_at,
                finished_at=run.finished_at,
                done=sum(run.counts.values()),
                counts={run.kind.value: run.parts, **run.counts},
                reason=None if run.done else self.runs.outbox.away,
                repeatable=run.kind in _PREFIX,
            )
            for run in await runs_store.since(self.agency, since, most)
        ]

    async def _code_runs(self, since: datetime, most: int) -> list[Job]:
        return [
            Job(
                kind="code_run",
                id=row["run_id"].rpartition("/")[2],
                state=JobState.DONE if row["state"] == "done" else JobState.RUNNING,
                started_at=row["started_at"],
                finished_at=row["finished_at"],
            )
            for row in await code_runs.runs_since(self.agency, since, most)
        ]

    async def _repeat_business_run(self, job: Job, identity: str) -> str:
        """The same run once more, over what there is now."""
        before = await runs_store.find(self.agency, job.id)
        if before is None:
            raise ProblemError(404, "job_unknown", "There is no job of this kind and id; see the list.")
        run_id = new_sortable_id(_PREFIX[before.kind], milliseconds(self.agency.clock()), secrets.token_bytes(10))
        begun = await runs_store.begin(self.agency, run_id, identity, before.kind, before.system, before.wanted)
        self.runs.wake()
        return begun.id

    async def _repeat_code_run(self, _job: Job, identity: str) -> str:
        """Everybody without a code is hastened once more."""
        await self.codes.start(identity)
        return identity.rpartition("/")[2]


def _state(row: Record, otherwise: JobState) -> JobState:
    """A file that was given back on the way goes on when its sender sends it again."""
    return otherwise if row["stopped_because"] is None else JobState.FAILED


def _ended(job: Job) -> str:
    return job.finished_at.isoformat() if job.finished_at else ""


JOBS: web.AppKey[Mapping[str, Jobs]] = web.AppKey("jobs", Mapping[str, Any])


def add_routes(app: web.Application) -> None:
    app.router.add_post("/v1/jobs", post_jobs)
    app.router.add_post("/v1/jobs/retry", post_jobs_retry)


async def post_jobs(request: web.Request) -> web.Response:
    """The agency's jobs, of all its systems: for those who run the server."""
    await require(request, "jobs", "read")
    found = request.app[JOBS][request[CALLER].agency]
    wanted = wire.read_body(await request.read() or b"{}", _WANTED)
    return web.json_response({"items": await jobs.listed(found.sources, wanted, found.since)})


async def post_jobs_retry(request: web.Request) -> web.Response:
    caller = await require(request, "jobs", "retry")
    found = request.app[JOBS][caller.agency]
    identity = intake.request_key(found.agency, caller.client_id, "jobs", idempotency_key(request))
    named = wire.read_body(await request.read(), _NAMED)
    return web.json_response(await jobs.again(found.sources, named, found.since, identity), status=202)
