"""The one place that reads the time; in a simulation the present of all roles can be moved together while they run.

What moves it is eight bytes of a file that every role maps into its memory (`SharedOffset`), so a reading costs no call into the kernel. A
clock that stands apart from the others by an offset of its own is a role with a wrong clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from storage import durable_file

JST = timezone(timedelta(hours=9))
_SIZE: Final = 8
_LOOK_S: Final = 0.1
_MICROSECOND: Final = timedelta(microseconds=1)


class SharedOffset:
    """How far the present is moved: microseconds as one aligned 64-bit integer, which processors read and write whole."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when there is no such file, ValueError when it is not eight bytes long."""
        with path.open("r+b") as file:
            if path.stat().st_size != _SIZE:
                raise ValueError("the shared clock is a file of eight bytes")
            self.path = path
            self._cells = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("q")

    @staticmethod
    def ensure(path: Path) -> SharedOffset:
        """The one in this file, made unmoved if there is none."""
        if not path.exists():
            durable_file.write(path, bytes(_SIZE))
        return SharedOffset(path)

    @property
    def microseconds(self) -> int:
        return self._cells[0]

    def move(self, offset: timedelta) -> None:
        self._cells[0] = offset // _MICROSECOND

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else moves it while the block lasts."""
        with self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Clock:
    """Aware UTC instants. `offset`: by how much this clock alone is off; `shared`: what moves it with all the others; `skew`: what makes it wrong
    while it runs (both in simulations only).
    """

    def __init__(
        self, offset: timedelta = timedelta(0), shared: SharedOffset | None = None, skew: SharedOffset | None = None
    ) -> None:
        self._own = offset
        self._shared = shared
        self._skew = skew
        self._seen = 0
        self._offset = offset
        self._told: list[Callable[[], None]] = []
        self._announced = self.offset

    def __call__(self) -> datetime:
        return self.unmoved() + self.offset

    @staticmethod
    def unmoved() -> datetime:
        """The machine's own time, whatever the simulation has moved: for what must not end by a move, such as an outage."""
        return datetime.now(UTC)  # noqa: TID251 (this is the one place)

    @property
    def offset(self) -> timedelta:
        """How far this clock is from the machine's."""
        if self._shared is None:
            return self._offset
        moved = self._shared.microseconds + (0 if self._skew is None else self._skew.microseconds)
        if moved != self._seen:
            self._seen, self._offset = moved, self._own + timedelta(microseconds=moved)
        return self._offset

    def set(self, now: datetime) -> None:
        """Move this clock and all that share its offset to an instant, which may be a past one. Raises TypeError when it is nobody's to move."""
        if self._shared is None:
            raise TypeError("this clock is not a simulation's")
        with self._shared.held():
            self._shared.move(now - self._own - self.unmoved())

    @property
    def wrong_by(self) -> timedelta:
        """How wrong this clock alone has been made while it runs."""
        return timedelta(0) if self._skew is None else timedelta(microseconds=self._skew.microseconds)

    def go_wrong(self, by: timedelta) -> None:
        """Make this clock alone wrong by so much. Raises TypeError when it is nobody's to move."""
        if self._skew is None:
            raise TypeError("this clock is not a simulation's")
        self._skew.move(by)

    def on_move(self, call: Callable[[], None]) -> None:
        """Call this, from now on, within a tenth of a second after somebody has moved the clock. Needs a running loop."""
        if self._shared is None:
            return
        self._told.append(call)
        if len(self._told) == 1:
            self._look()

    def _look(self) -> None:
        if self.offset != self._announced:
            self._announced = self.offset
            for call in self._told:
                call()
        asyncio.get_running_loop().call_later(_LOOK_S, self._look)


class Alarm:
    """One loop's sleep, cut short when the clock is moved: then something may be due that was far away.

    A move that comes while the loop is at work ends its next sleep at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._moved = asyncio.Event()
        clock.on_move(self._moved.set)

    async def rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        self._moved.clear()
