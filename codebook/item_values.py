"""The forms a replica's item may take, and whether a text has the form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from datetime import date
from enum import StrEnum
from typing import Final

from codebook.check_digits import is_digits

_AMOUNT: Final = re.compile(r"0|-?[1-9][0-9]*")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE: Final = re.compile(r"[0-9A-Z]+")
_KANA: Final = re.compile(r"[ァ-ヶー・ｦ-ﾟ0-9A-Z０-９Ａ-Ｚ 　().,/\-｢｣（）．，／－「」\\￥]+")
_LOST: Final = ("\ufffd", "〓")
_CONTROL: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class ItemType(StrEnum):
    """digits: exactly `width` digits. code: exactly `width` of 0-9A-Z, from the list where one is given.

    date: YYYY-MM-DD, a day of the calendar. amount: whole yen, a minus sign allowed, at most `width` digits.
    text: 1 to `width` characters of a class, never a control character or the sign of a lost one (U+FFFD, 〓).
    kana: 1 to `width`, katakana and what bank names may hold.
    """

    DIGITS = "digits"
    CODE = "code"
    DATE = "date"
    AMOUNT = "amount"
    TEXT = "text"
    KANA = "kana"


class Characters(StrEnum):
    """文字種 of a text. any: whatever is no control, format, private or unassigned character; ascii: visible ASCII and space.

    half_width: ASCII and half-width katakana. full_width: nothing of half width. jis: JIS X 0208 with ASCII and half-width katakana.
    """

    ANY = "any"
    ASCII = "ascii"
    HALF_WIDTH = "half_width"
    FULL_WIDTH = "full_width"
    JIS = "jis"

    def hold(self, value: str) -> bool:
        match self:
            case Characters.ANY:
                return True
            case Characters.JIS:
                return _is_jis(value)
            case _:
                return _CLASSES[self].fullmatch(value) is not None


_CLASSES: Final = {
    Characters.ASCII: re.compile(r"[ -~]*"),
    Characters.HALF_WIDTH: re.compile(r"[ -~｡-ﾟ]*"),
    Characters.FULL_WIDTH: re.compile(r"[^ -~｡-ﾟ]*"),
}


def _is_jis(value: str) -> bool:
    try:
        value.encode("shift_jis")
    except UnicodeEncodeError:
        return False
    return True


def fits(
    kind: ItemType, width: int, codes: Collection[str], value: str, characters: Characters = Characters.ANY
) -> bool:
    """True when the value has the form; `codes` empty means any code. Widths count characters, not bytes."""
    if kind is ItemType.CODE:
        return len(value) == width and _CODE.fullmatch(value) is not None and (not codes or value in codes)
    return _FORMS[kind](value, width) and characters.hold(value)


def _is_date(value: str, _width: int) -> bool:
    if _DATE.fullmatch(value) is None:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_amount(value: str, width: int) -> bool:
    return _AMOUNT.fullmatch(value) is not None and len(value.removeprefix("-")) <= width


def _is_text(value: str, width: int) -> bool:
    """Nothing that is printable is a control character; of the rest each is looked at, since some separators are no control characters."""
    if not 1 <= len(value) <= width or any(lost in value for lost in _LOST):
        return False
    return value.isprintable() or not any(unicodedata.category(character) in _CONTROL for character in value)


def _is_kana(value: str, width: int) -> bool:
    return len(value) <= width and _KANA.fullmatch(value) is not None


_FORMS: Final[dict[ItemType, Callable[[str, int], bool]]] = {
    ItemType.DIGITS: is_digits,
    ItemType.DATE: _is_date,
    ItemType.AMOUNT: _is_amount,
    ItemType.TEXT: _is_text,
    ItemType.KANA: _is_kana,
}
