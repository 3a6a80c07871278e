"""Public keys of one party for one purpose, each with the time in which it counts: a key that was replaced is still good for what it signed.

A message that comes now is judged by now, and by the end of a key's window alone: that the register names it is its beginning. A record that
tells when it was made is judged by that time, and by both ends, so that a key stolen later signs no past.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.signing import verify, verify_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWindow:
    """An Ed25519 public key (32 bytes), counted from `valid_from` until `valid_to`; None: from the beginning, without end."""

    key: bytes
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def accepted(self, now: datetime) -> bool:
        """Whether what comes now may be signed by it."""
        return self.valid_to is None or now <= self.valid_to

    def counted(self, at: datetime, slack: timedelta) -> bool:
        """Whether it was this party's key when something was made, by clocks that differ by `slack` at most."""
        begun = self.valid_from is None or self.valid_from - slack <= at
        return begun and (self.valid_to is None or at <= self.valid_to + slack)


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The windows of one party's keys for one purpose, oldest first. The last one without an end is what is signed with now."""

    windows: tuple[KeyWindow, ...]

    @classmethod
    def of(cls, key: bytes) -> PublicKeys:
        """One key for all time."""
        return cls((KeyWindow(key=key),))

    def __iter__(self) -> Iterator[KeyWindow]:
        return iter(self.windows)

    def accepted(self, now: datetime) -> tuple[bytes, ...]:
        """Keys that may have signed what comes now."""
        return tuple(one.key for one in self.windows if one.accepted(now))

    def counted(self, at: datetime, slack: timedelta) -> tuple[bytes, ...]:
        """Keys that may have signed what was made at that time."""
        return tuple(one.key for one in self.windows if one.counted(at, slack))

    def all(self) -> tuple[bytes, ...]:
        """Every key that ever counted."""
        return tuple(one.key for one in self.windows)

    def verify(self, label: bytes, message: bytes, signature: bytes, *, now: datetime) -> bool:
        """Whether a key that is accepted now has signed this under this label."""
        return any(verify(key, label, message, signature) for key in self.accepted(now))

    def verify_raw(self, message: bytes, signature: bytes, *, now: datetime) -> bool:
        """As `verify`, without a label."""
        return any(verify_raw(key, message, signature) for key in self.accepted(now))
