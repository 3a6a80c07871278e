"""High-water marks beside the keys, outside the database and its backups (SC-15): what a database that was set back must not count to again.

Each is raised on disk before the database goes so far, so a restored one goes on above it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from storage import durable_file
from storage.database import StorageUnavailableError

OPENINGS: Final = "log_openings"
"""How often the log was opened anew: a backup that is restored twice goes on under another origin each time."""


class Marks:
    """One agency's in one database. A mark only rises; whoever raises one holds a lock of the database's, or has it for himself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = {}

    @classmethod
    def beside(cls, keys: Path) -> Marks:
        """Those that belong to a key file."""
        return cls(keys.with_suffix(".marks"))

    def read(self) -> dict[str, int]:
        """As they are on disk; none where there is no file. Raises StorageUnavailableError for a file that is damaged."""
        try:
            stored = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise StorageUnavailableError("the marks beside the key file could not be read") from None
        if not isinstance(stored, dict) or not all(type(one) is int for one in stored.values()):
            raise StorageUnavailableError("the marks beside the key file could not be read")
        return stored

    def raise_to(self, name: str, value: int, *, ahead: int = 0) -> None:
        """The mark is `value` at least; when it has to be raised, by `ahead` more, so that it is seldom. Durable when it returns.

        Raises StorageUnavailableError: then nobody may go so far.
        """
        if self._known.get(name, -1) >= value:
            return
        stored = self.read()
        if stored.get(name, -1) < value:
            stored[name] = value + ahead
            try:
                durable_file.write(self._path, json.dumps(stored).encode())
            except OSError:
                raise StorageUnavailableError("a mark beside the key file could not be written") from None
        self._known = stored
