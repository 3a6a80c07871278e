"""A key-encryption key from a passphrase: argon2id (RFC 9106), with named parameter profiles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import nacl.pwhash.argon2id

from keys.masked import SECRET_SIZE, Secret

SALT_SIZE: Final = nacl.pwhash.argon2id.SALTBYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`passes` over `memory` bytes; libsodium always uses one lane."""

    passes: int
    memory: int


NORMAL: Final = Profile(passes=3, memory=64 * 1024 * 1024)
"""RFC 9106 section 4, second recommended option, with the one lane that libsodium has."""

CHEAPEST: Final = Profile(passes=nacl.pwhash.argon2id.OPSLIMIT_MIN, memory=nacl.pwhash.argon2id.MEMLIMIT_MIN)
"""For tests only."""


def new_salt() -> bytes:
    """16 fresh bytes; they lie in clear beside what the key wraps."""
    return secrets.token_bytes(SALT_SIZE)


def derive_kek(passphrase: Secret, salt: bytes, profile: Profile = NORMAL) -> Secret:
    """32 bytes. Raises ValueError unless the salt has 16 bytes."""
    if len(salt) != SALT_SIZE:
        raise ValueError("a salt has 16 bytes")
    # reveal: key derivation
    key = nacl.pwhash.argon2id.kdf(SECRET_SIZE, passphrase.reveal(), salt, profile.passes, profile.memory)
    return Secret(key)
