"""もっともらしさの点検 (plausibility): four steps that find a number typed for the wrong person. Pure.

Each step makes a hold and never a rejection: a child may live alone and a resident of 80 may be newly insured, and a member of staff can tell.
Where the steps come from: the wrong links of 2021 to 2023, of which most were a parent's or a spouse's number on a child's form (DOMAIN §6.1).

P-1  the person's age is one that the system's affair has (Aichi: 23 cases)
P-2  the one who holds the number does not live at the same address with another birth date (Shimane: 12 of 66,828, the household rule)
P-3  one number does not stand for two people in one load (Miyazaki: 2,336)
P-4  nobody moves, changes name or gets a number after death, whichever is told first (people.state.happens_after_death)
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from codebook.four_items import Field


class LoadLimitsError(Exception):
    """The configured limits do not have their form; the message says which and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """What a load may look like. A load stops before it commits when more than `rate` of its rows, and more than `floor` rows, disagree.

    `ages`: business system → the youngest and the oldest age, in whole years, that its affair has.
    """

    rate: float = 0.02
    floor: int = 50
    ages: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def passed_by(self, mismatches: int, rows: int) -> bool:
        return mismatches > self.floor and mismatches > self.rate * rows

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> LoadLimits:
        """From a role's option `load_limits`: `mismatch_rate`, `mismatch_floor`, `ages: {system: [from, to]}`. Raises LoadLimitsError."""
        rate, floor = options.get("mismatch_rate", 0.02), options.get("mismatch_floor", 50)
        if not isinstance(rate, int | float) or not 0 <= rate <= 1 or not isinstance(floor, int) or floor < 0:
            raise LoadLimitsError("load_limits: mismatch_rate is 0 to 1, mismatch_floor a count of rows")
        ages = {}
        for system, years in dict(options.get("ages", {})).items():
            if len(years) != 2 or not all(isinstance(one, int) for one in years) or not 0 <= years[0] <= years[1]:
                raise LoadLimitsError("load_limits: ages are [from, to] in whole years for each business system")
            ages[system] = (years[0], years[1])
        return cls(rate=float(rate), floor=floor, ages=ages)


def age_on(birth_date: str, on: date) -> int:
    """年齢 in whole years: one more on the birthday. `birth_date`: YYYY-MM-DD."""
    born = date.fromisoformat(birth_date)
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def age_is_of_the_affair(birth_date: str, on: date, years: tuple[int, int] | None) -> bool:
    """P-1. `years`: youngest and oldest of the affair, None when it has none."""
    return years is None or years[0] <= age_on(birth_date, on) <= years[1]


def is_household_member(differing: AbstractSet[Field]) -> bool:
    """P-2, from the fields in which a row and the holder of its number differ."""
    return Field.BIRTH_DATE in differing and Field.ADDRESS not in differing


def as_one_person(name: str, sex: str, birth_date: str) -> tuple[str, str, str]:
    """In what accounts of one person are alike for P-3."""
    return "".join(name.split()), sex, birth_date


class NumbersSeen:
    """P-3 over a whole load, in 16 bytes a row: which numbers stand for more than one person. Rows of one person may differ in spaces and address."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._people = array("q")
        self._left_out = array("q")

    def add(self, index: bytes, name: str, sex: str, birth_date: str) -> None:
        self._numbers.append(hash(index))
        self._people.append(hash((index, *as_one_person(name, sex, birth_date))))

    def of_two_people(self) -> frozenset[int]:
        """`hash(index)` of the numbers that stand for two; two numbers share one with a chance of 2^-64 a pair."""
        in_order = sorted(self._numbers)
        again = {one for one, following in pairwise(in_order) if one == following}
        if not again:
            return frozenset()
        people: dict[int, set[int]] = defaultdict(set)
        for number, person in zip(self._numbers, self._people, strict=True):
            if number in again:
                people[number].add(person)
        return frozenset(number for number, found in people.items() if len(found) > 1)

    def leave_out(self, index: bytes) -> None:
        """A row with this number is none of `rows_of`: it disagrees for another reason already, or staff have decided about it."""
        self._left_out.append(hash(index))

    def rows_of(self, numbers: Collection[int]) -> int:
        """How many rows carry these numbers, without those that are left out."""
        if not numbers:
            return 0
        return sum(one in numbers for one in self._numbers) - sum(one in numbers for one in self._left_out)
