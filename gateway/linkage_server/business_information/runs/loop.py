"""Runs one part after the other in the background; what a crash or an outage interrupted goes on where it stopped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs import comparing, store, transferring, withdrawing
from gateway.linkage_server.business_information.runs.store import Kind
from storage.database import StorageUnavailableError
from transport.channel import ChannelError

_LOG = structlog.get_logger()
_PARTS: Final = {
    Kind.TRANSFER: transferring.do_part,
    Kind.COMPARISON: comparing.do_part,
    Kind.WITHDRAWAL: withdrawing.do_part,
}
_AWAY_S: Final = 1.0


class BusinessRuns:
    """`run()` must be running."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()

    def wake(self) -> None:
        """A run has begun."""
        self._wake.set()

    async def wait(self, run_id: str, seconds: float) -> None:
        """Until the run has ended or so many seconds have gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                while (found := await store.find(self.outbox.agency, run_id)) is not None and not found.done:
                    await self._moved.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        away = False
        while True:
            self._wake.clear()
            try:
                found = await store.next_running(self.outbox.agency)
                if found is None:
                    await self._wake.wait()
                    continue
                await _PARTS[found.kind](self.outbox, found)
                away = False
            except (ChannelError, StorageUnavailableError) as failure:
                if not away:
                    reason = getattr(failure, "reason", "storage_unavailable")
                    _LOG.warning("business_run:waits", agency=self.outbox.agency.id, reason=reason)
                away = True
                await asyncio.sleep(_AWAY_S)
                continue
            async with self._moved:
                self._moved.notify_all()
