"""Rotating the root that the register is signed under, while everything runs; done again after a crash it goes on where it was (docs/adr/0074).

1. A new root is prepared in authority/; nothing uses it yet.
2. The rotation is in the core's evidence log.
3. The new root is the authority's; the old one signs beside it until its time is over.
4. A register under both names the new one: whoever takes it trusts the new one alone, and every running role has taken it.
5. Configurations of this folder say the new root, for roles that stand still.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.data_folder import DataFolder, write_private
from gateway.key_records import core_of, record
from gateway.key_rotation import ANNOUNCED, ENDED, PREPARED, PROMOTED, await_register, passed
from gateway.setting_up import register_roots
from gateway.setting_up.authority import Authority, open_authority
from gateway.setting_up.publishing import ROOT_LOCK, authority_held, in_force, publish
from gateway.setting_up.role_files import write_json
from gateway.setting_up.succession import Body
from gateway.topology import NETWORK
from transport.clock import Clock

PURPOSE: Final = "register-root"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRotation:
    """`overlap`: how long the old root signs too; `lead_s`: how long agencies elsewhere are given to read the register."""

    data: DataFolder
    overlap: timedelta
    lead_s: float

    def rotate(self) -> int:
        """The number of the new root, the first one being 1.

        Raises NotTakenError, RegisterBrokenError, StorageUnavailableError, KeyStoreError, OSError; done again, it is finished.
        """
        with authority_held(self.data, ROOT_LOCK):
            authority = self._authority()
            body = _there(in_force(self.data, authority))
            if self.data.register_root.read_text() == authority.root.public_key.hex():  # no run died behind step 3
                # 1
                with passed(PREPARED):
                    prepared = register_roots.prepare(self.data.authority)
                # 2
                self._record(_number(body) + 1, prepared.public_key)
                # 3
                with passed(PROMOTED):
                    register_roots.promote(self.data.authority, Clock()() + self.overlap)
                authority = self._authority()
            # 4
            with passed(ANNOUNCED):
                await_register(self.data, publish(self.data, authority, _there))
                time.sleep(self.lead_s)
            # 5
            with passed(ENDED):
                self._configure(authority)
            return _number(_there(in_force(self.data, authority)))

    def _authority(self) -> Authority:
        return open_authority(self.data.authority, Clock()())

    def _configure(self, authority: Authority) -> None:
        """The data folder's own copy comes last: it says that all others are written."""
        key = authority.root.public_key.hex()
        for pattern in ("roles/*/role.json", "clients/*/role.json", "clients/*/network.json"):
            for path in sorted(self.data.root.glob(pattern)):
                stored = json.loads(path.read_bytes())
                if stored.get("register_root", key) != key:
                    write_json(path, stored | {"register_root": key})
        write_private(self.data.register_root, key.encode())

    def _record(self, number: int, key: bytes) -> None:
        """In the core's log, where the core is one of this folder's roles."""
        core = core_of(self.data)
        if core is not None:
            record(core, NETWORK, core.open_keys(NETWORK).ring, "key.rotated", PURPOSE, number, public=key)


def _there(body: Body | None) -> Body:
    if body is None:
        raise FileNotFoundError("there is no register yet")
    return body


def _number(body: Body) -> int:
    """Which root the register is under, the first being 1."""
    return int(body["root"]["number"]) if body.get("root") else 1
