"""A key ring on disk: wrapped under a key that argon2id derives from a passphrase, replaced atomically, outside PostgreSQL and its backups.

Whoever restores a database brings back sealed rows, not keys that were destroyed (SC-16, DESIGN §5).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from keys.masked import Secret
from keys.ring import CHEAPEST, NORMAL, Keyring, derive_kek, unwrap, wrap


class KeyStoreError(Exception):
    """The key file cannot be read or opened; the message says what to do."""


class KeyStore:
    """One ring in one file. A changed ring is durable before `save` returns, so nothing is sealed under a key that a crash forgets."""

    def __init__(self, path: Path, kek: Secret, salt: bytes, profile: str, ring: Keyring) -> None:
        self._path = path
        self._kek = kek
        self._salt = salt
        self._profile = profile
        self.ring = ring

    @classmethod
    def create(cls, path: Path, passphrase: Secret, *, profile: str = "normal") -> KeyStore:
        """Make a new, empty ring. Raises KeyStoreError when there is one already."""
        if path.exists():
            raise KeyStoreError("a key file is there already; it is never overwritten")
        salt = secrets.token_bytes(16)
        store = cls(
            path,
            derive_kek(passphrase, salt, NORMAL if profile == "normal" else CHEAPEST),
            salt,
            profile,
            Keyring.new(),
        )
        store.save()
        return store

    @classmethod
    def open(cls, path: Path, passphrase: Secret) -> KeyStore:
        try:
            stored = json.loads(path.read_text())
            salt = base64.b64decode(stored["salt"])
            wrapped = base64.b64decode(stored["wrapped"])
            profile = stored["profile"]
        except (OSError, ValueError, KeyError):
            raise KeyStoreError("the key file is missing or damaged; restore it from the key backup") from None
        kek = derive_kek(passphrase, salt, NORMAL if profile == "normal" else CHEAPEST)
        try:
            ring = unwrap(wrapped, kek)
        except Exception:  # noqa: BLE001 (whatever fails here, the answer is the same and quotes nothing)
            raise KeyStoreError("the passphrase does not open the key file") from None
        return cls(path, kek, salt, profile, ring)

    def save(self) -> None:
        """Write the ring durably: new file, fsync, rename, fsync of the folder."""
        body = json.dumps(
            {
                "salt": base64.b64encode(self._salt).decode(),
                "profile": self._profile,
                "wrapped": base64.b64encode(wrap(self.ring, self._kek)).decode(),
            }
        )
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def ensure(self, purpose: str) -> Keyring:
        """Make sure that a purpose (for example a period `result/2026-11-24T05`) has a key that a crash cannot lose; return the ring."""
        if not self.ring.has(purpose):
            self.ring.create(purpose)
            self.save()
        return self.ring

    def destroy(self, purpose: str) -> None:
        """Destroy every version of a purpose and make that durable: what was sealed under it cannot be read again."""
        if self.ring.has(purpose):
            self.ring.destroy(purpose)
            self.ring.forget(purpose)  # a ring must not grow by a name an hour
            self.save()
