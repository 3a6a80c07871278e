"""The one place that reads the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

JST = timezone(timedelta(hours=9))


class Clock:
    """Aware UTC instants; `offset` moves the simulated present (scenarios only)."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset  # noqa: TID251 (this is the one place)
