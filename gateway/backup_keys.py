"""The backup key of an agency's administrators (SC-15): the public half lies with the server, the private half under a passphrase with them.

No server has the private half, so neither a server nor whoever reads its disks can open a backup.
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
from keys.sealing import new_one_time_key

_FORM: Final = 1


def ensure(data: DataFolder, role_folder: Path, agency: str, *, profile: str) -> None:
    """Make the key if the server has none. A synthetic agency's passphrase lies beside it; a real one's administrators make their own key."""
    public = private_folder(role_folder / "backup") / f"{agency}.public"
    if public.exists():
        return
    pair, known, salt = new_one_time_key(), staff_cards.drawn(), secrets.token_bytes(SALT_SIZE)
    kek = derive_kek(Secret(known.passphrase.encode()), salt, PROFILES[profile])
    # reveal: to the administrators' file, sealed
    sealed = Box(kek).seal(pair.private.reveal(), bind(labels.BACKUP_KEY_FILE, agency))
    stored = {
        "v": _FORM,
        "agency": agency,
        "profile": profile,
        "salt": base64.b64encode(salt).decode(),
        "sealed": base64.b64encode(sealed).decode(),
    }
    write_private(data.backup_key(agency), json.dumps(stored, indent=1).encode())
    staff_cards.write_secrets(data.backup_secrets(agency), known)
    write_private(public, pair.public)


def hand_over(role_folder: Path, other: Path, agency: str) -> None:
    """The public half for another server of the agency, which seals its backups to the same key. A key that lies there stays: its people may have put it there."""
    public = role_folder / "backup" / f"{agency}.public"
    target = private_folder(other / "backup") / public.name
    if public.exists() and not target.exists():
        write_private(target, public.read_bytes())


def open_private(path: Path, agency: str, passphrase: str) -> Secret:
    """The private half. Raises CardFileError."""
    try:
        stored: dict[str, Any] = json.loads(path.read_bytes())
        kek = derive_kek(Secret(passphrase.encode()), base64.b64decode(stored["salt"]), PROFILES[stored["profile"]])
        return Secret(Box(kek).open(base64.b64decode(stored["sealed"]), bind(labels.BACKUP_KEY_FILE, agency)))
    except (OSError, ValueError, KeyError, TypeError, SealBroken):
        raise CardFileError("the key file is not there, or the passphrase does not open it") from None
