"""Ed25519 signatures (RFC 8032). A labelled signature covers `bind(label, message)`, so it serves one purpose only."""

from __future__ import annotations

import secrets

import nacl.bindings
import nacl.exceptions
import nacl.signing

from keys.binding import bind
from keys.masked import SECRET_SIZE, Secret

SIGNATURE_SIZE = 64


def generate_seed() -> Secret:
    """A fresh seed of 32 bytes."""
    return Secret(secrets.token_bytes(SECRET_SIZE))


class Signer:
    """Holds one private key. Raises ValueError if the seed is not 32 bytes."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: Secret) -> None:
        # reveal: PyNaCl takes the seed as bytes
        self._key = nacl.signing.SigningKey(seed.reveal())
        self.public_key: bytes = bytes(self._key.verify_key)

    def sign(self, label: bytes, message: bytes) -> bytes:
        """64 bytes over `bind(label, message)`."""
        return self.sign_raw(bind(label, message))

    def sign_raw(self, message: bytes) -> bytes:
        """64 bytes over the message itself, for formats that fix what is signed: C2SP signed notes and JWS."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return "<Signer>"


def is_public_key(data: bytes) -> bool:
    """Whether this can be somebody's public key: a point of the curve in its one spelling, in the group of prime order.

    Under one of the few points of small order (all zeros is one) anybody signs, so such a key proves nothing of who has signed.
    """
    size = nacl.bindings.crypto_sign_PUBLICKEYBYTES
    return len(data) == size and nacl.bindings.crypto_core_ed25519_is_valid_point(data)


def verify(public_key: bytes, label: bytes, message: bytes, signature: bytes) -> bool:
    """True only for an untouched signature made under this label; False for anything else, wrong sizes included."""
    return verify_raw(public_key, bind(label, message), signature)


def verify_raw(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """As `verify`, without a label."""
    if len(public_key) != nacl.bindings.crypto_sign_PUBLICKEYBYTES or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except nacl.exceptions.BadSignatureError:
        return False
    return True
