"""4情報: name, sex, birth date, address (and the name's reading), and whether two accounts of them agree.

Comparison folds how a text is typed, never which character it is: full and half width (NFKC), spaces,
variation selectors, hyphens of every kind; readings also hiragana to katakana.
髙 and 高 stay different: a person decides (SC-18).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from codebook.errors import CodebookError
from keys.masked import Masked

_HYPHENS: Final = "-‐‑‒–—―−ーｰ─━～〜"
_VARIATION_SELECTORS: Final = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_FOLD: Final = {ord(hyphen): "-" for hyphen in _HYPHENS} | dict.fromkeys(_VARIATION_SELECTORS)
_TO_KATAKANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}


class PersonName(Masked[str]):
    """A person's name or its reading."""

    __slots__ = ()


class Address(Masked[str]):
    """Where a person lives, as one text."""

    __slots__ = ()


class Sex(StrEnum):
    """性別, by the codes of JIS X 0303 and ISO/IEC 5218."""

    UNKNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    NOT_APPLICABLE = "9"


class Field(StrEnum):
    NAME = "name"
    KANA = "kana"
    SEX = "sex"
    BIRTH_DATE = "birth_date"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class FourItems:
    """4情報 of one person; `kana` is the name's reading, empty when not known. repr shows nothing of it."""

    name: PersonName
    kana: PersonName
    sex: Sex = field(repr=False)
    birth_date: date = field(repr=False)
    address: Address

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> FourItems:
        """From text fields named as in `Field`; `birth_date` as YYYY-MM-DD, `sex` as its code. Raises CodebookError."""
        texts = {name: fields.get(name) for name in Field}
        try:
            return cls(
                name=PersonName(_text(texts[Field.NAME], empty=False)),
                kana=PersonName(_text(texts[Field.KANA], empty=True)),
                sex=Sex(_text(texts[Field.SEX], empty=False)),
                birth_date=date.fromisoformat(_text(texts[Field.BIRTH_DATE], empty=False)),
                address=Address(_text(texts[Field.ADDRESS], empty=False)),
            )
        except ValueError:
            raise CodebookError("the four items are not complete and well formed") from None

    def reveal(self) -> dict[str, str]:
        """The fields as text, as `parse` takes them: for the wire and for screens of those who may see them."""
        return {
            Field.NAME.value: self.name.reveal(),
            Field.KANA.value: self.kana.reveal(),
            Field.SEX.value: self.sex.value,
            Field.BIRTH_DATE.value: self.birth_date.isoformat(),
            Field.ADDRESS.value: self.address.reveal(),
        }


def compare(a: FourItems, b: FourItems) -> frozenset[Field]:
    """The fields that differ; empty when all agree. A reading that either side lacks is not a difference."""
    # reveal: comparison after folding
    kana_a, kana_b = fold_kana(a.kana.reveal()), fold_kana(b.kana.reveal())
    differs = {
        Field.NAME: fold(a.name.reveal()) != fold(b.name.reveal()),
        Field.KANA: bool(kana_a) and bool(kana_b) and kana_a != kana_b,
        Field.SEX: a.sex is not b.sex,
        Field.BIRTH_DATE: a.birth_date != b.birth_date,
        Field.ADDRESS: fold(a.address.reveal()) != fold(b.address.reveal()),
    }
    return frozenset(name for name, different in differs.items() if different)


def fold(text: str) -> str:
    """One spelling of the same text: width, spaces, variation selectors and hyphens folded."""
    joined = "".join(unicodedata.normalize("NFKC", text).translate(_FOLD).split())
    return unicodedata.normalize("NFC", joined)  # a voicing mark typed apart (カ゛) meets its letter only now


def fold_kana(text: str) -> str:
    """As `fold`, with hiragana as katakana."""
    return fold(text).translate(_TO_KATAKANA)


def _text(value: object, *, empty: bool) -> str:
    if not isinstance(value, str) or not (empty or value.strip()):
        raise CodebookError("a field of the four items is missing or not text")
    return value
