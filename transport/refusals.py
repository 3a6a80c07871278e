"""Refusals that repeat: the first of its kind is on record before it is answered, the others of a minute share one record.

A caller that is turned away may come back as often as it likes; one entry for each call would let anybody fill a log that is kept for
seven years (SC-6, SC-12). What is counted and not yet written is lost in a crash: at most a minute's repetitions of a refusal that is on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from storage.database import StorageUnavailableError

_LOG = structlog.get_logger()
EVERY_S: Final = 60.0
MOST: Final = 1_024
_LOOK_S: Final = 5.0
Who = TypeVar("Who", bound=Hashable)


@dataclass(slots=True)
class _Count:
    written_at: float
    since: int = 0


class Refusals(Generic[Who]):
    """Refusals of one log by reason and caller; `run()` writes what was counted when its minute is over.

    `write(reason, who, count)` puts one record down that stands for so many calls and raises StorageUnavailableError when it cannot.
    `others`: who is said to have called when more than `most` kinds came within a minute. `now`: seconds of any clock.
    """

    def __init__(
        self,
        write: Callable[[str, Who, int], Awaitable[None]],
        *,
        others: Who,
        now: Callable[[], float],
        most: int = MOST,
    ) -> None:
        self._write = write
        self._others = others
        self._now = now
        self._most = most
        self._counts: dict[tuple[str, Who], _Count] = {}

    async def record(self, reason: str, who: Who) -> None:
        """Count a refusal, and write it when none of its kind was written in the last minute. Raises StorageUnavailableError."""
        kind = (reason, who)
        if kind not in self._counts and len(self._counts) >= self._most:
            kind = (reason, self._others)
        now = self._now()
        count = self._counts.setdefault(kind, _Count(written_at=now - EVERY_S))
        count.since += 1
        if abs(now - count.written_at) >= EVERY_S:
            await self._put(kind, count, now)

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write what was counted for a minute, or all of it; forget kinds that are quiet. Raises StorageUnavailableError."""
        now = self._now()
        for kind, count in list(self._counts.items()):
            if not all_of_them and abs(now - count.written_at) < EVERY_S:
                continue
            if count.since:
                await self._put(kind, count, now)
            elif self._counts.get(kind) is count:
                del self._counts[kind]

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.flush()
            except StorageUnavailableError:
                continue

    async def _put(self, kind: tuple[str, Who], count: _Count, now: float) -> None:
        """What comes while the record is written counts for the next one; what could not be written counts again."""
        before, number = count.written_at, count.since
        count.written_at, count.since = now, 0
        try:
            await self._write(*kind, number)
        except BaseException:
            count.written_at, count.since = before, count.since + number
            raise


async def _log(reason: str, _who: bytes, count: int) -> None:
    _LOG.warning("access_refused", reason=reason, count=count)


def in_operational_log(now: Callable[[], float]) -> Refusals[bytes]:
    """Of a server without evidence log, by certificate: its refusals go to the operational log."""
    return Refusals(_log, others=b"", now=now)
