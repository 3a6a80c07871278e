"""A circuit breaker for one counterpart: whoever does not answer is asked again one item at a time (IS-7).

Closed: everything goes. After so many failures in a row it opens: nothing goes and whoever asks is told at once, so that nobody waits for
time-outs; what was to be sent stays where it is kept. When the wait is over it is half open: one request with one item tries, or with none when
nobody asks. An answer of any kind closes it, a failure opens it for twice as long, up to a limit. Times are those of the event loop, in seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from prometheus_client import Counter, Gauge

STATE: Final = Gauge(
    "sekisho_circuit_state", "Circuit to a counterpart: 0 closed, 1 half open, 2 open", ["owner", "counterpart"]
)
OPENED: Final = Counter("sekisho_circuit_opened", "Times that a circuit opened", ["owner", "counterpart"])
AWAY: Final = frozenset({"peer_timeout", "peer_tls", "peer_unreachable"})
"""Failures that say that the counterpart is away; after any other it was there."""


class CircuitState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


_LEVEL: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class Circuit:
    """The circuit of `owner` (an agency, or the network) to one counterpart; all channels to it share one."""

    def __init__(
        self, owner: str, counterpart: str, *, failures: int = 5, first_s: float = 1.0, longest_s: float = 5.0
    ) -> None:
        self.owner = owner
        self.counterpart = counterpart
        self._limit = failures
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0
        self._reason: str | None = None
        self._wait_s = first_s
        self._opened_at: float | None = None
        self._probe_at = 0.0
        self._probing = False
        self._show()

    @property
    def state(self) -> CircuitState:
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if self._probing else CircuitState.OPEN

    def admits(self, now: float) -> bool:
        """Whether anything asked now may go: at once when closed, as the probe when that is due."""
        return self._opened_at is None or (not self._probing and now >= self._probe_at)

    def begin(self, now: float, most: int) -> int:
        """How many items a request may carry now, up to `most`: 0 while open, 1 for a probe. Each begun request ends by `came` or `failed`."""
        if self._opened_at is None:
            return most
        if not self.admits(now):
            return 0
        self._probing = True
        self._show()
        return min(1, most)

    def came(self) -> None:
        """The counterpart has answered, whatever it said."""
        self._failures, self._reason, self._wait_s = 0, None, self._first_s
        self._opened_at, self._probing = None, False
        self._show()

    def failed(self, now: float, reason: str) -> None:
        """A request failed. Only what says that the counterpart is away counts; anything else is an answer."""
        if reason not in AWAY:
            self.came()
            return
        self._failures += 1
        self._reason = reason
        if self._opened_at is not None:
            if self._probing:
                self._wait_s = min(self._longest_s, self._wait_s * 2)
                self._probe_at = now + self._wait_s
        elif self._failures >= self._limit:
            self._opened_at, self._probe_at = now, now + self._wait_s
            OPENED.labels(self.owner, self.counterpart).inc()
        self._probing = False
        self._show()

    def shown(self, now: float) -> dict[str, Any]:
        """As an operator sees it."""
        opened = self._opened_at
        return {
            "counterpart": self.counterpart,
            "state": self.state.value,
            "failures": self._failures,
            "reason": self._reason,
            "open_for_s": None if opened is None else round(now - opened, 1),
            "next_probe_s": None if opened is None else max(0.0, round(self._probe_at - now, 1)),
        }

    def _show(self) -> None:
        STATE.labels(self.owner, self.counterpart).set(_LEVEL[self.state])
