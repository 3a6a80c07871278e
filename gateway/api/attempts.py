"""A limit to guessing secrets: after some failed proofs within a minute nothing is compared any more, and the answer stays the same.

Counted by client id and address together, so that a stranger elsewhere cannot lock a business system out, and by address alone.
In memory: a restart forgets, which helps nobody to guess 256 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MOST_OF_A_CLIENT: Final = 10
MOST_OF_AN_ADDRESS: Final = 100
_EVERY_S: Final = 60.0
_MOST_KINDS: Final = 10_000


class Attempts:
    """Failed proofs by the minute of a clock. `now`: seconds of any clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._minute = -1
        self._failed: dict[tuple[str, str], int] = {}

    def allowed(self, client_id: str, address: str) -> bool:
        """Whether a proof of this client from this address is looked at."""
        self._turn()
        return (
            self._failed.get((client_id, address), 0) < MOST_OF_A_CLIENT
            and self._failed.get(("", address), 0) < MOST_OF_AN_ADDRESS
        )

    def failed(self, client_id: str, address: str) -> None:
        self._turn()
        for kind in {(client_id, address), ("", address)}:
            if kind in self._failed or len(self._failed) < _MOST_KINDS:
                self._failed[kind] = self._failed.get(kind, 0) + 1

    def _turn(self) -> None:
        minute = int(self._now() // _EVERY_S)
        if minute != self._minute:
            self._minute, self._failed = minute, {}
