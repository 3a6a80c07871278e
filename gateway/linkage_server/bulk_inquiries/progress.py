"""How far the files are, how fast they go, and an honest estimate of the time left. Pure but for the counter that is passed in.

The rate is that of lines that were asked, or were no question, over the last minute of work, all files of the agency together, since they share the way to
the network. Lines that were asked and wait for their provider are in no estimate: nobody can know, and what they are answered late says nothing of
how fast we ask.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

WINDOW_S: Final = 60.0
_SHORTEST_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_second`: None while too little was measured. `over_s`: how long was measured."""

    per_second: float | None
    over_s: float


class Speed:
    """Counts lines as they are asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._done: deque[tuple[float, int]] = deque()
        self._since = clock()

    def begin(self) -> None:
        """Work begins after a pause: the pause is not measured."""
        if not self._done or self._clock() - self._done[-1][0] > WINDOW_S:
            self._done.clear()
            self._since = self._clock()

    def done(self, lines: int) -> None:
        self._done.append((self._clock(), lines))
        self._forget()

    def rate(self) -> Rate:
        self._forget()
        over = min(WINDOW_S, self._clock() - self._since)
        if over < _SHORTEST_S or not self._done:
            return Rate(per_second=None, over_s=max(over, 0.0))
        return Rate(per_second=sum(lines for _, lines in self._done) / over, over_s=over)

    def _forget(self) -> None:
        while self._done and self._clock() - self._done[0][0] > WINDOW_S:
            self._done.popleft()


def estimate(rate: Rate, *, left: int, waiting: int, files_not_counted: int, is_open: int) -> dict[str, Any]:
    """Seconds left for the lines that are not asked yet, None when nothing can be said, and on what it rests.

    `left`: lines of files that were begun; `waiting`: lines of those that wait, by their manifests; `is_open`: lines that were asked and have no answer.
    """
    left += waiting
    known = rate.per_second is not None and rate.per_second > 0
    return {
        "seconds_left": 0 if not left else round(left / rate.per_second) if known and rate.per_second else None,
        "basis": {
            "lines_left": left,
            "lines_per_second": round(rate.per_second, 1) if rate.per_second is not None else None,
            "measured_over_seconds": round(rate.over_s),
            "lines_of_waiting_files": waiting,
            "files_not_counted": files_not_counted,
            "lines_that_wait_for_providers": is_open,
        },
    }
