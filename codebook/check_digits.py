"""Check digits of 個人番号, 法人番号, 全国地方公共団体コード.

Each function takes the digits without the check digit and returns that digit as a number.
The formula for 住民票コード stands in a 告示 whose text is not at hand; none is claimed here.
"""

from __future__ import annotations

from typing import Final

from codebook.errors import CodebookError

_INDIVIDUAL_WEIGHTS: Final = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_CORPORATE_WEIGHTS: Final = (2, 1) * 6
_LOCAL_GOVERNMENT_WEIGHTS: Final = (6, 5, 4, 3, 2)


def individual_number_check_digit(d11: str) -> int:
    """個人番号, last of 12 digits: 平成26年総務省令第85号5条. 11 − (Σ mod 11), and 0 when the remainder is 0 or 1."""
    remainder = _weighted(d11, _INDIVIDUAL_WEIGHTS) % 11
    return 0 if remainder <= 1 else 11 - remainder


def corporate_number_check_digit(d12: str) -> int:
    """法人番号, first of 13 digits: 平成26年財務省令第70号2条. 9 − (Σ mod 9), so 1 to 9."""
    return 9 - _weighted(d12, _CORPORATE_WEIGHTS) % 9


def local_government_check_digit(d5: str) -> int:
    """全国地方公共団体コード, last of 6 digits: the last digit of 11 − (Σ mod 11)."""
    return (11 - _weighted(d5, _LOCAL_GOVERNMENT_WEIGHTS) % 11) % 10


def is_digits(text: str, length: int) -> bool:
    """ASCII digits only: `str.isdigit` alone would let full-width and superscript digits through."""
    return len(text) == length and text.isascii() and text.isdigit()


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    if not is_digits(digits, len(weights)):
        raise CodebookError("not the digits a check digit is computed from")
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
