"""What waits for the background loops: one look for all agencies of the process, instead of one for each loop of each agency.

The look is made twice a second while it is quick; with many agencies it rests as much longer as it takes longer, so that it costs a fiftieth of a CPU at most.

A loop that finds nothing to do rests until something waits for it. Now and then it looks by itself all the same, so that nothing depends on
these looks but how soon it is done. docs/adr/0058.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from storage import sql
from storage.database import Database, StorageUnavailableError
from storage.shared_look import look_across

_WAITING: Final = sql.load("gateway.linkage_server")["waiting_work"]
_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 5.0
_REST: Final = 50
"""Seconds of rest for each second that a look takes."""
LONGEST_REST_S: Final = 120.0


class Work(StrEnum):
    """The loops that rest; values are columns of `waiting_work`."""

    SEARCH = "search"
    BUSINESS_INFORMATION = "business_information"
    REVIEWS = "reviews"
    PUSHES = "pushes"
    CODES = "codes"


class WaitingWork:
    """One agency's. `tenant`: its schema."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._events = {work: asyncio.Event() for work in Work}

    def note(self, found: Mapping[str, bool | None] | None) -> None:
        """What the look found; None where it could not be read: then everybody looks for themselves."""
        for work, event in self._events.items():
            if found is None or found[work.value]:
                event.set()
            else:
                event.clear()

    def is_there(self, work: Work) -> bool:
        return self._events[work].is_set()

    async def rest(self, work: Work, *, woken: asyncio.Event | None = None) -> None:
        """Until the next look finds something, somebody sets `woken`, or it is time to look by oneself.

        What was seen before counts no more: the loop has just done it.
        """
        self._events[work].clear()
        waits = [asyncio.ensure_future(one.wait()) for one in (self._events[work], woken) if one is not None]
        try:
            await asyncio.wait(waits, timeout=LONGEST_REST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


async def watch(database: Database, agencies: Mapping[str, WaitingWork]) -> None:
    """Look for everybody until cancelled. `agencies`: also those that are opened later."""
    loop, took = asyncio.get_running_loop(), 0.0
    while True:
        await asyncio.sleep(pause_s(took))
        begun = loop.time()
        with contextlib.suppress(
            StorageUnavailableError
        ):  # the database's own alarms say so; then loops look by themselves
            await look(database, [*agencies.values()])
        took = loop.time() - begun


def pause_s(took_s: float) -> float:
    """Seconds between two looks, of which the last took so many."""
    return min(_LONGEST_S, max(_SHORTEST_S, _REST * took_s))


async def look(database: Database, agencies: Sequence[WaitingWork]) -> None:
    """One look. Raises StorageUnavailableError."""
    rows, _ = await look_across(database, _WAITING, [(one.tenant, "", "") for one in agencies])
    found = {row["tenant"]: dict(row) for row in rows}
    for one in agencies:
        one.note(found.get(one.tenant))
