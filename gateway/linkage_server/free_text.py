"""Text that a business system writes freely and that we store or send on: it may not carry a number of a person.

A number is found however it is written: as on the card (1234-5678-9018), in full width, in digits of another script, with
invisible characters in between.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from codebook import individual_number

_LONGEST_RUN: Final = 9
_KANJI_DIGITS: Final = str.maketrans("〇一二三四五六七八九", "0123456789")
_LONG_SOUND: Final = "ー"
_CONTROL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RUN: Final = re.compile(r"[0-9]+")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_RANDOM: Final = re.compile(r"[0-9a-f]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE: Final = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")


def _digits_as_ascii(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).translate(_KANJI_DIGITS)
    return "".join(str(unicodedata.decimal(one, one)) for one in folded)


def without_separators(text: str) -> str:
    """The letters and digits of a text, digits in ASCII; what stands between them (spaces, hyphens, marks, invisible characters) is dropped."""
    return "".join(
        one for one in _digits_as_ascii(text) if one != _LONG_SOUND and unicodedata.category(one)[0] in {"L", "N"}
    )


def is_safe(text: str) -> bool:
    """No control or format character, and no ten digits in a row once separators are dropped."""
    if any(unicodedata.category(one) in _CONTROL for one in text):
        return False
    return all(len(run) <= _LONGEST_RUN for run in _RUN.findall(without_separators(text)))


def holds_individual_number(text: str) -> bool:
    """Twelve digits in a row, separators dropped, that are a valid 個人番号. A UUID and 32 hex digits with a letter in them hold none: they are drawn."""
    if _RANDOM.fullmatch(text) and not text.replace("-", "").isdigit():
        return False
    return any(
        individual_number.is_valid(run[at : at + individual_number.LENGTH])
        for run in _RUN.findall(without_separators(text))
        for at in range(len(run) - individual_number.LENGTH + 1)
    )


def file_name_holds_individual_number(name: str) -> bool:
    """Groups of digits, side by side, that together are exactly a valid 個人番号. What begins as a date is one: names carry times."""
    for stretch in _LETTERS.split(_digits_as_ascii(name)):
        groups = _RUN.findall(stretch)
        for first in range(len(groups)):
            for last in range(first + 1, len(groups) + 1):
                digits = "".join(groups[first:last])
                if individual_number.is_valid(digits) and not _DATE.match(digits):
                    return True
    return False
