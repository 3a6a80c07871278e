"""How many lists are under way at once, and how long they are: as much as the servers carry, and next to nothing while somebody asks online.

Alone, one more list is tried as long as a line takes about as long as at best; when lists only wait for each other, one is taken back.
While somebody asks online there is one short list at a time, with a rest half as long as the list took: that is the back-pressure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import Gauge

from gateway.linkage_server.inquiry_desk.online import Online

LISTS = Gauge("sekisho_bulk_lists", "Lists of bulk inquiries that may be under way at once", ["agency"])
_LOOK_AGAIN_S: Final = 0.05
_DEARER: Final = 2.5
_FORGET: Final = 1.02
_SHORT: Final = 2
_REST: Final = 0.5
_LONGEST_REST_S: Final = 5.0
_FAILURE_REST_S: Final = 0.5


@dataclass(slots=True)
class Turn:
    """One list: how many lines it may have, whether it went through, and whether its time says what the servers can do (not that a provider is slow)."""

    size: int
    through: bool = False
    tells: bool = True


class Pace:
    """One agency's lists. `size`: lines of a list, `most`: lists at once; `clock`: seconds."""

    def __init__(self, agency: str, online: Online, *, size: int, most: int, clock: Callable[[], float]) -> None:
        self._online = online
        self._size = size
        self.most = most
        self._clock = clock
        self._limit = 1.0
        self._under_way = 0
        self._rest_until = 0.0
        self._best = float("inf")
        self._failures = 0
        LISTS.labels(agency).set_function(lambda: self.limit)

    @property
    def limit(self) -> int:
        return 1 if self._online.busy else int(self._limit)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for room for one more list; what the list cost decides how many go next."""
        while self._under_way >= self.limit or self._clock() < self._rest_until:  # noqa: ASYNC110 (who asks online is looked at, not heard)
            await asyncio.sleep(_LOOK_AGAIN_S)
        self._under_way += 1
        begun = self._clock()
        turn = Turn(max(1, self._size // _SHORT) if self._online.busy else self._size)
        try:
            yield turn
        finally:
            self._under_way -= 1
            self._learn(turn, self._clock() - begun)

    def _learn(self, turn: Turn, seconds: float) -> None:
        if not turn.through:
            self._failures += 1
            self._limit = 1.0
            self._rest_until = self._clock() + min(_FAILURE_REST_S * 2**self._failures, _LONGEST_REST_S)
            return
        self._failures = 0
        if self._online.busy:
            self._limit = 1.0
            self._rest_until = self._clock() + min(_REST * seconds, _LONGEST_REST_S)
            return
        if not turn.tells:
            return
        cost = seconds / max(turn.size, 1)
        self._limit = max(1.0, self._limit - 1) if cost > _DEARER * self._best else min(self.most, self._limit + 0.5)
        self._best = min(self._best * _FORGET, cost)
