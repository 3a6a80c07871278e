"""The keys that an export is verified with: one verifier key for all time, or those of the signed register with their windows."""

from __future__ import annotations

from datetime import datetime, timedelta

from evidence.checkpoint import parse_vkey
from keys.windows import PublicKeys

TrustedKeys = str | PublicKeys
"""A vkey, or a log's keys with their windows."""


def keys_of(origin: str, said: TrustedKeys) -> PublicKeys:
    """The keys of the log of this origin (with its year). Raises ValueError for a vkey that is none, or another log's."""
    if isinstance(said, PublicKeys):
        return said
    name, key = parse_vkey(said)
    if name != origin:
        raise ValueError("a trusted key under another log's origin")
    return PublicKeys.of(key)


def keys_at(keys: PublicKeys, at: str, slack: timedelta) -> tuple[bytes, ...]:
    """Keys that may have signed what was made at this time of an entry; every one when no time is told."""
    return keys.counted(instant(at), slack) if at and len(keys.windows) > 1 else keys.all()


def instant(at: str) -> datetime:
    """A timestamp of an entry; the beginning of time for what is none."""
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        return datetime.fromisoformat("0001-01-01T00:00:00.000Z")
