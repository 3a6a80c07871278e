"""4情報: name, sex, birth date, address (and the name's reading), and whether two accounts of them agree.

Texts agree when they are one under the folds of their field (codebook.folding); `folds_between` says which it took (SC-18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from codebook import folding
from codebook.errors import CodebookError
from codebook.folding import Fold
from keys.masked import Masked


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
    # reveal: comparison; equal texts are not folded
    kana_a, kana_b = a.kana.reveal(), b.kana.reveal()
    differs = {
        Field.NAME: not folding.agree(a.name.reveal(), b.name.reveal(), folding.NAME),
        Field.KANA: not (folding.agree(kana_a, kana_b, folding.KANA) or _blank(kana_a) or _blank(kana_b)),
        Field.SEX: a.sex is not b.sex,
        Field.BIRTH_DATE: a.birth_date != b.birth_date,
        Field.ADDRESS: not folding.agree(a.address.reveal(), b.address.reveal(), folding.ADDRESS),
    }
    return frozenset(name for name, different in differs.items() if different)


def not_known(sex_a: str, sex_b: str) -> frozenset[Field]:
    """The fields in which two accounts cannot agree, as one of them does not say: a sex that is unknown or not applicable."""
    return frozenset({Field.SEX} if {sex_a, sex_b} & {Sex.UNKNOWN, Sex.NOT_APPLICABLE} else ())


def folds_between(a: FourItems, b: FourItems) -> dict[Field, frozenset[Fold]]:
    """For each text that is written differently and still agrees: the folds that it took. Never the texts themselves."""
    texts = (
        (Field.NAME, a.name.reveal(), b.name.reveal(), folding.NAME),  # reveal: comparison
        (Field.KANA, a.kana.reveal(), b.kana.reveal(), folding.KANA),  # reveal: comparison
        (Field.ADDRESS, a.address.reveal(), b.address.reveal(), folding.ADDRESS),  # reveal: comparison
    )
    took = {name: folding.needed(one, other, folds) for name, one, other, folds in texts if one != other}
    return {name: folds for name, folds in took.items() if folds}


def _blank(kana: str) -> bool:
    return not kana or not folding.fold(kana, folding.KANA)


def _text(value: object, *, empty: bool) -> str:
    if not isinstance(value, str) or not (empty or value.strip()):
        raise CodebookError("a field of the four items is missing or not text")
    return value
