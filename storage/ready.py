"""Who has something to do: many call, one takes them in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Generic, Protocol, TypeVar

from storage.pace import Pace


class HasWaiting(Protocol):
    @property
    def waiting(self) -> Sized: ...


T = TypeVar("T", bound=HasWaiting)


class Ready(Generic[T]):
    """Those that called and were not taken yet, in the order in which they called first."""

    def __init__(self) -> None:
        self._those: dict[T, None] = {}
        self._called = asyncio.Event()
        self._since = 0.0
        self._pace = Pace()

    def call(self, one: T, now: float) -> None:
        """One more thing waits at `one`, since `now` (seconds of the event loop)."""
        if not self._those:
            self._since = now
        self._those[one] = None
        self._pace.came(now)
        self._called.set()

    def drop(self, one: T) -> None:
        """Nothing waits at it any more."""
        self._those.pop(one, None)

    async def some(self, most: int) -> list[T]:
        """Wait for one, let more come while they come fast, and take up to `most`."""
        while not self._those:
            self._called.clear()
            await self._called.wait()
        waited = asyncio.get_running_loop().time() - self._since
        if pause := self._pace.wait_s(sum(len(one.waiting) for one in self._those), waited):
            await asyncio.sleep(pause)
        taken = list(self._those)[:most]
        for one in taken:
            del self._those[one]
        if not self._those:
            self._called.clear()
        return taken
