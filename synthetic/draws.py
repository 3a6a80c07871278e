"""Keyed draws: everything synthetic is a pure function of (seed, purpose, index).

Order, batches and restarts change nothing. None of this protects anything; it only makes data that repeats for a seed
and differs between seeds.
"""

from __future__ import annotations

from hashlib import blake2b

_ROUNDS = 4


def key_for(seed: int, purpose: str) -> bytes:
    """32 bytes for one purpose under one seed."""
    return blake2b(purpose.encode(), key=seed.to_bytes(16, "big", signed=True), digest_size=32).digest()


def draw(key: bytes, index: int) -> int:
    """512 bits for one index; take parts off with divmod(bits, n)."""
    return int.from_bytes(blake2b(index.to_bytes(8, "big"), key=key, digest_size=64).digest(), "big")


def permute(key: bytes, index: int, half: int) -> int:
    """A keyed permutation of range(half * half) (Feistel network, four rounds): no value comes twice.

    Raises ValueError when the index lies outside the range.
    """
    if not 0 <= index < half * half:
        raise ValueError("index outside the range of the permutation")
    left, right = divmod(index, half)
    for round_number in range(_ROUNDS):
        mixed = blake2b(b"%d/%d" % (round_number, right), key=key, digest_size=8).digest()
        left, right = right, (left + int.from_bytes(mixed, "big")) % half
    return left * half + right
