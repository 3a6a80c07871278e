"""Issuing 団体内統合宛名番号: a counter goes through a keyed permutation.

So numbers never repeat and do not tell their order.

The permutation is a balanced Feistel network over two halves of 0 … half−1, ten rounds (as FF1, NIST SP 800-38G, has),
each round adding the first 64 bits of an AES-256 block modulo `half`. With half = 10^7 the domain is exactly 10^14,
so no cycle walking is needed.
The 15th digit is a Damm check digit: it catches every single wrong digit and every swap of neighbours.
"""

from __future__ import annotations

import struct
from itertools import chain
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


def _pair_steps() -> tuple[dict[str, int], ...]:
    """For each state of the Damm quasigroup: the state after two more digits, by their text."""
    return tuple(
        {f"{a}{b}": int(_DAMM[int(_DAMM[state][a])][b]) for a in range(10) for b in range(10)} for state in range(10)
    )


_STEPS: Final = _pair_steps()


def issue_many(key: Secret, first_counter: int, count: int) -> list[str]:
    """The numbers of `count` counters from `first_counter`, as text: the caller masks what it keeps.

    `key`: 32 bytes, one per municipality, never changed while counters run. Raises CodebookError beyond 10^14.
    """
    return [_with_check_digit(f"{number:014d}") for number in permute(key, first_counter, count)]


def issue(key: Secret, counter: int) -> IntegratedAddresseeNumber:
    """As `issue_many`, for one person."""
    return IntegratedAddresseeNumber(issue_many(key, counter, 1)[0])


def has_check_digit(text: str) -> bool:
    """True if the number's last digit is the one we would have issued; migrated numbers need not have it."""
    return is_digits(text, INTEGRATED_NUMBER_LENGTH) and _with_check_digit(text[:-1]) == text


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
    layout = struct.Struct(f"<{2 * len(counters)}Q")
    left = [counter // half for counter in counters]
    right = [counter % half for counter in counters]
    for number in range(_ROUNDS):
        tweak = half << 8 | number  # rounds and domains never share a block
        blocks = layout.pack(*chain.from_iterable([(tweak, value) for value in right]))
        mixed = layout.unpack(cipher.encryptor().update(blocks))[::2]
        left, right = right, [(value + mix) % half for value, mix in zip(left, mixed, strict=True)]
    return [high * half + low for high, low in zip(left, right, strict=True)]


def _with_check_digit(digits14: str) -> str:
    state = 0
    for at in range(0, 14, 2):
        state = _STEPS[state][digits14[at : at + 2]]
    return f"{digits14}{state}"
