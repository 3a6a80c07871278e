"""The backup keys of an agency's administrators (SC-15): the public half lies with the servers, the private half under a passphrase with them.

No server has a private half, so neither a server nor whoever reads its disks can open a backup. A rotation makes another key for the backups to come
(docs/adr/0089); each private half is a file of its own, and is kept as long as backups that are sealed to it.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any, Final

from gateway import staff_cards
from gateway.data_folder import DataFolder, private_folder, write_private
from gateway.intermediate_server.staff.founding import PROFILES
from gateway.staff_cards import CardFileError
from keys import labels
from keys.binding import bind
from keys.box import Box
from keys.errors import SealBroken
from keys.masked import Secret
from keys.passphrase import SALT_SIZE, derive_kek
from keys.sealing import key_hash, new_one_time_key

_FORM: Final = 2
_FIRST_FORM: Final = 1
"""Of the time when there was one key: it does not say to which public half it belongs."""


def ensure(data: DataFolder, role_folder: Path, agency: str, *, profile: str) -> None:
    """Make the first key if the server has none. A synthetic agency's passphrase lies beside it; a real one's administrators make their own key."""
    public = public_file(role_folder, agency)
    if public.exists():
        return
    known = staff_cards.drawn()
    made = make(data, agency, 1, known.passphrase, profile=profile)
    staff_cards.write_secrets(data.backup_secrets(agency, 1), known)
    write_private(public, made)


def make(data: DataFolder, agency: str, number: int, passphrase: str, *, profile: str) -> bytes:
    """Another key, its private half sealed under the passphrase; its public half. Raises OSError."""
    pair, salt = new_one_time_key(), secrets.token_bytes(SALT_SIZE)
    recipient = key_hash(pair.public).hex()
    kek = derive_kek(Secret(passphrase.encode()), salt, PROFILES[profile])
    # reveal: to the administrators' file, sealed
    sealed = Box(kek).seal(pair.private.reveal(), bind(labels.BACKUP_KEY_FILE, agency, recipient))
    stored = {
        "v": _FORM,
        "agency": agency,
        "recipient": recipient,
        "public": base64.b64encode(pair.public).decode(),
        "profile": profile,
        "salt": base64.b64encode(salt).decode(),
        "sealed": base64.b64encode(sealed).decode(),
    }
    write_private(data.backup_key(agency, number), json.dumps(stored, indent=1).encode())
    return pair.public


def public_file(role_folder: Path, agency: str) -> Path:
    """Where a server has the public half that it seals backups to."""
    return private_folder(role_folder / "backup") / f"{agency}.public"


def hand_over(role_folder: Path, other: Path, agency: str) -> None:
    """The public half for another server of the agency, which seals its backups to the same key. A key that lies there stays: its people may have put it there."""
    public, target = public_file(role_folder, agency), public_file(other, agency)
    if public.exists() and not target.exists():
        write_private(target, public.read_bytes())


def newest(data: DataFolder, agency: str) -> tuple[int, bytes | None]:
    """The number of the newest key that lies here (0: none does) and its public half; None of one that does not say it. Raises CardFileError."""
    numbers = data.backup_keys(agency)
    if not numbers:
        return 0, None
    stored = _stored(data.backup_key(agency, numbers[-1]))
    return numbers[-1], base64.b64decode(stored["public"]) if "public" in stored else None


def is_known(data: DataFolder, agency: str, public: bytes) -> bool:
    """Whether the private half to this public one lies here, as far as the files say. Raises CardFileError."""
    forms = [_stored(data.backup_key(agency, number)) for number in data.backup_keys(agency)]
    return any(stored.get("recipient") in (None, key_hash(public).hex()) for stored in forms)


def number_of(data: DataFolder, agency: str, recipient: str) -> int:
    """Which key opens what is sealed to this public half (hex SHA-256). Raises CardFileError."""
    forms = {number: _stored(data.backup_key(agency, number)) for number in data.backup_keys(agency)}
    for number, stored in forms.items():
        if stored.get("recipient") == recipient:
            return number
    return next((number for number, stored in forms.items() if "recipient" not in stored), 1)


def open_private(data: DataFolder, agency: str, number: int, passphrase: str) -> Secret:
    """The private half. Raises CardFileError."""
    stored = _stored(data.backup_key(agency, number))
    try:
        bound = (agency,) if stored["v"] == _FIRST_FORM else (agency, str(stored["recipient"]))
        kek = derive_kek(Secret(passphrase.encode()), base64.b64decode(stored["salt"]), PROFILES[stored["profile"]])
        return Secret(Box(kek).open(base64.b64decode(stored["sealed"]), bind(labels.BACKUP_KEY_FILE, *bound)))
    except (ValueError, KeyError, TypeError, SealBroken):
        raise CardFileError("the key file is damaged, or the passphrase does not open it") from None


def _stored(path: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise CardFileError("the key file is not there, or is none") from None
    return stored
