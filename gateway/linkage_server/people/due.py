"""Changes whose day has come: those that waited are judged then, as if they had come that day (LS-1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import structlog

from gateway.linkage_server.people import flow, store
from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.supervision import tell_broken
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
        """Apply or hold what is due; returns how many changes it was, without those that broke. Raises StorageUnavailableError, ChannelError."""
        today = self._agency.today()
        done = 0
        while taken := await self._some(today):
            done += taken
        return done

    async def _some(self, today: date) -> int:
        async with self._agency.database.inside(self._agency.tenant) as connection:
            due = await store.due_changes(connection, self._agency.keys, today, _AT_ONCE)
        return sum([await self._taken(system, changes) for system, changes in due.items()])

    async def _taken(self, system: str, changes: Sequence[Change]) -> int:
        """How many of them were taken. One that breaks holds back no other, and is tried again at the next look."""
        try:
            await flow.apply(self._agency, changes, system=system)
        except (StorageUnavailableError, ChannelError):
            raise
        except Exception as failure:  # noqa: BLE001 (logged and counted; the change goes on waiting)
            if (half := len(changes) // 2) > 0:
                return await self._taken(system, changes[:half]) + await self._taken(system, changes[half:])
            tell_broken("due_changes", self._agency.id, failure)
            return 0
        return len(changes)
