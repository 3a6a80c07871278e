"""Refusals that repeat: recorded at once, then once a minute with a count, in bounded memory.

A caller that is turned away may come back as often as it likes; the evidence log must not grow with it (SC-6, SC-12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVERY_S: Final = 60.0
MOST: Final = 1_024
_OTHERS: Final = b"others"


@dataclass(slots=True)
class _Seen:
    recorded_at: float | None
    unrecorded: int


class Refusals:
    """Counts refusals by reason and caller. Instants are seconds of any clock that never goes back.

    More than `most` callers within `every_s` seconds share one count for each reason. What comes last before a caller stays away
    is counted in the metrics alone.
    """

    def __init__(self, *, every_s: float = EVERY_S, most: int = MOST) -> None:
        self._every_s = every_s
        self._most = most
        self._seen: dict[tuple[str, bytes], _Seen] = {}

    def take(self, reason: str, who: bytes, now: float) -> int:
        """One more refusal: how many the record to be written now stands for, or 0 when none is due."""
        seen = self._seen.get(key := self._key(reason, who, now))
        if seen is None:
            seen = self._seen[key] = _Seen(None, 0)
        seen.unrecorded += 1
        if seen.recorded_at is not None and now - seen.recorded_at < self._every_s:
            return 0
        times, seen.unrecorded, seen.recorded_at = seen.unrecorded, 0, now
        return times

    def put_back(self, reason: str, who: bytes, times: int) -> None:
        """The record could not be written: the next refusal is recorded at once, and counts these too."""
        seen = self._seen.get((reason, who)) or self._seen.get((reason, _OTHERS))
        if seen is not None:
            seen.recorded_at = None
            seen.unrecorded += times

    def _key(self, reason: str, who: bytes, now: float) -> tuple[str, bytes]:
        """The caller's own count, or the common one when there are too many; counts of callers that stayed away are dropped first."""
        key = (reason, who)
        if key not in self._seen and len(self._seen) >= self._most:
            for other, seen in list(self._seen.items()):
                if seen.recorded_at is not None and now - seen.recorded_at >= self._every_s:
                    del self._seen[other]
            if len(self._seen) >= self._most:
                return reason, _OTHERS
        return key
