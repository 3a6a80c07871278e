"""Codes of one agency, in the background: whoever changed is looked at, what is due is done, and a run hastens everybody (LS-4).

New people are asked for without anybody's doing (continuous acquisition). A first load or a day's mass of changes is let pass first, unless a
run waits for it: its people are followed when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.linkage_server.code_requests import flow, store
from gateway.linkage_server.code_requests.request_files import FileWay
from gateway.linkage_server.code_requests.standing import Rules
from gateway.linkage_server.code_requests.steps import pause_s
from gateway.linkage_server.code_requests.ways import GatewayWay, Over, Way, configured
from gateway.linkage_server.review.telling import tell_of_splits_again
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import LONGEST_REST_S, Work
from storage.database import StorageUnavailableError
from transport.channel import ChannelError
from transport.role import RoleConfig

_LOG = structlog.get_logger()
_MASS: Final = 5_000
"""Changes between two looks that tell a mass load from a day's work."""
_LONGEST_MASS: Final = 300
"""Looks that a mass load is let pass for."""
_LOOK_S: Final = 2.0
_RUN_STUCK_S: Final = 60.0


class CodeRequests:
    """`run()` must be running. `continuous`: people are followed without a run, too. `files`: also where requests go over the gateway, until what was
    handed over before is answered.
    """

    def __init__(self, agency: Agency, way: Way, files: FileWay | None, rules: Rules, *, continuous: bool) -> None:
        self.agency = agency
        self._way = way
        self._files = files
        self._rules = rules
        self._continuous = continuous
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()
        self._newest = 0
        self._let_pass = 0
        self._failures = 0
        self._moved_at = 0.0

    @classmethod
    def configured(cls, agency: Agency, config: RoleConfig) -> CodeRequests:
        """As the role's options say: `code_requests_over`, `continuous_codes`, `cancel_codes_of_moved_out`, `cancel_codes_of_deceased`."""
        over, place = configured(config, agency.id)
        files = FileWay(agency, place)
        way: Way = files if over is Over.EXISTING_RESIDENTS else GatewayWay(agency)
        options = config.options
        rules = Rules(
            cancel_moved_out=bool(options.get("cancel_codes_of_moved_out", False)),
            cancel_deceased=bool(options.get("cancel_codes_of_deceased", False)),
        )
        return cls(agency, way, files, rules, continuous=bool(options.get("continuous_codes", True)))

    async def start(self, run_id: str) -> None:
        """Begin a run; the same id again begins nothing."""
        await store.open_run(self.agency, run_id, self.agency.clock())
        self._moved_at = asyncio.get_running_loop().time()
        self._wake.set()

    def wake(self) -> None:
        """Something was ordered."""
        self._wake.set()

    async def wait(self, run_id: str, seconds: float) -> bool:
        """Wait for the end of a run for up to so many seconds; True when it has ended."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while not await store.is_done(self.agency, run_id):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Work until cancelled; a neighbour, a folder or the database that is away costs a pause, longer each time."""
        self._moved_at = asyncio.get_running_loop().time()
        while True:
            self._wake.clear()
            try:
                await store.open_run_after_restore(self.agency, self.agency.clock())
                runs = await store.open_runs(self.agency)
                seen = await self._turn(hastened=bool(runs))
                self._failures = 0
                await self._end_runs(runs, seen)
            except (ChannelError, StorageUnavailableError, OSError) as failure:
                self._failures += 1
                reason = getattr(failure, "reason", type(failure).__name__)
                _LOG.warning("code_requests:waits", agency=self.agency.id, reason=reason)
                await self._end_stuck_runs()
                await self._sleep(pause_s(self._failures))
            else:
                if seen == 0:
                    await self._rest(hastened=bool(runs))

    async def _turn(self, *, hastened: bool) -> int:
        """One look at everything; returns how many people something was done for."""
        if hastened and await store.begins_after_restore(self.agency):
            await tell_of_splits_again(self.agency)
        while hastened and await flow.hasten_page(self.agency):
            pass
        seen = await self._follow(hastened=hastened)
        now = self.agency.clock
        if self._files not in {None, self._way} and not await store.request_files(self.agency):
            self._files = None
        if self._files is not None:
            seen += await self._files.collect(now())
        steps: tuple[Callable[[], Awaitable[int]], ...] = (
            lambda: flow.cancel_due(self.agency, self._rules, now()),
            lambda: flow.request_due(self.agency, self._way, now()),
            lambda: flow.replace_due(self.agency, self._way, now()),
            lambda: flow.confirm_due(self.agency, now()),
        )
        return seen + sum([await step() for step in steps])

    async def _follow(self, *, hastened: bool) -> int:
        """Look at who changed since the last look; returns how many changes that was."""
        at, newest = await store.behind(self.agency)
        if not hastened and (not self._continuous or self._mass_under_way(newest)):
            return 0
        start, end = at, newest
        while (reached := await flow.follow_page(self.agency, self._rules, at, self.agency.clock())) is not None:
            at = reached
            if at >= end and not hastened:
                break
        return at - start

    def _mass_under_way(self, newest: int) -> bool:
        growing = newest - self._newest > _MASS and self._newest > 0
        self._newest = newest
        self._let_pass = self._let_pass + 1 if growing else 0
        return growing and self._let_pass < _LONGEST_MASS

    async def _end_runs(self, runs: list[str], seen: int) -> None:
        """A run has ended when nobody is on the way any more, or nobody has moved for a minute."""
        loop = asyncio.get_running_loop()
        if seen or not runs:
            self._moved_at = loop.time()
        if runs and (loop.time() - self._moved_at > _RUN_STUCK_S or not await store.anybody_on_the_way(self.agency)):
            await self._close(runs)

    async def _end_stuck_runs(self) -> None:
        with contextlib.suppress(StorageUnavailableError):
            if asyncio.get_running_loop().time() - self._moved_at > _RUN_STUCK_S:
                await self._close(await store.open_runs(self.agency))

    async def _close(self, runs: list[str]) -> None:
        await store.close_runs(self.agency, runs, self.agency.clock())
        async with self._changed:
            self._changed.notify_all()

    async def _rest(self, *, hastened: bool) -> None:
        """Until somebody wakes us, something is due or waits, or it is time to look by oneself; a run and a folder are looked at each time."""
        due = await store.next_due(self.agency)
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST_REST_S
        over_files = self._files is not None
        pause = self.agency.look_s(_LOOK_S) if over_files else _LOOK_S
        while True:
            left = (due - self.agency.clock()).total_seconds() if due else math.inf
            await self._sleep(min(pause, max(0.05, left)))
            waits = self._continuous and self.agency.work.is_there(Work.CODES)
            is_due = due is not None and due <= self.agency.clock()
            if hastened or over_files or waits or is_due or self._wake.is_set() or loop.time() >= end:
                return

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
