"""Encryption that gives the same bytes for the same input: the core's codes, the resident network's references.

AES-SIV (RFC 5297) detects a forged or foreign code by its tag.
The single block of AES is a permutation and detects nothing.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from keys.errors import SealBroken
from keys.masked import SECRET_SIZE, Secret

DETERMINISTIC_KEY_SIZE: Final = 64
BLOCK_SIZE: Final = 16


class DeterministicKey:
    """One AES-SIV key of 64 bytes. Keep the object: making it costs more than using it."""

    __slots__ = ("_aead",)

    def __init__(self, key: Secret) -> None:
        # reveal: the cipher takes the key as bytes
        material = key.reveal()
        if len(material) != DETERMINISTIC_KEY_SIZE:
            raise ValueError("a deterministic key has 64 bytes")
        self._aead = AESSIV(material)

    def seal(self, data: bytes, *associated: bytes) -> bytes:
        """16 bytes longer than `data`."""
        return self._aead.encrypt(data, list(associated))

    def open(self, sealed: bytes, *associated: bytes) -> bytes:
        """Raises SealBroken."""
        try:
            return self._aead.decrypt(sealed, list(associated))
        except InvalidTag:
            raise SealBroken("sealed bytes do not open with this key and context") from None

    def __repr__(self) -> str:
        return "<DeterministicKey>"


def new_deterministic_key() -> Secret:
    """A fresh key of 64 bytes."""
    return Secret(secrets.token_bytes(DETERMINISTIC_KEY_SIZE))


def block_encrypt(key: Secret, block: bytes) -> bytes:
    """The permutation AES-256 on one block of 16 bytes. Raises ValueError on another size of key or block.

    No mode is wanted: a person reference must be 16 bytes, the same each time, and different for each person.
    """
    # reveal: the cipher takes the key as bytes
    material = key.reveal()
    if len(material) != SECRET_SIZE or len(block) != BLOCK_SIZE:
        raise ValueError("block_encrypt takes a key of 32 bytes and a block of 16 bytes")
    encryptor = Cipher(algorithms.AES256(material), modes.ECB()).encryptor()  # noqa: S305  (one block, see docstring)
    return encryptor.update(block) + encryptor.finalize()
