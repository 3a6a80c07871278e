"""The network's ways to the agencies: a channel to one path of each, made when it is first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from transport.channel import Channel


class Ways:
    """Agency → channel. `run()` must be running; an agency that nobody sends to costs nothing. `known`: whether there is such an agency now."""

    def __init__(self, known: Callable[[str], bool], make: Callable[[str], Channel]) -> None:
        self._known = known
        self._make = make
        self._made: dict[str, Channel] = {}
        self._new: asyncio.Queue[Channel] = asyncio.Queue()

    def get(self, agency: str) -> Channel | None:
        """The channel to the agency's server, or None for an agency that has none here."""
        found = self._made.get(agency)
        if found is None and self._known(agency):
            found = self._made[agency] = self._make(agency)
            self._new.put_nowait(found)
        return found

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task((await self._new.get()).run())
