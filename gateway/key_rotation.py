"""Rotating one key while everything runs, step by step; done again after a crash it goes on where it was (IS-8; docs/adr/0035).

1. A new version is prepared in the ring; nothing uses it yet.
2. Of a key that others verify: its public key is in the signed register, and every running role has taken that register.
3. The rotation is in the party's evidence log.
4. The new version is the primary one; the role that holds the ring takes it within a second.
5. Of a key that others verify: the old one has its end in the register.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.data_folder import DataFolder
from gateway.key_records import check_log, origin_of, record
from gateway.setting_up import succession
from gateway.setting_up.authority import open_authority
from gateway.setting_up.key_files import PUBLIC, write_public
from gateway.setting_up.publishing import publish
from gateway.setting_up.succession import Body
from gateway.topology import Program
from gateway.topology_hosts import LOOPBACK
from storage.fault_points import Step, declare
from storage.key_store import KeyStore
from transport import role as role_file
from transport.clock import Clock
from transport.register import signed_body
from transport.renewal import LOOK_S
from transport.role import ROLE_FILE, RoleConfig
from transport.standing_role import number_of

PREPARED: Final = declare("keys", "rotation.prepared")
ANNOUNCED: Final = declare("keys", "rotation.announced")
PROMOTED: Final = declare("keys", "rotation.promoted")
ENDED: Final = declare("keys", "rotation.ended")
_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.2
_SEQUENCE: Final = "sekisho_register_sequence "
_FILE: Final = "sekisho_role_file "
_TRUSTED: Final = "sekisho_trusted_authorities "


class NotTakenError(Exception):
    """Running roles have not taken the register in time: the old key goes on signing. `roles`: which."""

    def __init__(self, roles: list[str]) -> None:
        super().__init__("running roles have not taken the register")
        self.roles = roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """`overlap`: how long the old key is accepted yet; `lead_s`: how long agencies elsewhere are given to read the register before the new key signs."""

    data: DataFolder
    config: RoleConfig
    agency: str
    store: KeyStore
    overlap: timedelta
    lead_s: float

    @property
    def program(self) -> Program:
        return Program(self.config.options["program"])

    def rotate(self, purpose: str) -> int:
        """The number of the new version.

        Raises KeyMissing, KeyStoreError, NotTakenError, RegisterBrokenError, StorageUnavailableError, OSError; done again, it is finished.
        """
        verified = purpose in PUBLIC[self.program]
        if verified and self._not_ended(purpose):
            self._end(purpose)
            return self.store.ring.primary(purpose)
        check_log(self.config, self.agency)  # a log that cannot be written now leaves nothing in the middle
        # 1
        with passed(PREPARED), self.store.changing() as ring:
            version = ring.prepare(purpose)
        # 2
        if verified:
            with passed(ANNOUNCED):
                self._announce(purpose)
        # 3
        record(self.config, self.agency, self.store.ring, "key.rotated", purpose, version)
        # 4
        with passed(PROMOTED), self.store.changing() as ring:
            if ring.prepared(purpose) == version:
                ring.promote(purpose, version)
        # 5
        if verified:
            self._end(purpose)
        return version

    def _not_ended(self, purpose: str) -> bool:
        """Whether a run died behind step 4: the register names a key without an end that neither signs nor is about to."""
        self.store.look()
        named = succession.open_keys(self._in_force(), purpose, self._whose(purpose))
        return self.store.ring.prepared(purpose) is None and len(named) > 1

    def _in_force(self) -> Body:
        root = bytes.fromhex(self.data.register_root.read_text())
        return signed_body(self.data.register.read_bytes(), root)

    def _end(self, purpose: str) -> None:
        """Step 5, once the role that signs has taken the new key."""
        time.sleep(2 * LOOK_S if self.config.role in {one.role for one in running(self.data)} else 0)
        with passed(ENDED):
            self._publish(purpose)

    def _announce(self, purpose: str) -> None:
        """Step 2. Raises NotTakenError."""
        await_register(self.data, self._publish(purpose))
        time.sleep(self.lead_s)

    def _publish(self, purpose: str) -> int:
        """The keys that the ring signs with now, and is about to, into the register; a key that it does no longer gets its end."""
        public = write_public(self.config.hosted[self.agency].keys, self.store, self.program)[purpose]
        now = self.data.present()
        authority = open_authority(self.data.authority, Clock()())

        def change(before: Body | None) -> Body:
            wanted = [key.hex() for key in public]
            return succession.with_keys(before or {}, purpose, self._whose(purpose), wanted, now, self.overlap)

        return publish(self.data, authority, change)

    def _whose(self, purpose: str) -> str:
        """How the register names the party of this key."""
        match purpose:
            case "permit":
                return ""
            case "signing":
                return self.agency
            case _:
                return origin_of(self.program, self.agency)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A running role, the sequence number of the register that it has taken, and the numbers of its `role.json` and `ca.pem`; -1 when it does not say."""

    role: str
    sequence: int
    file: int
    trusted: int


def running(data: DataFolder) -> list[AtWork]:
    """The roles of this folder that answer on their metrics ports, or hang there."""
    found = []
    for path in sorted((data.root / "roles").glob("*/role.json")):
        config = role_file.load(path.parent)
        connection = http.client.HTTPConnection(LOOPBACK, config.metrics_port, timeout=2)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (TimeoutError, http.client.HTTPException):
            text = ""
        except OSError:
            continue
        finally:
            connection.close()
        sequence, file, trusted = (_told(text, name) for name in (_SEQUENCE, _FILE, _TRUSTED))
        found.append(AtWork(role=config.role, sequence=sequence, file=file, trusted=trusted))
    return found


def _told(metrics: str, name: str) -> int:
    found = [line for line in metrics.splitlines() if line.startswith(name)]
    return int(float(found[0].split()[1])) if found else -1


def await_register(data: DataFolder, sequence: int) -> None:
    """Until every running role has taken the register of this number. Raises NotTakenError after 30 s."""
    _await(data, lambda one: one.sequence >= sequence)


def await_files(data: DataFolder, sequence: int) -> None:
    """Until every running role has taken the register of this number and its own `role.json`. Raises NotTakenError after 30 s."""
    wanted = {path.parent.name: number_of(path.read_bytes()) for path in (data.root / "roles").glob(f"*/{ROLE_FILE}")}
    _await(data, lambda one: one.sequence >= sequence and one.file == wanted[one.role])


def await_trust(data: DataFolder, trusted: bytes) -> None:
    """Until every running role trusts the CAs of this `ca.pem`, and no others. Raises NotTakenError after 30 s."""
    _await(data, lambda one: one.trusted == number_of(trusted))


def _await(data: DataFolder, taken: Callable[[AtWork], bool]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while late := [one for one in running(data) if not taken(one)]:
        if time.monotonic() > until:
            raise NotTakenError([one.role for one in late])
        time.sleep(_POLL_S)


@contextmanager
def passed(step: Step) -> Iterator[None]:
    """A step of a rotation between its two fault points."""
    step.before.reached()
    yield
    step.after.reached()
