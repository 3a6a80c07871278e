"""How long to gather before a batch goes: not at all while things come one by one, a few milliseconds while they come fast.

A transaction or a request costs much the same for one item as for eight. At rest nobody waits; under load the wait is what several
items take to arrive, and it is spent anyway, on the cost of the batches that are saved. Somebody who asks again and again, each time when the
answer is there, comes fast and alone: a wait in which nobody came is not tried again for a while.
"""

from __future__ import annotations

from typing import Final

_LOOK_S: Final = 0.2
_ENOUGH: Final = 8
_LONGEST_S: Final = 0.01
_MOST_IN_VAIN: Final = 6


class Pace:
    """The rate at which items come, over the last fifth of a second. Times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0
        self._per_s = 0.0
        self._last = 0.0
        self._until = 0.0
        self._in_vain = 0
        self._not_now = 0

    def came(self, now: float) -> None:
        """One item came."""
        if self._until:
            self._learn(in_vain=now > self._until)
        self._last = now
        if now - self._since > _LOOK_S:
            self._per_s = self._count / (now - self._since)
            self._since, self._count = now, 0
        self._count += 1

    def wait_s(self, waiting: int, waited_s: float) -> float:
        """Seconds to let more items come, when `waiting` are there and the oldest has waited so long already: 0, or what is left of 0.01
        when at least one more will have come by then.
        """
        missing = _ENOUGH - waiting
        if missing <= 0 or self._per_s * _LONGEST_S < 1:
            return 0.0
        if self._not_now:
            self._not_now -= 1
            return 0.0
        pause = max(0.0, min(_LONGEST_S, missing / self._per_s) - waited_s)
        if pause:
            self._until = self._last + pause
        return pause

    def _learn(self, *, in_vain: bool) -> None:
        """After a wait in vain the next two batches go at once, after another four, and so on up to 64."""
        self._until = 0.0
        self._in_vain = min(self._in_vain + 1, _MOST_IN_VAIN) if in_vain else 0
        self._not_now = 1 << self._in_vain if in_vain else 0
