"""Checkpoints: a log's size and root, signed by the log (C2SP signed-note and tlog-checkpoint).

The key's name is the log's origin. Signature type 0x01: Ed25519 over the note text. Lines of other
signers (witnesses) are passed over, as the specification asks.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from evidence.merkle import HASH_BYTES
from keys.signing import Signer, verify_raw

ED25519: Final = b"\x01"
KEY_ID_BYTES: Final = 4
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ORIGIN = re.compile(r"[^\s+]+")
_TIMES = re.compile(r"[1-9][0-9]{0,5}")


class CheckpointBroken(Exception):  # noqa: N818 - it says what the note is
    """The note is not a checkpoint of this log signed with this key. The message is a constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`root` (32 bytes) of the log `origin` when it held `size` entries."""

    origin: str
    size: int
    root: bytes


def first_of(origin: str) -> tuple[str, int]:
    """An origin as it was before the log was ever opened anew, and how often it was: `…/intermediate~2/2026` is the second time of `…/intermediate/2026`.

    A log that lost its tail goes on under another origin, so that its key never signs two histories of one log (docs/adr/0044).
    """
    log, slash, year = origin.rpartition("/")
    name, _, times = log.rpartition("~")
    return (f"{name}{slash}{year}", int(times)) if name and _TIMES.fullmatch(times) else (origin, 0)


def opened_anew(origin: str, times: int) -> str:
    """The origin of a log (`…/intermediate/2026`) that is opened for the so-manieth time. Raises ValueError below 1."""
    if times < 1:
        raise ValueError("a log is opened anew once at least")
    log, slash, year = first_of(origin)[0].rpartition("/")
    return f"{log}~{times}{slash}{year}"


def sign(origin: str, size: int, root: bytes, signer: Signer) -> str:
    """The signed note, ending in a newline.

    Raises ValueError for an origin with spaces or `+` and for a root that is not 32 bytes.
    """
    if not _ORIGIN.fullmatch(origin) or len(root) != HASH_BYTES or size < 0:
        raise ValueError("not an origin, a size and a root")
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = key_id(origin, signer.public_key) + signer.sign_raw(text.encode())
    return f"{text}\n— {origin} {base64.b64encode(signature).decode()}\n"


def read(note: str, origin: str, *public_keys: bytes) -> Checkpoint:
    """The checkpoint in a note of the log `origin`, signed by one of `public_keys` (32 bytes each).

    Raises CheckpointBroken if the form, the origin or the signature is wrong.
    """
    text, found, signatures = note.rpartition("\n\n")
    if not found or not signatures.endswith("\n"):
        raise CheckpointBroken("not a signed note")
    text += "\n"
    try:
        signed = text.encode()
    except UnicodeEncodeError:
        raise CheckpointBroken("not a signed note") from None
    named = {key: _signature_of(signatures, origin, key_id(origin, key)) for key in public_keys}
    if not any(named.values()):
        raise CheckpointBroken("no signature of this log's key")
    if not any(signature and verify_raw(key, signed, signature) for key, signature in named.items()):
        raise CheckpointBroken("the signature does not fit")
    checkpoint = parse(text)
    if checkpoint.origin != origin:
        raise CheckpointBroken("a checkpoint of another log")
    return checkpoint


def parse(note: str) -> Checkpoint:
    """What the note says, **unchecked**: for choosing the key. Raises CheckpointBroken if the form is wrong."""
    lines = note.split("\n")
    if len(lines) < 4 or not _ORIGIN.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):
        raise CheckpointBroken("not a checkpoint")
    root = _exact_base64(lines[2])
    if root is None or len(root) != HASH_BYTES:
        raise CheckpointBroken("not a checkpoint")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)


def key_id(name: str, public_key: bytes) -> bytes:
    """First 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key)."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:KEY_ID_BYTES]


def format_vkey(name: str, public_key: bytes) -> str:
    """Verifier key as text: `name+hex key id+base64(0x01 ‖ key)`. Raises ValueError for a name with spaces or `+`."""
    if not _ORIGIN.fullmatch(name) or len(public_key) != KEY_BYTES:
        raise ValueError("not a key name and an Ed25519 key")
    return f"{name}+{key_id(name, public_key).hex()}+{base64.b64encode(ED25519 + public_key).decode()}"


def parse_vkey(text: str) -> tuple[str, bytes]:
    """Name and Ed25519 public key (32 bytes) of a verifier key. Raises ValueError if any part disagrees."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    key = _exact_base64(encoded)
    if key is None or len(key) != 1 + KEY_BYTES or key[:1] != ED25519 or not _ORIGIN.fullmatch(name):
        raise ValueError("not an Ed25519 verifier key")
    if format_vkey(name, key[1:]) != text:
        raise ValueError("the verifier key's id does not fit")
    return name, key[1:]


def _signature_of(lines: str, name: str, wanted: bytes) -> bytes | None:
    found: bytes | None = None
    for line in lines[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        data = _exact_base64(encoded)
        if dash != "—" or data is None or len(data) <= KEY_ID_BYTES:
            raise CheckpointBroken("not a signature line")
        if signer == name and data[:KEY_ID_BYTES] == wanted and len(data) == KEY_ID_BYTES + SIGNATURE_BYTES:
            found = data[KEY_ID_BYTES:]
    return found


def _exact_base64(text: str) -> bytes | None:
    """Base64 with nothing left over: each byte string has one spelling only."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None
