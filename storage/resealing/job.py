"""Re-encryption (IS-8): after a key has a new version, rows sealed under earlier ones are opened and sealed anew, stretch by stretch, while everything goes on.

A stretch and how far it went are one transaction: whoever is killed goes on there, and no row is lost or done by halves. It has a transaction of its
own, not the committer's, which carries everybody's commits one batch after the other: traffic must not wait for it. Rows that somebody
holds are left for the next pass. Begin and end are entries of the evidence log, where there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog

from keys.ring import Keyring, State
from storage import sql
from storage.committer import Commit, Committer, NewEntry, Statement, Write
from storage.database import Connection, Database, as_away
from storage.fault_points import Step
from storage.resealing.rows import Rows, Stretch

UNREADABLE: Final = "rows_unreadable"
_SQL = sql.load("storage.resealing")
_BEGIN: Final = Statement("begin_resealing", _SQL["begin_resealing"])
_END: Final = Statement("end_resealing", _SQL["end_resealing"])
_LEAST: Final = 40
_MOST: Final = 100
_SHORT_S: Final = 0.01
_LONG_S: Final = 0.02
_LOOK_S: Final = 1.0
SHARE: Final = 0.1
"""What part of the time it works, unless told otherwise (`reseal_share`); the rest belongs to traffic alone."""
_WAITED_S: Final = 0.02
_MOST_RESTS: Final = 50
SETTLE_S: Final = 60.0
_LOG = structlog.get_logger()
Put = Callable[[Write, dict[str, str | int]], Awaitable[None]]
"""Carries out the beginning or the end of a job, with what is to be on record of it."""


def next_size(size: int, took_s: float) -> int:
    """Rows of the next stretch, after one of so many that took so long: fewer on a machine that does few."""
    if took_s < _SHORT_S:
        return min(_MOST, 2 * size)
    return max(_LEAST, size // 2) if took_s > _LONG_S else size


def rest_s(took_s: float, share: float) -> float:
    """Seconds to rest after so many of work, for work to be that share (above 0, 1 at most) of the time."""
    return took_s * (1 / share - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealing:
    """The job of one agency. `put`: writes a beginning or an end; `waited_s`: how long others' commits have waited; `settle_s`: how long something that was
    sealed before the change may still be on its way to the database; `share`: what part of the time it works, above 0 and 1 at most; `run()` must be running.
    """

    agency: str
    tenant: str
    database: Database
    ring: Keyring
    rows: Sequence[Rows]
    clock: Callable[[], datetime]
    put: Put
    waited_s: Callable[[], float]
    stretch_step: Step
    settle_s: float
    share: float

    async def run(self) -> None:
        """Work until cancelled. What fails is tried again at the next look, from where it stopped."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look()
            except Exception as failure:  # noqa: BLE001 (one bad thing must not end the server; the type is all that is said)
                _LOG.warning("resealing:failed", agency=self.agency, error=type(failure).__name__)

    async def anew(self, purpose: str, version: int) -> None:
        """Another pass over a purpose's rows, from the first one. Raises StorageUnavailableError."""
        await self._execute("resealing_anew", purpose, version)

    async def _look(self) -> None:
        for purpose in dict.fromkeys(rows.purpose for rows in self.rows):
            version = outdated(self.ring, purpose)
            if version is not None:
                await self._bring_under(purpose, version)

    async def _bring_under(self, purpose: str, version: int) -> None:
        found = await self._row(purpose, version)
        if found is None:
            await self._begin(purpose, version)
            found = await self._row(purpose, version)
        if found is None or found["finished_at"] is not None:
            return
        await self._pass(purpose, version, found["place"], found["after"])
        settled = (self.clock() - found["started_at"]).total_seconds() >= self.settle_s
        left = await self._count(purpose, version)
        now = await self._row(purpose, version)
        if now is None or (left > now["unreadable"] or not settled):
            await self.anew(purpose, version)
            return
        await self._end(purpose, version, now)

    async def _begin(self, purpose: str, version: int) -> None:
        await self._execute("supersede_resealings", purpose, version, self.clock())
        total = await self._count(purpose, version)
        row = (named(purpose, version), purpose, version, self.clock(), total)
        await self.put(Write(_BEGIN, row), {"event": "begun", "purpose": purpose, "version": version, "rows": total})
        _LOG.info("resealing:begun", agency=self.agency, kind=purpose, count=total)

    async def _pass(self, purpose: str, version: int, place: str, after: str) -> None:
        """Every table of the purpose from where it stopped."""
        tables = [rows for rows in self.rows if rows.purpose == purpose]
        at = next((nth for nth, rows in enumerate(tables) if rows.name == place), 0)
        loop = asyncio.get_running_loop()
        for rows in tables[at:]:
            last: str | None = after if rows.name == place else rows.first
            size = _LEAST
            while last is not None:
                before = loop.time()
                last = (await self._stretch(rows, last, size, version)).last
                took = loop.time() - before
                size = next_size(size, took)
                await self._rest(took)

    async def _rest(self, took_s: float) -> None:
        """Until it has worked its share of the time, and nobody's commit has waited for long: what waits there is behind what a stretch has written."""
        await asyncio.sleep(rest_s(took_s, self.share))
        for _ in range(_MOST_RESTS):
            if self.waited_s() < _WAITED_S:
                return
            await asyncio.sleep(_WAITED_S)

    async def _stretch(self, rows: Rows, after: str, most: int, version: int) -> Stretch:
        async def advance(connection: Connection, stretch: Stretch) -> None:
            last = after if stretch.last is None else stretch.last
            said = (rows.purpose, version, rows.name, last, stretch.done, stretch.unreadable)
            await connection.execute(_SQL["advance_resealing"], *said)
            await connection.execute(_SQL["flush_later"])
            self.stretch_step.before.reached()

        with as_away("rows could not be sealed anew"):
            stretch = await rows.stretch(after, most, version, advance)
        self.stretch_step.after.reached()
        return stretch

    async def _end(self, purpose: str, version: int, found: asyncpg.Record) -> None:
        reason = UNREADABLE if found["unreadable"] else None
        row = (named(purpose, version), purpose, version, self.clock(), reason)
        facts: dict[str, str | int] = {"event": "ended", "purpose": purpose, "version": version}
        await self.put(Write(_END, row), {**facts, "rows": found["done"], "unreadable": found["unreadable"]})
        _LOG.info("resealing:ended", agency=self.agency, kind=purpose, count=found["done"], reason=reason)

    async def _count(self, purpose: str, version: int) -> int:
        async with self.database.inside(self.tenant) as connection:
            return sum([await rows.others(connection, version) for rows in self.rows if rows.purpose == purpose])

    async def _row(self, purpose: str, version: int) -> asyncpg.Record | None:
        async with self.database.inside(self.tenant) as connection:
            return await connection.fetchrow(_SQL["resealing"], purpose, version)

    async def _execute(self, name: str, *arguments: Any) -> None:
        async with self.database.inside(self.tenant) as connection:
            await connection.execute(_SQL[name], *arguments)


def outdated(ring: Keyring, purpose: str) -> int | None:
    """The primary version of a purpose that has an earlier one that still opens; None otherwise."""
    if not ring.has(purpose):
        return None
    versions = ring.versions(purpose)
    primary = max(versions)
    return primary if any(state is State.ENABLED for state in versions.values()) else None


def on_record(committer: Committer, step: Step, entry: Callable[[dict[str, str | int]], NewEntry]) -> Put:
    """Where there is an evidence log: a beginning or an end is written with its entry. `entry`: what the log says of it."""

    async def put(write: Write, said: dict[str, str | int]) -> None:
        await committer.apply(Commit(step=step, guard=write, entries=(entry(said),)))

    return put


def named(purpose: str, version: int) -> str:
    """The id of the job that brings a purpose's rows under a version."""
    return f"{purpose}-{version}"
