"""`access.refused` of the business API: the first of its kind is on record before it is answered, the others of a minute share one entry.

Strangers need no key to be refused; one entry for each call would let anybody fill a log that is kept for seven years. What is counted
and not yet written is lost in a crash: at most a minute's repetitions of a refusal that is on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.database import StorageUnavailableError

_MINUTE_S: Final = 60.0
_LOOK_S: Final = 5.0
_MOST_KINDS: Final = 1_000
_Kind = tuple[str, str | None]

Write = Callable[[str, str | None, int], Awaitable[None]]
"""Puts one entry on record: reason, client id or None, how many calls it stands for. Raises StorageUnavailableError."""


@dataclass(slots=True)
class _Count:
    written_at: float
    since: int = 0


class AccessRefusals:
    """One agency's refusals by reason and client; `run()` writes what was counted when its minute is over."""

    def __init__(self, write: Write, *, clock: Callable[[], datetime]) -> None:
        self._write = write
        self._clock = clock
        self._counts: dict[_Kind, _Count] = {}

    async def record(self, reason: str, client_id: str | None) -> None:
        """Count a refusal, and write it when none of its kind was written in the last minute. Raises StorageUnavailableError."""
        kind = (reason, client_id)
        if kind not in self._counts and len(self._counts) >= _MOST_KINDS:
            kind = (reason, None)  # too many at once to tell them apart
        now = self._clock().timestamp()
        count = self._counts.setdefault(kind, _Count(written_at=now - _MINUTE_S))
        count.since += 1
        if abs(now - count.written_at) >= _MINUTE_S:
            await self._put(kind, count, now)

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write what was counted for a minute, or all of it; forget kinds that are quiet. Raises StorageUnavailableError."""
        now = self._clock().timestamp()
        for kind, count in list(self._counts.items()):
            if not all_of_them and abs(now - count.written_at) < _MINUTE_S:
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

    async def _put(self, kind: _Kind, count: _Count, now: float) -> None:
        """What comes while the entry is written counts for the next one; what could not be written counts again."""
        before, number = count.written_at, count.since
        count.written_at, count.since = now, 0
        try:
            await self._write(*kind, number)
        except StorageUnavailableError:
            count.written_at, count.since = before, count.since + number
            raise
