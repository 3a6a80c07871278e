"""The key file of each hosted agency: made once, filled with the purposes that its program needs from the start.

Beside it lies `<agency>.public.json` with the public keys, so that the register is written without opening any ring.
Purposes that are named by time or by agency are made by the servers themselves.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.api.clients import SECRET_PURPOSE
from gateway.api.tokens import TOKEN_PURPOSE
from gateway.data_folder import FolderBusyError, held, private_folder, write_private
from gateway.linkage_server import personal_keys
from gateway.topology import Program
from keys.masked import Secret
from keys.ring import Keyring
from storage.keepers import KeysClosedError
from storage.key_store import Derived, KeyStore

LOG: Final = "log"
SIGNING: Final = "signing"
PERMIT: Final = "permit"
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105 (a file's name)

PURPOSES: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.LINKAGE: (LOG, *personal_keys.PURPOSES, TOKEN_PURPOSE, SECRET_PURPOSE),
    Program.INTERMEDIATE: (LOG, SIGNING, "codes", "replicas", "staff", "erased"),
    Program.NETWORK: (LOG, PERMIT, "permit-code"),
    Program.RESIDENT_NETWORK: (),
    Program.SKY2: (LOG, "erased"),
    Program.PORTAL: (),
}
"""Purposes by program; a test holds them against what the servers name."""

PublicByPurpose = dict[str, tuple[bytes, ...]]

PUBLIC: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.LINKAGE: (LOG,),
    Program.INTERMEDIATE: (LOG, SIGNING),
    Program.NETWORK: (LOG, PERMIT),
    Program.RESIDENT_NETWORK: (),
    Program.SKY2: (LOG,),
    Program.PORTAL: (),
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


class Passphrases:
    """The passphrases of roles' key files, each derived at most once for all the files that are made now."""

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self._derived: dict[Path, Derived] = {}

    def derived(self, folder: Path) -> Derived:
        """For a new key file of the role in this folder."""
        if folder not in self._derived:
            self._derived[folder] = Derived.of(passphrase_of(folder), self.profile)
        return self._derived[folder]


def ensure_keys(folder: Path, agency: str, program: Program, passphrases: Passphrases) -> PublicByPurpose:
    """Make or complete the key file; return the public keys by purpose. Raises KeyStoreError, KeyFileBusyError."""
    path = key_path(folder, agency)
    known = _read_public(path)
    if known is not None and path.exists() and set(PURPOSES[program]) <= set(known["purposes"]):
        return _keys_in(known)
    if not path.exists():  # a new agency's: no running role has read it
        private_folder(path.parent)
        store = KeyStore.create(path, passphrases.derived(folder), purposes=PURPOSES[program])
        return write_public(path, store, program)
    passphrase = passphrase_of(folder)
    try:
        store = KeyStore.open(path, passphrase)
    except KeysClosedError:
        if known is None:
            raise
        return known_public(folder, agency)  # the role itself makes what its ring lacks, once that is open
    if set(PURPOSES[program]) <= set(store.ring.purposes()):
        return write_public(path, store, program)
    try:
        with held(folder):
            store = KeyStore.open(path, passphrase)
            store.ensure_all(PURPOSES[program])
    except FolderBusyError:
        raise KeyFileBusyError(
            "この役割は動作中です。止めてからやり直してください / stop the role first: it needs new keys"
        ) from None
    return write_public(path, store, program)


def write_public(path: Path, store: KeyStore, program: Program) -> PublicByPurpose:
    """Write the public keys beside a key file; done again at each step of a rotation."""
    public = {purpose: _public_of(store.ring, purpose) for purpose in PUBLIC[program]}
    stored = {
        "purposes": sorted(PURPOSES[program]),
        "keys": {purpose: [key.hex() for key in keys] for purpose, keys in public.items()},
    }
    write_private(_public_path(path), json.dumps(stored, indent=1).encode())
    return public


def _public_of(ring: Keyring, purpose: str) -> tuple[bytes, ...]:
    """Of the primary version, and of one that is prepared."""
    prepared = ring.prepared(purpose)
    primary = ring.signer(purpose).public_key
    return (primary,) if prepared is None else (primary, ring.signer(purpose, version=prepared).public_key)


def known_public(folder: Path, agency: str) -> PublicByPurpose:
    """Public keys by purpose of an agency whose keys were made here once; {} when they never were."""
    known = _read_public(key_path(folder, agency))
    return _keys_in(known) if known is not None else {}


def _keys_in(public: dict[str, Any]) -> PublicByPurpose:
    """Of the file's form now, or of the one before it: one key for each purpose."""
    listed = {purpose: [keys] if isinstance(keys, str) else keys for purpose, keys in public["keys"].items()}
    return {purpose: tuple(map(bytes.fromhex, keys)) for purpose, keys in listed.items()}


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.public.json")


def _read_public(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(_public_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
