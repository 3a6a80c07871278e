"""Which keys may have signed a checkpoint of one log: those of the signed register at its time, or those that the export declares (docs/adr/0066).

Declared are the key that signs now and those of before. Whoever trusts one of them follows to the later ones: each must be announced by a record
`key.rotated` that stands under a checkpoint of a key believed by then. Of a key that was stolen or ended the register alone knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final, Protocol

import msgspec

from evidence.checkpoint import Checkpoint, CheckpointBroken, read
from evidence.trusted import keys_at
from keys.windows import PublicKeys

PURPOSE: Final = "log"


class _Facts(msgspec.Struct):
    purpose: str
    key: str


class _Rotated(msgspec.Struct):
    facts: _Facts


_rotated = msgspec.json.Decoder(_Rotated)


class LogKeys(Protocol):
    """The keys of one log while its export is read."""

    def announced(self, body: bytes) -> None:
        """A record `key.rotated` of this log stands here."""

    def unseen(self) -> None:
        """A body is gone by law, and what it announced with it."""

    rotations: int
    """How many times one key was followed to the next."""

    def reaches(self, key: bytes) -> bool:
        """Whether this key, which the export says signs now, is one that counts."""

    def read(self, note: str, origin: str, at: str) -> Checkpoint:
        """As `checkpoint.read`, with the keys that count here. `at`: time of the newest entry. Raises CheckpointBroken."""


class RegisteredKeys:
    """Of the signed register, or handed over for all time: by the time of the entries alone."""

    def __init__(self, keys: PublicKeys, slack: timedelta) -> None:
        self._keys, self._slack = keys, slack
        self.rotations = 0

    def reaches(self, key: bytes) -> bool:
        return key in self._keys.all()

    def announced(self, body: bytes) -> None:
        """The register says it."""

    def unseen(self) -> None:
        """The register says it."""

    def read(self, note: str, origin: str, at: str) -> Checkpoint:
        """Raises CheckpointBroken."""
        return read(note, origin, *keys_at(self._keys, at, self._slack))


class DeclaredKeys:
    """`keys`: as declared, oldest first. `trusted`: the one that was handed over apart from the export; None: the first that signs is taken at its word.

    A key older than the one that is trusted may sign what came before: a later root covers it.
    """

    def __init__(self, keys: Sequence[bytes], trusted: bytes | None = None) -> None:
        self._keys = tuple(keys)
        self._at: int | None = None if trusted is None else self._keys.index(trusted)
        self._told: set[str] = set()
        self._waiting: set[str] = set()
        self.rotations = 0

    def reaches(self, key: bytes) -> bool:
        """One that nothing was signed with is neither believed nor doubted."""
        return self._at is None or key in self._keys[: self._at + 1]

    def announced(self, body: bytes) -> None:
        """It counts from the next good checkpoint on."""
        try:
            facts = _rotated.decode(body).facts
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if facts.purpose == PURPOSE:
            self._waiting.add(facts.key)

    def unseen(self) -> None:
        """Every declared key counts then, unless one is trusted."""
        if self._at is None:
            self._told |= set(map(_digest, self._keys))

    def read(self, note: str, origin: str, at: str) -> Checkpoint:
        """Declared keys have no times. Raises CheckpointBroken."""
        del at
        if self._at is None:
            place, found = self._first(note, origin)
        else:
            place, found = self._at, read(note, origin, *self._keys[: self._at + 1])
        self._told |= self._waiting
        self._waiting.clear()
        while place + 1 < len(self._keys) and _digest(self._keys[place + 1]) in self._told:
            place += 1
            self.rotations += 1
        self._at = place
        return found

    def _first(self, note: str, origin: str) -> tuple[int, Checkpoint]:
        """Where the log begins: at the oldest key that has signed the first checkpoint. Raises CheckpointBroken."""
        broken = CheckpointBroken("no signature of this log's key")
        for place, key in enumerate(self._keys):
            try:
                return place, read(note, origin, key)
            except CheckpointBroken as one:
                broken = one
        raise broken


def _digest(key: bytes) -> str:
    return sha256(key).hexdigest()
