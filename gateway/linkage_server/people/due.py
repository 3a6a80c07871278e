"""Changes whose day has come: those that waited are judged then, as if they had come that day (LS-1.2)."""

from __future__ import annotations

from datetime import date
from typing import Final

import structlog

from gateway.linkage_server.people import flow, store
from gateway.linkage_server.tenant import Agency
from storage.database import StorageUnavailableError
from transport.channel import ChannelError
from transport.clock import Alarm

_LOOK_S: Final = 30.0
_AT_ONCE: Final = 500
_LOG = structlog.get_logger()


class DueChanges:
    """One agency's waiting changes. `run()` looks every half minute; `catch_up()` takes all that are due now."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency

    async def run(self) -> None:
        alarm = Alarm(self._agency.clock)
        while True:
            try:
                await self.catch_up()
            except (StorageUnavailableError, ChannelError) as failure:
                reason = getattr(failure, "reason", "storage_unavailable")
                _LOG.warning("people:due:waits", agency=self._agency.id, reason=reason)
            await alarm.rest(_LOOK_S)

    async def catch_up(self) -> int:
        """Apply or hold what is due; returns how many changes it was. Raises StorageUnavailableError, ChannelError."""
        today = self._agency.today()
        done = 0
        while taken := await self._some(today):
            done += taken
        return done

    async def _some(self, today: date) -> int:
        async with self._agency.database.inside(self._agency.tenant) as connection:
            due = await store.due_changes(connection, self._agency.keys, today, _AT_ONCE)
        for system, changes in due.items():
            await flow.apply(self._agency, changes, system=system)
        return sum(map(len, due.values()))
