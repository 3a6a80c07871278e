"""What was erased, beside the keys and outside the database and its backups (SC-15, SC-16): a restore leaves it out.

A line for each row: when, and a keyed digest of its table and key, which tells nothing to whoever lacks the ring. It is durable before the row goes,
so a row that is gone is always here; one that is here and did not go after all is left out by a restore, and its original brings it back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from keys import labels
from keys.binding import bind
from keys.ring import Keyring

PURPOSE: Final = "erased"
_MARGIN: Final = timedelta(minutes=1)
"""An erasure is written before it happens: one of the last minute before a snapshot may not be in it yet."""


class ErasureJournal:
    """One agency's; `ring` holds the key of its digests."""

    def __init__(self, path: Path, ring: Keyring) -> None:
        self._path = path
        self._ring = ring

    @classmethod
    def beside(cls, keys: Path, ring: Keyring) -> ErasureJournal:
        """The journal that belongs to a key file."""
        return cls(keys.with_suffix(".erased"), ring)

    def digest(self, table: str, key: str | bytes) -> str:
        return self._ring.index(PURPOSE, bind(labels.ERASED, table, key)).hex()

    def write(self, rows: Sequence[tuple[str, str | bytes]], now: datetime) -> None:
        """Durable when it returns. Raises OSError: then nothing may be erased."""
        at = int(now.timestamp())
        lines = "".join(
            f"\n{at} {self.digest(table, key)}" for table, key in rows
        )  # a line that was cut spoils no other
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())

    def erased_since(self, snapshot: datetime) -> frozenset[str]:
        """Digests of rows that were erased after a snapshot was taken, or just before; a line that was cut by a power loss says nothing."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return frozenset()
        found = set()
        for line in lines:
            at, _, digest = line.partition(" ")
            if at.isdigit() and datetime.fromtimestamp(int(at), UTC) >= snapshot - _MARGIN:
                found.add(digest)
        return frozenset(found)
