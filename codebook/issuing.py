"""Issuing 団体内統合宛名番号: a counter goes through a keyed permutation.

So numbers never repeat and do not tell their order.

The permutation is a balanced Feistel network over two halves of 0 … half−1, ten rounds (as FF1, NIST SP 800-38G, has),
each round adding the first 64 bits of an AES-256 block modulo `half`. With half = 10^7 the domain is exactly 10^14,
so no cycle walking is needed.
The 15th digit is a Damm check digit: it catches every single wrong digit and every swap of neighbours.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from codebook.check_digits import is_digits
from codebook.errors import CodebookError
from codebook.identifiers import INTEGRATED_NUMBER_LENGTH, IntegratedAddresseeNumber
from keys.masked import Secret

HALF: Final = 10_000_000
CAPACITY: Final = HALF * HALF

_ROUNDS: Final = 10
_BATCH: Final = 4096
_UNSIGNED_64: Final = "Q"
_DAMM: Final = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)


def _steps_of_two(state: int) -> bytes:
    """The state of the Damm quasigroup after two more digits, by their value."""
    return bytes(int(_DAMM[int(_DAMM[state][a])][b]) for a in range(10) for b in range(10))


_TWO: Final = tuple(_steps_of_two(state) for state in range(10))
_FOUR: Final = tuple(b"".join(_TWO[after] for after in _TWO[state]) for state in range(10))
"""By state, the state after two and after four more digits."""


def issue_many(key: Secret, first_counter: int, count: int) -> list[int]:
    """The numbers of `count` counters from `first_counter`, to be written with 15 digits: the caller masks what it keeps.

    `key`: 32 bytes, one per municipality, never changed while counters run. Raises CodebookError beyond 10^14.
    """
    return [10 * number + _check_digit(number) for number in permute(key, first_counter, count)]


def issue(key: Secret, counter: int) -> IntegratedAddresseeNumber:
    """As `issue_many`, for one person."""
    return IntegratedAddresseeNumber(f"{issue_many(key, counter, 1)[0]:0{INTEGRATED_NUMBER_LENGTH}d}")


def has_check_digit(text: str) -> bool:
    """True if the number's last digit is the one we would have issued; migrated numbers need not have it."""
    return is_digits(text, INTEGRATED_NUMBER_LENGTH) and _check_digit(int(text[:-1])) == int(text[-1])


def permute(key: Secret, first: int, count: int, *, half: int = HALF) -> list[int]:
    """Images of `first … first+count−1` under the keyed permutation of 0 … half²−1. Raises CodebookError outside it."""
    if first < 0 or count < 0 or first + count > half * half:
        raise CodebookError("counter outside the range of numbers")
    # reveal: the cipher takes the key as bytes
    cipher = Cipher(algorithms.AES256(key.reveal()), modes.ECB())  # noqa: S305  (a round function, one block per input)
    images: list[int] = []
    for start in range(first, first + count, _BATCH):
        images += _permute_batch(cipher, range(start, min(start + _BATCH, first + count)), half)
    return images


def _permute_batch(cipher: Cipher[modes.ECB], counters: range, half: int) -> list[int]:
    left = [counter // half for counter in counters]
    right = [counter % half for counter in counters]
    halves = struct.Struct(f"<{len(counters)}Q")
    blocks = array(_UNSIGNED_64, bytes(16 * len(counters)))
    for number in range(_ROUNDS):
        tweak = half << 8 | number  # rounds and domains never share a block
        blocks[::2] = array(_UNSIGNED_64, struct.pack("<Q", tweak)) * len(counters)
        blocks[1::2] = array(_UNSIGNED_64, halves.pack(*right))
        mixed = halves.unpack(array(_UNSIGNED_64, cipher.encryptor().update(blocks.tobytes()))[::2].tobytes())
        left, right = right, [(value + mix) % half for value, mix in zip(left, mixed, strict=True)]
    return [high * half + low for high, low in zip(left, right, strict=True)]


def _check_digit(number: int) -> int:
    """Of 14 digits."""
    state = _FOUR[0][number // 10**10]
    state = _FOUR[state][number // 10**6 % 10**4]
    return _TWO[_FOUR[state][number // 100 % 10**4]][number % 100]
