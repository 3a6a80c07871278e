"""What one running role is given: its own folder with configuration, keys and certificates, and nothing of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from keys.masked import Secret
from storage.key_store import KeyStore
from transport.clock import Clock, SharedOffset
from transport.register import Register
from transport.register_root import root_now
from transport.tls import Identity

ROLE_FILE: Final = "role.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One agency that this role hosts: its tenant (schema), its client identity towards others, its key file."""

    id: str
    tenant: str
    identity: Identity
    keys: Path


class ClockMovedError(ValueError):
    """A role's configuration moves its clock, and the register does not say that all this is a simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleConfig:
    """`role.json` of one role. `peers`: name → base URL (`core`, `interface`, `resident_network`, `intermediate/<agency>`, `linkage/<agency>`).

    `hosted` and `peers` are those of now while the role runs (`transport.standing_role`); all else counts from its next start.
    """

    role: str
    folder: Path
    dsn: str
    host: str
    port: int
    metrics_port: int
    server: Identity
    hosted: dict[str, Hosted]
    peers: dict[str, str]
    register_path: Path
    register_root: bytes
    passphrase: Secret
    spool: Path
    options: Mapping[str, Any]
    fault: str | None
    clock: Clock = field(default_factory=Clock)

    @property
    def register(self) -> Register:
        """The register, read and checked anew."""
        return Register.read(self.register_path.read_bytes(), self.register_root)

    def open_keys(self, agency: str) -> KeyStore:
        """Open the key file of a hosted agency (about 0.1 s: argon2id)."""
        return KeyStore.open(self.hosted[agency].keys, self.passphrase)


def _identity(folder: Path, item: Mapping[str, str]) -> Identity:
    return Identity(certificate=folder / item["certificate"], key=folder / item["key"], ca=folder / item["ca"])


def _root(folder: Path, stored: Mapping[str, Any]) -> bytes:
    return root_now(folder / stored["register"], bytes.fromhex(stored["register_root"]))


def _clock(folder: Path, stored: Mapping[str, Any]) -> Clock:
    """The role's clock: `clock` names the file that moves all roles of a simulation, option `clock_offset_s` is how far this one is off,
    and `skew` names the file that makes it wrong while it runs.

    Whoever can write a role's configuration must not be able to bend its deadlines and records: only the signed register says
    that this is a simulation. Raises ClockMovedError, RegisterBrokenError, OSError.
    """
    offset = timedelta(seconds=float(stored["options"].get("clock_offset_s", 0)))
    shared = folder / stored["clock"] if "clock" in stored else None
    if shared is not None and not shared.exists():
        shared = None  # a folder that was carried to another machine has that machine's time
    if not offset and shared is None:
        return Clock()
    register = Register.read((folder / stored["register"]).read_bytes(), _root(folder, stored))
    if not register.simulation:
        raise ClockMovedError(
            "only a role of a simulation may have its clock moved: take `clock` and `clock_offset_s` out of role.json"
        )
    skew = folder / stored["skew"] if "skew" in stored else None
    wrong = SharedOffset(skew) if skew is not None and skew.exists() else None
    return Clock(offset, None if shared is None else SharedOffset(shared), wrong)


def hosted_in(folder: Path, stored: Mapping[str, Any]) -> dict[str, Hosted]:
    """The agencies that a role's file names, in its order. Raises KeyError, TypeError."""
    return {
        item["id"]: Hosted(
            id=item["id"],
            tenant=item["tenant"],
            identity=_identity(folder, item["identity"]),
            keys=folder / item["keys"],
        )
        for item in stored["hosted"]
    }


def load(folder: Path, *, fault: str | None = None) -> RoleConfig:
    """Read `role.json` in a role's folder; paths in it are relative to the folder.

    Raises ValueError when the file is not what set-up writes, ClockMovedError (one of them) and RegisterBrokenError.
    """
    try:
        stored = json.loads((folder / ROLE_FILE).read_text(encoding="utf-8"))
        return RoleConfig(
            role=stored["role"],
            folder=folder,
            dsn=stored["dsn"],
            host=stored["host"],
            port=stored["port"],
            metrics_port=stored["metrics_port"],
            server=_identity(folder, stored["server"]),
            hosted=hosted_in(folder, stored),
            peers=stored["peers"],
            register_path=folder / stored["register"],
            register_root=_root(folder, stored),
            passphrase=Secret((folder / stored["passphrase_file"]).read_bytes().strip()),
            spool=folder / stored["spool"],
            options=stored["options"],
            fault=fault,
            clock=_clock(folder, stored),
        )
    except (KeyError, TypeError, OSError, json.JSONDecodeError):
        raise ValueError(
            "role.json is missing or not what `sekisho up` writes; set the data folder up anew or restore it"
        ) from None
