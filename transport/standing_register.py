"""The register in force at one running role: it takes a newer one from its file, and stays on what it has when that is not acceptable.

Only a register under the configured root, and with a higher sequence number than the one in force, is taken (IS-8, SC-2): whoever writes the file
can neither enrol anybody nor bring back what was taken out. A register under that root which names another, and is under that as well, is the last
that the earlier root is good for (docs/adr/0074).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge

from storage import durable_file
from transport.register import Register, RegisterBrokenError, build, signed_body
from transport.register_root import check_successor, follow, root_now

SEQUENCE: Final = Gauge("sekisho_register_sequence", "Sequence number of the register that is in force at this role")
REFUSED: Final = Counter("sekisho_registers_refused", "Changed registers that were not taken", ["reason"])


class RegisterRefusal(StrEnum):
    """Why a changed register is not taken."""

    MISSING = "register_missing"
    SIGNATURE = "register_signature"
    MALFORMED = "register_malformed"
    OLDER = "register_older"
    FORKED = "register_sequence_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A register that was looked at: hex SHA-256 of its file (None: there was none), its sequence number if it is ours, and why it was not taken."""

    digest: str | None
    sequence: int | None
    refusal: RegisterRefusal | None

    @property
    def facts(self) -> dict[str, str | int]:
        """What an entry of the evidence log says of it."""
        said = {"register": self.digest, "sequence": self.sequence}
        return {name: value for name, value in said.items() if value is not None}


class StandingRegister:
    """Called, it is the register in force. Raises RegisterBrokenError, OSError when there is none to begin with."""

    def __init__(self, path: Path, root: bytes) -> None:
        self._path = path
        self._root = root_now(path, root)
        self._seen = durable_file.stamp(path)
        data = path.read_bytes()
        self._current = Register.read(data, self._root)
        self._follow(check_successor(self._current, data, self._root))
        self._data = data
        self._digest = hashlib.sha256(data).hexdigest()
        self._told: str | None = self._digest
        SEQUENCE.set(self._current.sequence)

    def __call__(self) -> Register:
        return self._current

    @property
    def signed(self) -> bytes:
        """The register in force as its owner signed it, for whoever is handed it (IF_SCM_90025)."""
        return self._data

    def offered(self, data: bytes) -> Looked:
        """Take a register that came from elsewhere, and keep it at its place, if it is acceptable; the file stays when it is not. Raises OSError."""
        digest = hashlib.sha256(data).hexdigest()
        if digest == self._digest:
            return self.looked()
        looked = self._judged(data, digest)
        if looked.refusal is None:
            durable_file.write(self._path, data)
            self._seen = durable_file.stamp(self._path)
        else:
            REFUSED.labels(looked.refusal.value).inc()
        return looked

    def looked(self) -> Looked:
        """The register in force, as what was looked at and taken."""
        return Looked(digest=self._digest, sequence=self._current.sequence, refusal=None)

    def look(self) -> Looked | None:
        """Take the file if it is acceptable; None when it says nothing new. One that is refused is told of once."""
        seen = durable_file.stamp(self._path)
        if seen == self._seen:
            return None
        try:
            data = self._path.read_bytes()
        except OSError:
            data = None
        self._seen = seen
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        if digest in {self._digest, self._told}:
            return None
        self._told = digest
        looked = self._judged(data, digest)
        if looked.refusal is not None:
            REFUSED.labels(looked.refusal.value).inc()
        return looked

    def _judged(self, data: bytes | None, digest: str | None) -> Looked:
        if data is None:
            return Looked(digest=None, sequence=None, refusal=RegisterRefusal.MISSING)
        try:
            body = signed_body(data, self._root)
        except RegisterBrokenError:
            return Looked(digest=digest, sequence=None, refusal=RegisterRefusal.SIGNATURE)
        try:
            found = build(body)
        except RegisterBrokenError:
            return Looked(digest=digest, sequence=None, refusal=RegisterRefusal.MALFORMED)
        try:
            successor = check_successor(found, data, self._root)
        except RegisterBrokenError:
            return Looked(digest=digest, sequence=None, refusal=RegisterRefusal.SIGNATURE)
        if found.sequence <= self._current.sequence:
            older = found.sequence < self._current.sequence
            refusal = RegisterRefusal.OLDER if older else RegisterRefusal.FORKED
            return Looked(digest=digest, sequence=found.sequence, refusal=refusal)
        self._follow(successor)
        self._current, self._data, self._digest = found, data, digest or ""
        SEQUENCE.set(found.sequence)
        return self.looked()

    def _follow(self, successor: bytes) -> None:
        """Trust this root alone from now on, after the next start too. Raises OSError: then nothing was taken, and the next look tries again."""
        if successor == self._root:
            return
        try:
            follow(self._path, self._root, successor)
        except OSError:
            self._seen = self._told = None
            raise
        self._root = successor
