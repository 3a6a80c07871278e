"""What was erased, beside the keys and outside the database and its backups (SC-15, SC-16): a restore leaves it out.

A line for each row: when, and a keyed digest of its table and key, which tells nothing to whoever lacks the ring. It is durable before the row goes,
so a row that is gone is always here; one that is here and did not go after all is left out by a restore, and its original brings it back.
A backup has a line, too, before its snapshot: what stands behind it came after it, also when the clock was set back meanwhile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from keys import labels
from keys.binding import bind
from keys.ring import Keyring, version_of_index
from storage.database import StorageUnavailableError

PURPOSE: Final = "erased"
_BACKUP: Final = "backup"
_LINE: Final = re.compile(r"([0-9]{1,12}) ([0-9a-f]{64}|[0-9a-f]{72})")
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

    def lines_under(self, version: int) -> int:
        """How many lines were written under this version of the key: an index that is kept says its version."""
        return sum(version_of_index(bytes.fromhex(line.digest)) == version for line in _lines(self._path))

    def digests(self, table: str, key: str | bytes) -> tuple[str, ...]:
        """What a row may stand under here: one for each version of the key that opens, first the one that is written now."""
        return tuple(one.hex() for one in self._ring.named_indexes(PURPOSE, bind(labels.ERASED, table, key)))

    def write(self, rows: Sequence[tuple[str, str | bytes]], now: datetime) -> None:
        """Durable when it returns. Raises StorageUnavailableError: then nothing may be erased."""
        at = int(now.timestamp())
        lines = "".join(
            f"\n{at} {self.digests(table, key)[0]}" for table, key in rows
        )  # a line that was cut spoils no other
        try:
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            raise StorageUnavailableError("the journal of erasures could not be written") from None

    def begin_backup(self, backup_id: str, now: datetime) -> None:
        """To be called before its snapshot. Durable when it returns. Raises StorageUnavailableError: then there is no backup."""
        self.write([(_BACKUP, backup_id)], now)

    def erased_since(self, snapshot: datetime, backup_id: str) -> frozenset[str]:
        """Digests of rows that were erased after a backup's snapshot was taken, or just before: by the time, and by what stands behind the backup's line
        (those of before had none). A line that was cut by a power loss says nothing.
        """
        begun, behind, found = self.digests(_BACKUP, backup_id), False, set()
        for line in _lines(self._path):
            behind = behind or line.digest in begun
            if behind or line.at >= snapshot - _MARGIN:
                found.add(line.digest)
        return frozenset(found)

    def names(self, table: str, key: str | bytes) -> bool:
        """Whether a row was ever erased, or has ended, under this key."""
        digests = self.digests(table, key)
        return any(line.digest in digests for line in _lines(self._path))


class _Line(NamedTuple):
    at: datetime
    digest: str


def _lines(path: Path) -> Iterator[_Line]:
    """The whole lines of a journal; none where there is no journal yet."""
    try:
        with path.open() as lines:
            for line in lines:
                if (found := _LINE.fullmatch(line.rstrip("\n"))) is not None:
                    yield _Line(datetime.fromtimestamp(int(found[1]), UTC), found[2])
    except FileNotFoundError:
        return
