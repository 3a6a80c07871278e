"""Sealing to a one-time key: HPKE (RFC 9180, base mode, one message), KEM X-Wing, HKDF-SHA256, AES-256-GCM.

Sealed bytes: `format (1) ‖ suite (1) ‖ encapsulated key ‖ ciphertext ‖ tag`. The HPKE info is
`bind(labels.SEALED, format, suite, info)`; suites are ours, since post-quantum HPKE is still a draft.
Inside: `length (4, big-endian) ‖ plaintext ‖ zeros` up to a size class, so that the size tells little.
Refused alike: any flip, any cut, another key, another info, padding that is not ours.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from keys import labels
from keys.binding import bind
from keys.errors import PublicKeyBroken, SealBroken
from keys.masked import SECRET_SIZE, Plaintext, Secret

__all__ = [
    "PUBLIC_KEY_SIZE",
    "SUITE_XWING",
    "OneTimeKey",
    "PublicKeyBroken",
    "SealBroken",
    "key_hash",
    "new_one_time_key",
    "open_sealed",
    "public_key_of",
    "seal",
    "size_class",
]

SUITE_XWING: Final = 1
PUBLIC_KEY_SIZE: Final = 1216
SMALLEST_CLASS: Final = 256
LARGEST_PLAINTEXT: Final = 64 * 1024 * 1024

_FORMAT: Final = 1
_HEADER: Final = bytes((_FORMAT, SUITE_XWING))
_LENGTH_SIZE: Final = 4
_MLKEM_PUBLIC_SIZE: Final = 1184
_MLKEM_SEED_SIZE: Final = 64
_EXPANDED_SIZE: Final = 96
_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeKey:
    """A key pair for one inquiry: `private` is the X-Wing seed (32 bytes), `public` has 1,216 bytes."""

    private: Secret
    public: bytes


def new_one_time_key() -> OneTimeKey:
    """About 0.1 ms; made ahead, off the latency path."""
    private = Secret(secrets.token_bytes(SECRET_SIZE))
    return OneTimeKey(private=private, public=public_key_of(private))


def public_key_of(private: Secret) -> bytes:
    """`ML-KEM-768 public key (1184) ‖ X25519 public key (32)`. Raises ValueError if the seed is not 32 bytes."""
    mlkem, x25519 = _expand(private)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def key_hash(public: bytes) -> bytes:
    """SHA-256 of the public key, 32 bytes: what the permit carries."""
    return hashlib.sha256(public).digest()


def seal(public: bytes, info: bytes, plaintext: Plaintext) -> bytes:
    """Seal to the key. Raises PublicKeyBroken, or ValueError above 64 MiB."""
    # reveal: this is the place that encrypts it
    padded = _pad(plaintext.reveal())
    try:
        key = hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_SIZE]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_SIZE:]),
        )
        return _HEADER + _SUITE.encrypt(padded, key, _bound(info))
    except ValueError:  # a wrong size, or an X25519 point that gives the all-zero secret
        raise PublicKeyBroken("not a usable X-Wing public key") from None


def open_sealed(private: Secret, info: bytes, sealed: bytes) -> Plaintext:
    """Open with `info` rebuilt from the receiver's own records. Raises SealBroken."""
    if sealed[:2] != _HEADER:
        raise SealBroken("unknown format or suite of sealed bytes")
    mlkem, x25519 = _expand(private)
    try:
        padded = _SUITE.decrypt(sealed[2:], hpke.MLKEM768X25519PrivateKey(mlkem, x25519), _bound(info))
    except InvalidTag:
        raise SealBroken("sealed bytes do not open with this key and context") from None
    return Plaintext(_unpad(padded))


def size_class(length: int) -> int:
    """Bytes inside the seal for `length` bytes of plaintext: a power of two from 256, length prefix included."""
    return max(SMALLEST_CLASS, 1 << (length + _LENGTH_SIZE - 1).bit_length())


def _expand(private: Secret) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """X-Wing key expansion (draft-connolly-cfrg-xwing-kem, 5.2): SHAKE256 of the seed gives both halves."""
    # reveal: key expansion
    seed = private.reveal()
    if len(seed) != SECRET_SIZE:
        raise ValueError("an X-Wing seed has 32 bytes")
    expanded = hashlib.shake_256(seed).digest(_EXPANDED_SIZE)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_SIZE]),
        X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_SIZE:]),
    )


def _bound(info: bytes) -> bytes:
    return bind(labels.SEALED, _FORMAT, SUITE_XWING, info)


def _pad(plain: bytes) -> bytes:
    if len(plain) > LARGEST_PLAINTEXT:
        raise ValueError("plaintext above 64 MiB")
    prefixed = len(plain).to_bytes(_LENGTH_SIZE) + plain
    return prefixed.ljust(size_class(len(plain)), b"\0")


def _unpad(padded: bytes) -> bytes:
    """The sender holds no secret of ours, so its padding is checked as strictly as its tag."""
    length = int.from_bytes(padded[:_LENGTH_SIZE])
    end = _LENGTH_SIZE + length
    if len(padded) != size_class(length) or padded.count(0, end) != len(padded) - end:
        raise SealBroken("padding of sealed bytes is not ours")
    return padded[_LENGTH_SIZE:end]
