"""Where things lie in a data folder, how secrets are written there, and who holds it.

authority/ holds what no role is given: the development CA's key, the register's root, the database administrator's password.
roles/<role>/ is all that a role has; clients/ is for people and business systems; spool/<role>/ for files.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage import durable_file
from transport.clock import Clock, SharedOffset
from transport.tls import Identity

CLOCK_FILE: Final = "clock"
LINES_FOLDER: Final = "lines"
ISSUED: Final = "issued"
SKEW_FILE: Final = "clock-skew"
"""In the folder of a role of a simulation: by how much its clock alone is wrong at this moment."""
ADDRESSES: Final = "addresses"
STAFF_FOLDER: Final = "staff-"
"""What lies in clients/ beside the files of business systems and the folders of agencies elsewhere, which are named by their ids."""
FIRST_STAFF: Final = "staff-1"
STAFF: Final = (FIRST_STAFF, "staff-2")
"""Terminals of every agency's staff: a name, a certificate and a line in the register each; and the people who usually sit at them."""


_BACKUP_KEY: Final = re.compile(r"backup-key(-(?P<number>[0-9]+))?\.json")


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
    def register_root(self) -> Path:
        """The public key (hex) that the register is signed under."""
        return self.authority / "register-root.public"

    @property
    def lists(self) -> Path:
        """Every signed version of the permission list so far."""
        return self.root / "permission-lists.json"

    @property
    def lines(self) -> Path:
        """Of the proxies between roles, where there are any (`adapters.jlis_mock.lines`)."""
        return self.root / LINES_FOLDER

    @property
    def clock(self) -> Path:
        """What moves the present of all roles together (`transport.clock.SharedOffset`)."""
        return self.root / CLOCK_FILE

    @property
    def present(self) -> Clock:
        """The clock of all roles of this folder, to be read and moved; the machine's own before set-up."""
        return Clock(shared=SharedOffset(self.clock)) if self.clock.exists() else Clock()

    @property
    def addresses(self) -> Path:
        """Where each server listens, for people and business systems."""
        return self.clients / f"{ADDRESSES}.json"

    @property
    def marker(self) -> Path:
        """There when set-up has gone through once."""
        return self.root / "set-up.json"

    @property
    def own_topology(self) -> Path:
        """There when set-up was given another topology than the shipped one."""
        return self.root / "topology.yaml"

    @property
    def agencies(self) -> Path:
        """A file for each agency that was added to the topology, or has left."""
        return self.root / "agencies"

    def issued(self, agency: str) -> Path:
        """Certificates issued on requests of an agency elsewhere: `<use>-<first 16 hex digits of its SHA-256>.pem`."""
        return self.clients / agency / ISSUED

    @property
    def orders(self) -> Path:
        """Orders that two of an agency's staff have had signed for another server of theirs; good for minutes."""
        return self.root / "orders"

    def role(self, name: str) -> Path:
        return self.root / "roles" / name

    def spool(self, role: str) -> Path:
        return self.root / "spool" / role

    def client(self, client_id: str) -> Path:
        return self.clients / f"{client_id}.json"

    def staff(self, agency: str) -> Path:
        return self.clients / f"{STAFF_FOLDER}{agency}"

    def staff_card(self, agency: str, staff_id: str) -> Path:
        """The key file that stands for a member's card."""
        return self.staff(agency) / f"{staff_id}.card.json"

    def staff_secrets(self, agency: str, staff_id: str) -> Path:
        """Password and card passphrase of somebody synthetic; a real person has neither in a file."""
        return self.staff(agency) / f"{staff_id}.secrets.json"

    def staff_session(self, agency: str, staff_id: str) -> Path:
        """The session that `sekisho staff login` has opened on this machine."""
        return self.staff(agency) / f"{staff_id}.session"

    def backup_key(self, agency: str, number: int) -> Path:
        """The private half of an agency's backup key (the first one's number is 1), sealed under its administrators' passphrase."""
        return self.staff(agency) / f"backup-key{_numbered(number)}.json"

    def backup_secrets(self, agency: str, number: int) -> Path:
        """That passphrase, of a synthetic agency; a real one has it in no file."""
        return self.staff(agency) / f"backup-key{_numbered(number)}.secrets.json"

    def backup_keys(self, agency: str) -> list[int]:
        """The numbers of the backup keys whose private halves lie here, rising."""
        found = (_BACKUP_KEY.fullmatch(path.name) for path in self.staff(agency).glob("backup-key*.json"))
        return sorted(int(one["number"] or 1) for one in found if one)

    def staff_identity(self, agency: str, name: str = FIRST_STAFF) -> Identity:
        """The certificate of a terminal (at `network` and `resident-network` it stands for a person); the files may not be there."""
        folder = self.staff(agency)
        return Identity(certificate=folder / f"{name}.pem", key=folder / f"{name}.key.pem", ca=folder / "ca.pem")


def _numbered(number: int) -> str:
    return "" if number == 1 else f"-{number}"


def private_folder(path: Path) -> Path:
    """Make a folder that nobody else on the machine may enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that it is there whole or not at all, also after a power cut; leaves equal bytes alone."""
    if path.exists() and path.read_bytes() == content:
        return
    durable_file.write(path, content)


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
