"""One shape for what runs in batches, whatever rows it is kept in (IS-10): a slice maps its own rows to `Job`s, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record
from prometheus_client import Gauge

from transport.problem import ProblemError

MOST: Final = 500
JOBS: Final = Gauge("sekisho_jobs", "Jobs of the time that history is kept for", ["server", "agency", "kind", "state"])


class JobState(StrEnum):
    RUNNING = "running"
    """Begun and not at its end; whatever it waits for, it goes on by itself."""
    DONE = "done"
    FAILED = "failed"
    """It goes on only when somebody does something: `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`id`: within its kind; `done` of `total`: lines, records, entries (None: not known); `counts`: outcomes so far; `reason`: of the last failure;
    `repeatable`: whether there is something that could be done again.
    """

    kind: str
    id: str
    state: JobState
    system: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    done: int | None = None
    total: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    tries: int = 1
    repeatable: bool = True


def job_of(row: Record, kind: str, job_id: str, state: JobState) -> Job:
    """Of a row of a slice's own table of runs: when it began and ended, how far it is, its outcomes as JSON, and why it failed."""
    return Job(
        kind=kind,
        id=job_id,
        state=state,
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        done=row["done"],
        total=row["total"],
        counts=msgspec.json.decode(row["counts"]),
        reason=row["reason"],
    )


Latest = Callable[[datetime, int], Awaitable[list[Job]]]
"""The jobs that began since an instant (or have no beginning), the newest first, so many at most."""
Retry = Callable[[Job, str], Awaitable[str]]
"""Do a job again under a retry identity; the id under which it goes on. The same identity again begins nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a slice has to say of its jobs. `retry` is missing where another place has to begin: a file's sender, say."""

    kind: str
    latest: Latest
    retry: Retry | None = None


class JobsWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which jobs: of a kind, in a state, or the one of an id."""

    kind: str | None = None
    state: JobState | None = None
    id: str | None = None
    most: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class JobNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    id: str


async def listed(sources: Sequence[Source], wanted: JobsWanted, since: datetime) -> list[dict[str, Any]]:
    """The jobs that are wanted, the newest first."""
    chosen = [source for source in sources if wanted.kind in (None, source.kind)]
    found = [(source, job) for source in chosen for job in await source.latest(since, MOST)]
    right = [
        (source, job) for source, job in found if wanted.state in (None, job.state) and wanted.id in (None, job.id)
    ]
    right.sort(key=lambda one: (one[1].started_at is None, one[1].started_at and -one[1].started_at.timestamp()))
    return [_shown(source, job) for source, job in right[: wanted.most]]


async def again(sources: Sequence[Source], named: JobNamed, since: datetime, identity: str) -> dict[str, Any]:
    """Do a job again that is at its end. Raises ProblemError 404, 409."""
    source = next((one for one in sources if one.kind == named.kind), None)
    job = next((one for one in await source.latest(since, MOST) if one.id == named.id), None) if source else None
    if source is None or job is None:
        raise ProblemError(404, "job_unknown", "There is no job of this kind and id; see the list.")
    if source.retry is None or not job.repeatable:
        raise ProblemError(
            409,
            "job_not_repeatable",
            "This job is not repeated here: whoever sent it sends it again, or nothing of it is left to be done.",
        )
    if job.state is JobState.RUNNING:
        raise ProblemError(409, "job_running", "The job is at work; it goes on by itself.")
    return {"kind": job.kind, "id": await source.retry(job, identity)}


async def watch(sources: Sequence[Source], server: str, agency: str, since: datetime) -> None:
    """Set the metric: jobs by kind and state."""
    for source in sources:
        jobs = await source.latest(since, MOST)
        for state in JobState:
            count = sum(job.state is state for job in jobs)
            JOBS.labels(server, agency, source.kind, state.value).set(count)


def _shown(source: Source, job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "id": job.id,
        "state": job.state.value,
        "system": job.system,
        "started_at": _at(job.started_at),
        "finished_at": _at(job.finished_at),
        "done": job.done,
        "total": job.total,
        "counts": dict(job.counts),
        "reason": job.reason,
        "tries": job.tries,
        "may_retry": source.retry is not None and job.repeatable and job.state is not JobState.RUNNING,
    }


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
