"""A key ring on disk: shut by its keeper, replaced atomically, outside PostgreSQL and its backups.

Whoever restores a database brings back sealed rows, not keys that were destroyed (SC-16, DESIGN §5).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from keys.masked import Secret
from keys.ring import Keyring
from storage import durable_file
from storage.keepers import ByTwo, Derived, InHsm, Keeper, KeysClosedError, KeyStoreError, Kind, Share, kind_of

__all__ = ["Derived", "KeyStore", "KeyStoreError"]

_DAMAGED: Final = "the key file is missing or damaged; restore it from the key backup"
_NOT_WRITTEN: Final = "the key file cannot be written; see to its disk"
_ANOTHER_KEEPER: Final = "the key file is kept otherwise now; start the role anew"


class KeyStore:
    """One ring in one file, which several processes may change: a role, and an operator's command while it runs (docs/adr/0035).

    A changed ring is durable before `changing` ends, so nothing is sealed under a key that a crash forgets.
    """

    def __init__(self, path: Path, keeper: Keeper, ring: Keyring) -> None:
        self._path = path
        self._keeper = keeper
        self._seen: durable_file.Stamp | None = None
        self.ring = ring

    @classmethod
    def create(
        cls, path: Path, passphrase: Secret | Derived, *, profile: str = "normal", purposes: Iterable[str] = ()
    ) -> KeyStore:
        """Make a new ring with a key for each purpose. Raises KeyStoreError when there is one already."""
        if path.exists():
            raise KeyStoreError("a key file is there already; it is never overwritten")
        derived = passphrase if isinstance(passphrase, Derived) else Derived.of(passphrase, profile)
        store = cls(path, derived, Keyring.new())
        for purpose in purposes:
            store.ring.create(purpose)
        store._save()
        return store

    @classmethod
    def open(cls, path: Path, passphrase: Secret) -> KeyStore:
        """`passphrase` is for files that are kept by one. Raises KeyStoreError."""
        seen = durable_file.stamp(path)
        stored = read(path)
        try:
            store = cls(path, *_opened(stored, passphrase))
        except (ValueError, KeyError, TypeError):
            raise KeyStoreError(_DAMAGED) from None
        store._seen = seen
        return store

    @classmethod
    def open_by_two(cls, path: Path, one: Share, other: Share) -> KeyStore:
        """Raises KeyStoreError; KeysClosedError when they do not open it together."""
        seen = durable_file.stamp(path)
        stored = read(path)
        try:
            store = cls(path, *ByTwo.open(stored, one, other))
        except (ValueError, KeyError, TypeError):
            raise KeyStoreError(_DAMAGED) from None
        store._seen = seen
        return store

    def keep(self, keeper: Keeper) -> None:
        """From now on another keeper's: the file is written anew. Raises KeyStoreError and leaves the file as it was."""
        with self._held():
            self.look()
            before, self._keeper = self._keeper, keeper
            try:
                self._save()
            except BaseException:
                self._keeper = before
                raise

    @contextmanager
    def changing(self) -> Iterator[Keyring]:
        """Change the ring: what the file says now is read first, and the change is durable when the block ends; nothing of it when it fails.

        Raises KeyStoreError, OSError.
        """
        with self._held():
            self.look()
            before = self.ring.copied()
            try:
                yield self.ring
                self._save()
            except BaseException:
                self.ring.become(before)
                raise

    def look(self, told: Callable[[Keyring, Keyring], None] | None = None) -> bool:
        """Take what another process has written, in place. False when nothing was. Raises KeyStoreError: then the ring stays as it is.

        `told`: is told of the ring as it was and as it will be.
        """
        seen = durable_file.stamp(self._path)
        if seen == self._seen:
            return False
        try:
            ring = self._keeper.open_again(read(self._path))
        except (ValueError, KeyError, TypeError):
            raise KeyStoreError(_ANOTHER_KEEPER) from None
        if told is not None:
            told(self.ring, ring)
        self.ring.become(ring)
        self._seen = seen
        return True

    @contextmanager
    def _held(self) -> Iterator[None]:
        with os.fdopen(os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, durable_file.PRIVATE)) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _save(self) -> None:
        """Write the ring durably: new file, fsync, rename, fsync of the folder."""
        durable_file.write(self._path, json.dumps(self._keeper.shut(self.ring)).encode())
        self._seen = durable_file.stamp(self._path)

    def ensure(self, purpose: str) -> Keyring:
        """Make sure that a purpose (for example a period `result/2026-11-24T05`) has a key that a crash cannot lose; return the ring."""
        return self.ensure_all([purpose])

    def ensure_all(self, purposes: Iterable[str]) -> Keyring:
        """The same for many purposes, made durable together; none is there when that fails. Raises KeyStoreError, for a full disk too."""
        wanted = list(purposes)
        if not all(map(self.ring.has, wanted)):
            try:
                with self.changing() as ring:
                    for purpose in wanted:
                        if not ring.has(purpose):
                            ring.create(purpose)
            except OSError:
                raise KeyStoreError(_NOT_WRITTEN) from None
        return self.ring

    def file_digest(self) -> str:
        """Hex SHA-256 of the key file as it stands: what a certificate of erasure names. Raises OSError."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def destroy(self, purpose: str) -> None:
        """Destroy every version of a purpose and make that durable: what was sealed under it cannot be read again.

        Raises KeyStoreError, OSError: then nothing is destroyed, and it is to be done again.
        """
        if self.ring.has(purpose):
            with self.changing() as ring:
                if ring.has(purpose):
                    ring.destroy(purpose)
                    ring.forget(purpose)  # a ring must not grow by a name an hour


def _opened(stored: dict[str, Any], passphrase: Secret) -> tuple[Keeper, Keyring]:
    match kind_of(stored):
        case Kind.PASSPHRASE:
            return Derived.open(stored, passphrase)
        case Kind.HSM:
            return InHsm.open(stored)
        case Kind.TWO_PEOPLE:
            raise KeysClosedError("two people of the agency open this ring: sekisho keys unlock")


def read(path: Path) -> dict[str, Any]:
    """What a key file says in clear, and its wrapped ring. Raises KeyStoreError."""
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise KeyStoreError(_DAMAGED) from None
    if not isinstance(stored, dict):
        raise KeyStoreError(_DAMAGED)
    return stored
