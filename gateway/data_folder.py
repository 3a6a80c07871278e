"""Where things lie in a data folder, how secrets are written there, and who holds it.

authority/ holds what no role is given: the development CA's key, the register's root, the database administrator's password.
roles/<role>/ is all that a role has; clients/ is for people and business systems; spool/<role>/ for files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transport.tls import Identity

FIRST_STAFF: Final = "staff-1"
STAFF: Final = (FIRST_STAFF, "staff-2")
"""Members of every agency's staff: a name, a certificate and a line in the register each."""


class FolderBusyError(Exception):
    """Another process holds the folder."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    root: Path

    @property
    def authority(self) -> Path:
        return self.root / "authority"

    @property
    def clients(self) -> Path:
        return self.root / "clients"

    @property
    def register(self) -> Path:
        return self.root / "register.json"

    @property
    def addresses(self) -> Path:
        """Where each server listens, for people and business systems."""
        return self.clients / "addresses.json"

    @property
    def marker(self) -> Path:
        """There when set-up has gone through once."""
        return self.root / "set-up.json"

    @property
    def own_topology(self) -> Path:
        """There when set-up was given another topology than the shipped one."""
        return self.root / "topology.yaml"

    def role(self, name: str) -> Path:
        return self.root / "roles" / name

    def spool(self, role: str) -> Path:
        return self.root / "spool" / role

    def client(self, client_id: str) -> Path:
        return self.clients / f"{client_id}.json"

    def staff(self, agency: str) -> Path:
        return self.clients / f"staff-{agency}"

    def staff_identity(self, agency: str, name: str = FIRST_STAFF) -> Identity:
        """The certificate of one member of an agency's staff (`network` and `resident-network` too); the files may not be there."""
        folder = self.staff(agency)
        return Identity(certificate=folder / f"{name}.pem", key=folder / f"{name}.key.pem", ca=folder / "ca.pem")


def private_folder(path: Path) -> Path:
    """Make a folder that nobody else on the machine may enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that it is there whole or not at all, also after a power cut; leaves equal bytes alone."""
    if path.exists() and path.read_bytes() == content:
        return
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder against every other process; the kernel gives it free when we die. Raises FolderBusyError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL's own user must reach its cluster; everything else inside is closed
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusyError("another process holds this folder") from None
        yield
    finally:
        os.close(descriptor)
