"""The outbox of one agency: what is due is sent, list after list, until it is answered; after an outage it catches up by itself (LS-2.5).

While one list is at the intermediate server, the answers to the one before are written and the next one is read. What was just taken in is not read
again but sent as it was committed (docs/adr/0068); it is due in the database all the same until it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from gateway.linkage_server.business_information import repointing, transfer
from gateway.linkage_server.business_information.store import SQL
from gateway.linkage_server.business_information.transfer import Prepared, Settled
from gateway.linkage_server.outbound import MOST_AT_ONCE
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import Work
from storage.database import StorageUnavailableError
from transport.channel import ChannelError

_LOG = structlog.get_logger()
_AWAY_S: Final = 1.0
_MOST_FRESH: Final = 4
_AT_ONCE: Final = 5_000
DUE = Gauge("sekisho_business_records_due", "Records that wait for the intermediate server", ["agency"])


class Outbox:
    """`run()` must be running. `on_command`: first full transfers begin by command and not by themselves (初回提供区分)."""

    def __init__(self, agency: Agency, *, on_command: bool = False) -> None:
        self.agency = agency
        self.on_command = on_command
        self.away: str | None = None
        """Why the last list was not answered; None while all is well."""
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._fresh: deque[Sequence[Prepared]] = deque(maxlen=_MOST_FRESH)

    def wake(self, fresh: Sequence[Prepared] = ()) -> None:
        """Something is due. `fresh`: new records as they were just committed, in the order of their revisions; of too many lists the oldest are read."""
        if fresh:
            self._fresh.append(fresh)
        self._wake.set()

    async def wait_for_answers(self, seconds: float) -> None:
        """Until some rows are answered, or so many seconds have gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait()

    async def send(self, rows: Sequence[Prepared]) -> list[Settled]:
        """One list at a time goes to the intermediate server. Raises ChannelError."""
        async with self._sending:
            return await transfer.ask(self.agency, rows)

    async def run(self) -> None:
        """Work until cancelled."""
        released = self.on_command
        while True:
            self._wake.clear()
            try:
                if not released:
                    await self._release_all()
                    released = True
                followed = await repointing.follow(self.agency)
                sent = await self._send_all_due()
                self.away = None
            except (ChannelError, StorageUnavailableError) as failure:
                self._fresh.clear()
                await self._note_away(getattr(failure, "reason", "storage_unavailable"))
                await asyncio.sleep(_AWAY_S)
                continue
            if not sent and not followed:
                await self.agency.work.rest(Work.BUSINESS_INFORMATION, woken=self._wake)

    async def _release_all(self) -> None:
        """What waited for a command while that was the agency's configuration is due like everything else."""
        released = _AT_ONCE
        while released == _AT_ONCE:
            async with self.agency.database.inside(self.agency.tenant) as connection:
                released = len(await connection.fetch(SQL["release_all"], _AT_ONCE))

    async def _note_away(self, reason: str) -> None:
        if self.away is None:
            _LOG.warning("business_information:waits", agency=self.agency.id, reason=reason)
        self.away = reason
        with contextlib.suppress(StorageUnavailableError):
            async with self.agency.database.inside(self.agency.tenant) as connection:
                DUE.labels(self.agency.id).set(await connection.fetchval(SQL["count_due"]))

    async def _send_all_due(self) -> int:
        """Go once through what is due; returns how many rows there were."""
        rows = await self._next(0)
        answered: list[Settled] = []
        sent = 0
        while rows or answered:
            sent += len(rows)
            last = rows[-1].revision if rows else 0
            found = await asyncio.gather(
                self.send(rows),
                self._next(last) if rows else _nothing(),
                self._keep(answered),
                return_exceptions=True,
            )
            for one in found:
                if isinstance(one, BaseException):
                    raise one
            answered, rows = found[0], found[1]
        if sent and not self.on_command:
            await self._note_first_transfers()
        DUE.labels(self.agency.id).set(0)
        return sent

    async def _next(self, after: int) -> Sequence[Prepared]:
        """Rows that are due, of revisions after this one. What is passed over is found when all is gone through once more."""
        while self._fresh:
            if fresh := [one for one in self._fresh.popleft() if one.revision > after]:
                return fresh
        return await transfer.read_due(self.agency, after, MOST_AT_ONCE)

    async def _keep(self, answered: Sequence[Settled]) -> None:
        await transfer.keep_settled(self.agency, answered)
        if answered:
            async with self._moved:
                self._moved.notify_all()

    async def _note_first_transfers(self) -> None:
        """Nothing is due any more: whatever data sets there are have been transferred once."""
        async with self.agency.database.inside(self.agency.tenant) as connection:
            if not await connection.fetchval(SQL["any_due"]):
                await connection.execute(SQL["first_transfers_through"], self.agency.clock())


async def _nothing() -> list[Any]:
    return []
