"""個人番号 and 住民票コード.

Only the linkage server, the resident network and the business systems may import this module.
"""

from __future__ import annotations

from typing import Final

from codebook.check_digits import is_digits
from codebook.errors import CodebookError
from keys.masked import Masked

LENGTH: Final = 12
BLANK: Final = "0" * LENGTH
"""What fills an empty field of digits: its check digit is right, and nobody has it."""

_WEIGHTS: Final = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 0)


def _chunk_sums(start: int) -> dict[str, int]:
    """Weighted sum of each three digits that may stand at `start`, by their text."""
    first, second, third = _WEIGHTS[start : start + 3]
    return {f"{n:03d}": first * (n // 100) + second * (n // 10 % 10) + third * (n % 10) for n in range(1000)}


_A, _B, _C, _D = (_chunk_sums(start) for start in (0, 3, 6, 9))
_EXPECTED: Final = tuple("0" if remainder <= 1 else str(11 - remainder) for remainder in range(11))


def is_valid(text: str) -> bool:
    """True for 12 ASCII digits, not all zero, with the right check digit (平成26年総務省令第85号5条); four look-ups, made for bulk."""
    if len(text) != LENGTH or text == BLANK:
        return False
    try:
        total = _A[text[:3]] + _B[text[3:6]] + _C[text[6:9]] + _D[text[9:]]
    except KeyError:
        return False
    return text[11] == _EXPECTED[total % 11]


def has_form(text: str) -> bool:
    """True for 12 ASCII digits that are not all zero, whatever the last is."""
    return is_digits(text, LENGTH) and text != BLANK


class IndividualNumber(Masked[str]):
    """個人番号: 12 digits, the last a check digit (番号法2条5項). An instance is proof of the check."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> IndividualNumber:
        """Raises CodebookError."""
        if not is_valid(text):
            raise CodebookError("not an individual number")
        return cls(text)


class ResidentRecordCode(Masked[str]):
    """住民票コード: 11 digits (住民基本台帳法施行規則1条).

    The last is a check digit whose formula we do not have; it is not checked.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ResidentRecordCode:
        """Raises CodebookError."""
        if not is_digits(text, 11):
            raise CodebookError("not a resident record code")
        return cls(text)
