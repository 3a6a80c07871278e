"""What one running role is given: its own folder with configuration, keys and certificates, and nothing of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from keys.masked import Secret
from storage.key_store import KeyStore
from transport.clock import Clock
from transport.register import Register
from transport.tls import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One agency that this role hosts: its tenant (schema), its client identity towards others, its key file."""

    id: str
    tenant: str
    identity: Identity
    keys: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleConfig:
    """`role.json` of one role. `peers`: name → base URL (`core`, `interface`, `resident_network`, `intermediate/<agency>`, `linkage/<agency>`)."""

    role: str
    folder: Path
    dsn: str
    host: str
    port: int
    metrics_port: int
    server: Identity
    hosted: Mapping[str, Hosted]
    peers: Mapping[str, str]
    register_path: Path
    register_root: bytes
    passphrase: Secret
    spool: Path
    options: Mapping[str, Any]
    fault: str | None

    @property
    def register(self) -> Register:
        """The register, read and checked anew."""
        return Register.read(self.register_path.read_bytes(), self.register_root)

    @property
    def clock(self) -> Clock:
        return Clock(timedelta(seconds=float(self.options.get("clock_offset_s", 0))))

    def open_keys(self, agency: str) -> KeyStore:
        """Open the key file of a hosted agency (about 0.1 s: argon2id)."""
        return KeyStore.open(self.hosted[agency].keys, self.passphrase)


def _identity(folder: Path, item: Mapping[str, str]) -> Identity:
    return Identity(certificate=folder / item["certificate"], key=folder / item["key"], ca=folder / item["ca"])


def load(folder: Path, *, fault: str | None = None) -> RoleConfig:
    """Read `role.json` in a role's folder; paths in it are relative to the folder.

    Raises ValueError when the file is not what set-up writes.
    """
    try:
        stored = json.loads((folder / "role.json").read_text(encoding="utf-8"))
        return RoleConfig(
            role=stored["role"],
            folder=folder,
            dsn=stored["dsn"],
            host=stored["host"],
            port=stored["port"],
            metrics_port=stored["metrics_port"],
            server=_identity(folder, stored["server"]),
            hosted={
                item["id"]: Hosted(
                    id=item["id"],
                    tenant=item["tenant"],
                    identity=_identity(folder, item["identity"]),
                    keys=folder / item["keys"],
                )
                for item in stored["hosted"]
            },
            peers=stored["peers"],
            register_path=folder / stored["register"],
            register_root=bytes.fromhex(stored["register_root"]),
            passphrase=Secret((folder / stored["passphrase_file"]).read_bytes().strip()),
            spool=folder / stored["spool"],
            options=stored["options"],
            fault=fault,
        )
    except (KeyError, TypeError, OSError, json.JSONDecodeError):
        raise ValueError(
            "role.json is missing or not what `sekisho up` writes; set the data folder up anew or restore it"
        ) from None
