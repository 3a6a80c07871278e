"""Changes whose day has come: those that waited are judged then, as if they had come that day (LS-1.2).

One that cannot be taken is set aside: it holds back no other, is counted and listed (`POST /v1/person-changes/to-come`), and is tried again after an
hour, or as soon as the server starts anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Gauge

from gateway.linkage_server.people import flow, waiting
from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.supervision import place_of, tell_broken
from gateway.linkage_server.tenant import Agency
from storage.database import ASK_AGAIN
from transport.channel import ChannelError
from transport.clock import Alarm

_LOOK_S: Final = 30.0
_AT_ONCE: Final = 500
_AGAIN: Final = timedelta(hours=1)
_LOG = structlog.get_logger()
SET_ASIDE = Gauge(
    "sekisho_due_changes_set_aside", "Changes that could not be taken on their day and wait for somebody", ["agency"]
)


class DueChanges:
    """One agency's waiting changes. `run()` looks every half minute; `catch_up()` takes all that are due now."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency
        self._since = agency.clock()

    async def run(self) -> None:
        alarm = Alarm(self._agency.clock)
        while True:
            try:
                await self.catch_up()
            except (*ASK_AGAIN, ChannelError) as failure:
                reason = getattr(failure, "reason", "storage_unavailable")
                _LOG.warning("people:due:waits", agency=self._agency.id, reason=reason)
            await alarm.rest(_LOOK_S)

    async def catch_up(self) -> int:
        """Apply or hold what is due; returns how many changes it was, without those that broke. Raises StorageUnavailableError, ChannelError."""
        done, seen = 0, set[str]()
        while (taken := await self._some(seen)) is not None:
            done += taken
        async with self._agency.database.inside(self._agency.tenant) as connection:
            SET_ASIDE.labels(self._agency.id).set(await waiting.count_of_those_set_aside(connection))
        return done

    async def _some(self, seen: set[str]) -> int | None:
        """How many of the next ones were taken; None when there are none. `seen`: keys of those that were looked at, which grows."""
        agency = self._agency
        again_before = max(self._since, agency.clock() - _AGAIN)
        async with agency.database.inside(agency.tenant) as connection:
            found = await waiting.due(connection, agency.keys, agency.today(), again_before=again_before, most=_AT_ONCE)
        changes: defaultdict[str, list[Change]] = defaultdict(list)
        for one in found:
            if not isinstance(one.change, Change):
                await self._set_aside(one.event_key, one.change)
            elif one.event_key in seen:
                await self._set_aside(one.event_key, RuntimeError("a change that was taken waits still"))
            else:
                changes[one.system].append(one.change)
        seen |= {one.event_key for one in found}
        taken = 0
        for system, of_system in changes.items():
            # what takes a change of its day back comes first
            of_system.sort(key=lambda change: (change.effective_on, not change.cancels))
            taken += await self._taken(system, of_system)
        return taken if found else None

    async def _taken(self, system: str, changes: Sequence[Change]) -> int:
        """How many of them were taken."""
        try:
            await flow.apply(self._agency, changes, system=system)
        except (*ASK_AGAIN, ChannelError):
            raise
        except Exception as failure:  # noqa: BLE001 (counted, and listed for an operator)
            if (half := len(changes) // 2) > 0:
                return await self._taken(system, changes[:half]) + await self._taken(system, changes[half:])
            await self._set_aside(self._agency.keys.event_key(system, changes[0].event_id), failure)
            return 0
        return len(changes)

    async def _set_aside(self, event_key: str, failure: Exception) -> None:
        agency = self._agency
        tell_broken("due_changes", agency.id, failure)
        async with agency.database.inside(agency.tenant) as connection:
            because = f"{type(failure).__name__} {place_of(failure)}"
            await waiting.set_aside(connection, event_key, because, agency.clock())
