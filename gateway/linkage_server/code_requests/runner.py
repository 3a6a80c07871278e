"""Runs code requests one after the other in the background; what a crash interrupted is taken up at the start."""

from __future__ import annotations

import asyncio

from gateway.linkage_server.code_requests import flow, store
from gateway.linkage_server.tenant import Agency
from storage.database import StorageUnavailableError


class CodeRequests:
    """`run()` must be running."""

    def __init__(self, agency: Agency) -> None:
        self.agency = agency
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()

    async def start(self, run_id: str) -> None:
        """Begin a run; the same id again begins nothing."""
        await store.open_run(self.agency, run_id, self.agency.clock())
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
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for run_id in await store.open_runs(self.agency):
                    await flow.obtain_codes(self.agency, run_id)
                    async with self._changed:
                        self._changed.notify_all()
            except StorageUnavailableError:
                await asyncio.sleep(1)
                self._wake.set()
