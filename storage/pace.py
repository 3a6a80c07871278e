"""How long to gather before a batch goes: not at all while things come one by one, a few milliseconds while they come fast.

A transaction or a request costs much the same for one item as for eight. At rest nobody waits; under load the wait is what several
items take to arrive, and it is spent anyway, on the cost of the batches that are saved.
"""

from __future__ import annotations

from typing import Final

_LOOK_S: Final = 0.2
_ENOUGH: Final = 8
_LONGEST_S: Final = 0.01


class Pace:
    """The rate at which items come, over the last fifth of a second. Times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0
        self._per_s = 0.0

    def came(self, now: float) -> None:
        """One item came."""
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
        return max(0.0, min(_LONGEST_S, missing / self._per_s) - waited_s)
