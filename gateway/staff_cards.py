"""A key file that stands for a staff card (職員証): an Ed25519 key under a passphrase, as a card holds it under a PIN.

A real card keeps its key; this file is for simulations and for the command line, and proves possession no better than a file can.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.data_folder import write_private
from gateway.intermediate_server.staff.factors import card_statement
from gateway.intermediate_server.staff.founding import PROFILES
from keys import labels
from keys.binding import bind
from keys.box import Box
from keys.errors import SealBroken
from keys.masked import Secret
from keys.passphrase import SALT_SIZE, derive_kek
from keys.signing import Signer, generate_seed

_FORM: Final = 1


class CardFileError(Exception):
    """The card file is missing, damaged, or the passphrase does not open it."""


class StaffSecrets(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What a person knows: their password, and the passphrase of their card. Read from a file for synthetic people only."""

    password: str
    passphrase: str

    def __repr__(self) -> str:
        return "<StaffSecrets>"


def drawn() -> StaffSecrets:
    """Secrets of somebody synthetic."""
    return StaffSecrets(password=secrets.token_urlsafe(18), passphrase=secrets.token_urlsafe(18))


def make(path: Path, agency: str, staff_id: str, passphrase: str, *, profile: str) -> Signer:
    """Write a new card and return its key at work. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError("a card file is never overwritten")
    seed, salt = generate_seed(), secrets.token_bytes(SALT_SIZE)
    kek = derive_kek(Secret(passphrase.encode()), salt, PROFILES[profile])
    # reveal: to the file, sealed
    sealed = Box(kek).seal(seed.reveal(), _context(agency, staff_id))
    stored = {
        "v": _FORM,
        "agency": agency,
        "staff_id": staff_id,
        "profile": profile,
        "salt": base64.b64encode(salt).decode(),
        "sealed": base64.b64encode(sealed).decode(),
    }
    write_private(path, json.dumps(stored, indent=1).encode())
    return Signer(seed)


def open_card(path: Path, agency: str, staff_id: str, passphrase: str) -> Signer:
    """The card's key at work. Raises CardFileError."""
    try:
        stored: Mapping[str, Any] = json.loads(path.read_bytes())
        salt = base64.b64decode(stored["salt"])
        kek = derive_kek(Secret(passphrase.encode()), salt, PROFILES[stored["profile"]])
        seed = Box(kek).open(base64.b64decode(stored["sealed"]), _context(agency, staff_id))
    except (OSError, ValueError, KeyError, TypeError, SealBroken):
        raise CardFileError("the card file is not there, or the passphrase does not open it") from None
    return Signer(Secret(seed))


def _context(agency: str, staff_id: str) -> bytes:
    return bind(labels.STAFF_CARD_FILE, agency, staff_id)


def write_secrets(path: Path, known: StaffSecrets) -> None:
    write_private(path, msgspec.json.encode(known))


def read_secrets(path: Path) -> StaffSecrets | None:
    """Secrets that lie in a file, or None when a person has to type them."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StaffSecrets)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def proof(card: Signer, agency: str, staff_id: str, password: str, purpose: str, challenge: str) -> dict[str, str]:
    """Both factors for a purpose, against a challenge as it came (base64), in the form of the interface."""
    statement = card_statement(agency, staff_id, purpose, base64.b64decode(challenge))
    signed = card.sign(labels.STAFF_CARD, statement)
    return {"password": password, "challenge": challenge, "signature": base64.b64encode(signed).decode()}
