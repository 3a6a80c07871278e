"""候補の採点: how far two accounts of the four items are the same person's (LS-1.3, SC-18). Pure.

A score puts candidates into an order and decides nothing: a link without an 個人番号 takes all four items, and two people.
Looking by fewer than two keys is refused; a birth date alone found other people's numbers in 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from codebook import folding
from codebook.folding import Fold
from codebook.four_items import Field, FourItems, compare, folds_between

LEAST_KEYS: Final = 2
_WEIGHTS: Final = {Field.NAME: 30, Field.KANA: 15, Field.BIRTH_DATE: 30, Field.SEX: 5, Field.ADDRESS: 20}
_KEYS: Final = (frozenset({Field.NAME, Field.KANA}), frozenset({Field.BIRTH_DATE}), frozenset({Field.ADDRESS}))
"""Name and reading are one key: who knows one mostly knows the other. The sex is none."""
_PARTS_OF_A_DATE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`points`: 0 to 100. `folds`: which ways of writing had to be folded, by field. `differing`: never the contents."""

    points: int
    differing: frozenset[Field]
    folds: dict[Field, frozenset[Fold]]

    @property
    def all_four_agree(self) -> bool:
        return not self.differing


def keys_given(fields: Iterable[Field]) -> int:
    """How many keys of a search these fields are."""
    given = frozenset(fields)
    return sum(bool(key & given) for key in _KEYS)


def score(one: FourItems, other: FourItems) -> Score:
    """The same either way round. A reading that one side lacks counts for nothing and against nothing."""
    differing = compare(one, other)
    kana = bool(one.kana.reveal().strip() and other.kana.reveal().strip())  # reveal: is there one
    weights = {name: weight for name, weight in _WEIGHTS.items() if kana or name is not Field.KANA}
    earned = sum(
        weight if name not in differing else weight * _near(name, one, other) for name, weight in weights.items()
    )
    return Score(points=int(100 * earned / sum(weights.values())), differing=differing, folds=folds_between(one, other))


def _near(name: Field, one: FourItems, other: FourItems) -> float:
    """What a field that differs is still worth, below 1: a slip of the pen is nearer than another person."""
    match name:
        case Field.BIRTH_DATE:
            parts = zip(one.birth_date.timetuple()[:3], other.birth_date.timetuple()[:3], strict=True)
            same = sum(a == b for a, b in parts)
            return 0.5 if same == _PARTS_OF_A_DATE - 1 else 0.0
        case Field.ADDRESS:
            return 0.8 * _common_start(
                one.address.reveal(), other.address.reveal(), folding.ADDRESS
            )  # reveal: comparison
        case Field.NAME:
            return 0.5 * _common_start(one.name.reveal(), other.name.reveal(), folding.NAME)  # reveal: comparison
        case Field.KANA:
            return 0.5 * _common_start(one.kana.reveal(), other.kana.reveal(), folding.KANA)  # reveal: comparison
        case _:
            return 0.0


def _common_start(one: str, other: str, folds: frozenset[Fold]) -> float:
    """The part of the longer text, after folding, that both begin with: 0 to 1."""
    a, b = folding.fold(one, folds), folding.fold(other, folds)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    return same / max(len(a), len(b), 1)
