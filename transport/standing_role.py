"""The agencies and peers of one running role: taken anew when its `role.json` is changed, so that an agency comes and goes without a stop (docs/adr/0080).

Everything else of the file counts from the role's next start. A file that cannot be read changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from storage import durable_file
from transport.role import ROLE_FILE, RoleConfig, hosted_in

TAKEN: Final = Gauge(
    "sekisho_role_file", "Which configuration file is in force at this role: the start of its SHA-256 as a number"
)
_DIGITS: Final = 12
"""Hex digits that a gauge holds exactly."""


def number_of(data: bytes) -> int:
    """How `TAKEN` names this file."""
    return int(hashlib.sha256(data).hexdigest()[:_DIGITS], 16)


class StandingRole:
    """Keeps `hosted` and `peers` of a configuration to its file; one that was not read from a file stays as it is."""

    def __init__(self, config: RoleConfig) -> None:
        self._config = config
        self._path: Path = config.folder / ROLE_FILE
        self._seen = durable_file.stamp(self._path)
        if self._seen is not None:
            TAKEN.set(number_of(self._path.read_bytes()))

    def look(self) -> bool:
        """Whether something new was taken. Raises ValueError once for a file that is none of ours, OSError."""
        seen = durable_file.stamp(self._path)
        if seen == self._seen:
            return False
        data = self._path.read_bytes()
        self._seen = seen
        try:
            stored = json.loads(data)
            hosted, peers = hosted_in(self._config.folder, stored), dict(stored["peers"])
        except (KeyError, TypeError):
            raise ValueError("role.json is not what set-up writes") from None
        changed = (hosted, peers) != (self._config.hosted, self._config.peers)
        self._config.hosted.clear()  # whoever holds the mappings sees the new ones; nothing else runs meanwhile
        self._config.hosted.update(hosted)
        self._config.peers.clear()
        self._config.peers.update(peers)
        TAKEN.set(number_of(data))
        return changed
