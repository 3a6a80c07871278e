"""Kana as banks write it: half-width, no small letters, a hyphen for the long vowel."""

from __future__ import annotations

from unicodedata import normalize

_LARGE = str.maketrans("ァィゥェォッャュョヮ", "アイウエオツヤユヨワ")


def _half_widths() -> dict[str, str]:
    single = {normalize("NFKC", chr(point)): chr(point) for point in range(0xFF66, 0xFF9E)}
    voiced = {
        normalize("NFKC", half + mark): half + mark
        for half in single.values()
        for mark in "ﾞﾟ"
        if len(normalize("NFKC", half + mark)) == 1
    }
    return single | voiced | {"ー": "-", "　": " "}


_HALF_WIDTH = str.maketrans(_half_widths())


def as_banks_write(kana: str) -> str:
    """Full-width katakana to what a passbook and a transfer file hold."""
    return kana.translate(_LARGE).translate(_HALF_WIDTH)
