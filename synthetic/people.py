"""Synthetic residents: well-formed, with valid check digits, and plainly not real.

What marks them: the surname begins with 模擬 (モギ), the house number is 架空, every 個人番号 begins with 999 and every
住民票コード with 99. There is no official test range of 個人番号: one of these may by chance be somebody's, so they
must never be used outside a test system.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from faker.providers.person.ja_JP import Provider

from codebook.check_digits import individual_number_check_digit
from codebook.four_items import Sex
from synthetic.draws import draw, key_for, permute
from synthetic.places import CITY, PREFECTURE, towns

SURNAME_MARK = "模擬"
SURNAME_MARK_KANA = "モギ"
ADDRESS_MARK = "架空"
INDIVIDUAL_NUMBER_MARK = "999"
RESIDENT_RECORD_MARK = "99"
#: Ages are counted on this date; nobody is born after it.
AGES_COUNTED_ON = date(2022, 10, 1)
MOST_RESIDENTS = 100_000_000

_HALF = 10_000
_AGE_BAND_YEARS = 5
#: Weights of the age bands 0-4, 5-9, … 100-104: the shape of a large city, not statistics.
_AGE_BANDS = (37, 40, 39, 40, 58, 75, 74, 72, 76, 80, 84, 76, 60, 46, 46, 42, 30, 18, 6, 1, 1)
_LAST_BY_BAND = tuple(accumulate(_AGE_BANDS))
_SURNAMES = tuple((pair[0], pair[1]) for pair in Provider.last_name_pairs)
_GIVEN_FEMALE = tuple((pair[0], pair[1]) for pair in Provider.first_name_female_pairs)
_GIVEN_MALE = tuple((pair[0], pair[1]) for pair in Provider.first_name_male_pairs)
_SURNAME_WEIGHTS = tuple(accumulate(round(weight * 1000) for weight in Provider.last_name_pairs.values()))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Person:
    """A synthetic resident. `index` is the place in the population; repr shows nothing else."""

    index: int
    individual_number: str
    resident_record_code: str
    name: str
    kana: str
    sex: Sex
    birth_date: date
    address: str
    postal_code: str

    def __repr__(self) -> str:
        return f"Person(index={self.index})"


def population(seed: int, residents: int) -> Iterator[Person]:
    """People 0 … residents-1 of a seed, one after another in flat memory. Raises ValueError above MOST_RESIDENTS."""
    if not 0 <= residents <= MOST_RESIDENTS:
        raise ValueError("the population is too large for its number range")
    maker = PersonMaker(seed)
    return (maker.person(index) for index in range(residents))


class PersonMaker:
    """Makes the person at any index of one seed's population."""

    def __init__(self, seed: int) -> None:
        self._traits = key_for(seed, "traits")
        self._numbers = key_for(seed, "individual number")
        self._records = key_for(seed, "resident record code")
        self._towns = towns()

    def person(self, index: int) -> Person:
        bits = draw(self._traits, index)
        bits, choice = divmod(bits, 2)
        sex = Sex.FEMALE if choice else Sex.MALE
        bits, choice = divmod(bits, _SURNAME_WEIGHTS[-1])
        surname, surname_kana = _SURNAMES[bisect_right(_SURNAME_WEIGHTS, choice)]
        given_names = _GIVEN_FEMALE if sex is Sex.FEMALE else _GIVEN_MALE
        bits, choice = divmod(bits, len(given_names))
        given, given_kana = given_names[choice]
        bits, birth_date = _birth_date(bits)
        bits, choice = divmod(bits, len(self._towns))
        town = self._towns[choice]
        bits, house = _house(bits)
        return Person(
            index=index,
            individual_number=self._individual_number(index),
            resident_record_code=self._resident_record_code(index),
            name=f"{SURNAME_MARK}{surname}　{given}",
            kana=f"{SURNAME_MARK_KANA}{surname_kana}　{given_kana}",
            sex=sex,
            birth_date=birth_date,
            address=f"{PREFECTURE}{CITY}{town.name}{house}",
            postal_code=town.postal_code,
        )

    def _individual_number(self, index: int) -> str:
        digits = f"{INDIVIDUAL_NUMBER_MARK}{permute(self._numbers, index, _HALF):08d}"
        return f"{digits}{individual_number_check_digit(digits)}"

    def _resident_record_code(self, index: int) -> str:
        number = permute(self._records, index, _HALF)
        stand_in = number % 9  # where the check digit stands; the formula of the 告示 is not at hand
        return f"{RESIDENT_RECORD_MARK}{number:08d}{stand_in}"


def age_on(birth_date: date, on: date) -> int:
    """Completed years on a date."""
    before_birthday = (on.month, on.day) < (birth_date.month, birth_date.day)
    return on.year - birth_date.year - before_birthday


def _birth_date(bits: int) -> tuple[int, date]:
    bits, choice = divmod(bits, _LAST_BY_BAND[-1])
    band = bisect_right(_LAST_BY_BAND, choice)
    bits, days = divmod(bits, round(_AGE_BAND_YEARS * 365.25))
    youngest = AGES_COUNTED_ON.replace(year=AGES_COUNTED_ON.year - band * _AGE_BAND_YEARS)
    return bits, youngest - timedelta(days=days)


def _house(bits: int) -> tuple[int, str]:
    bits, block = divmod(bits, 100)
    bits, number = divmod(bits, 99)
    bits, room = divmod(bits, 30)
    flat = f"　模擬荘{(room % 9 + 1) * 100 + room // 9 + 1}" if room < 18 else ""
    return bits, f"{ADDRESS_MARK}{900 + block}番地{number + 1}{flat}"
