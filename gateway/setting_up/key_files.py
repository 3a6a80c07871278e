"""The key file of each hosted agency: made once, filled with the purposes that its program needs from the start.

Beside it lies `<agency>.public.json` with the public keys, so that the register is written without opening any ring.
Purposes that are named by time or by agency are made by the servers themselves.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.api.clients import SECRET_PURPOSE
from gateway.api.tokens import TOKEN_PURPOSE
from gateway.data_folder import FolderBusyError, held, private_folder, write_private
from gateway.linkage_server import personal_keys
from gateway.topology import Program
from keys.masked import Secret
from storage.key_store import KeyStore

LOG: Final = "log"
SIGNING: Final = "signing"
PERMIT: Final = "permit"
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105 (a file's name)

PURPOSES: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.LINKAGE: (LOG, *personal_keys.PURPOSES, TOKEN_PURPOSE, SECRET_PURPOSE),
    Program.INTERMEDIATE: (LOG, SIGNING, "codes", "replicas"),
    Program.NETWORK: (LOG, PERMIT, "permit-code"),
    Program.RESIDENT_NETWORK: (),
    Program.SKY2: (),
}
"""Purposes by program; a test holds them against what the servers name."""

PUBLIC: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.LINKAGE: (LOG,),
    Program.INTERMEDIATE: (LOG, SIGNING),
    Program.NETWORK: (LOG, PERMIT),
    Program.RESIDENT_NETWORK: (),
    Program.SKY2: (),
}


class KeyFileBusyError(Exception):
    """Keys would have to be added to the ring of a running role."""


def passphrase_of(folder: Path) -> Secret:
    """The passphrase of a role's key files, made if there is none."""
    path = folder / PASSPHRASE_FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return Secret(path.read_bytes().strip())


def key_path(folder: Path, agency: str) -> Path:
    return folder / "keys" / f"{agency}.json"


def ensure_keys(folder: Path, agency: str, program: Program, *, profile: str) -> dict[str, bytes]:
    """Make or complete the key file; return the public keys by purpose. Raises KeyStoreError, KeyFileBusyError."""
    path = key_path(folder, agency)
    known = _read_public(path)
    if known is not None and path.exists() and set(PURPOSES[program]) <= set(known["purposes"]):
        return {purpose: bytes.fromhex(key) for purpose, key in known["keys"].items()}
    passphrase = passphrase_of(folder)
    if path.exists():
        store = KeyStore.open(path, passphrase)
        if set(PURPOSES[program]) <= set(store.ring.purposes()):
            return write_public(path, store, program)
    try:
        with held(folder):
            store = _complete(path, passphrase, program, profile)
    except FolderBusyError:
        raise KeyFileBusyError(
            "この役割は動作中です。止めてからやり直してください / stop the role first: it needs new keys"
        ) from None
    return write_public(path, store, program)


def _complete(path: Path, passphrase: Secret, program: Program, profile: str) -> KeyStore:
    """Make or open the key file and add what is missing; the caller holds the role's folder."""
    private_folder(path.parent)
    store = KeyStore.open(path, passphrase) if path.exists() else KeyStore.create(path, passphrase, profile=profile)
    for purpose in PURPOSES[program]:
        if purpose not in store.ring.purposes():
            store.ring.create(purpose)
    store.save()
    return store


def write_public(path: Path, store: KeyStore, program: Program) -> dict[str, bytes]:
    """Write the public keys beside a key file; done again after a rotation."""
    public = {purpose: store.ring.signer(purpose).public_key for purpose in PUBLIC[program]}
    stored = {"purposes": sorted(PURPOSES[program]), "keys": {purpose: key.hex() for purpose, key in public.items()}}
    write_private(_public_path(path), json.dumps(stored, indent=1).encode())
    return public


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.public.json")


def _read_public(path: Path) -> dict[str, dict[str, str]] | None:
    try:
        found: dict[str, dict[str, str]] = json.loads(_public_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
