"""AES-256-GCM under one key with a random nonce: `nonce (12) ‖ ciphertext ‖ tag (16)`.

Up to 2^32 messages under one key (NIST SP 800-38D 8.3); the ring's period keys and per-person keys stay far below.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import SealBroken
from keys.masked import SECRET_SIZE, Secret

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16


class Box:
    """Seals and opens under one 32-byte key. Keep the object: making it costs more than using it."""

    __slots__ = ("_aead",)

    def __init__(self, key: Secret) -> None:
        # reveal: the cipher takes the key as bytes
        material = key.reveal()
        if len(material) != SECRET_SIZE:
            raise ValueError("a box takes a key of 32 bytes")
        self._aead = AESGCM(material)

    def seal(self, data: bytes, associated: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_SIZE)
        return nonce + self._aead.encrypt(nonce, data, associated)

    def seal_many(self, messages: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """As `seal` for each (data, associated), with all nonces drawn at once: a draw is a call into the kernel."""
        drawn = secrets.token_bytes(NONCE_SIZE * len(messages))
        encrypt = self._aead.encrypt
        return [
            (nonce := drawn[at : at + NONCE_SIZE]) + encrypt(nonce, data, associated)
            for at, (data, associated) in zip(range(0, len(drawn), NONCE_SIZE), messages, strict=True)
        ]

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Raises SealBroken."""
        if len(sealed) < NONCE_SIZE + TAG_SIZE:
            raise SealBroken("sealed bytes too short")
        try:
            return self._aead.decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)
        except InvalidTag:
            raise SealBroken("sealed bytes do not open with this key and context") from None

    def __repr__(self) -> str:
        return "<Box>"


def new_box_key() -> Secret:
    """A fresh key of 32 bytes, such as the key of one person's replicas."""
    return Secret(secrets.token_bytes(SECRET_SIZE))
