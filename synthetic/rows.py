"""Rows of a resident file (宛名 of one business system) and the bad rows that are put among them on purpose.

A planted row is one row more, after good ones; the good rows stay as they are. The reason beside each planted row is
what the linkage server must report for its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from synthetic.draws import key_for, permute
from synthetic.people import Person

RESIDENT = "住民"
NON_RESIDENT = "住登外"

_HALF = 100_000
_TAKEN_BY_PEOPLE = 10


class RowReason(StrEnum):
    """Why the linkage server does not take a row (LS-1.1, LS-1.3)."""

    CHECK_DIGIT = "individual_number_check_digit"
    DUPLICATE = "duplicate_row"
    FOUR_ITEMS_DIFFER = "four_items_differ"
    FIELD_MISSING = "field_missing"
    FIELD_MALFORMED = "field_malformed"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResidentRow:
    """One line of a resident file, as text; the order of the fields is the order of the columns."""

    system: str
    addressee_number: str
    individual_number: str
    name: str
    kana: str
    sex: str
    birth_date: str
    address: str
    resident_kind: str

    def __repr__(self) -> str:
        return "ResidentRow()"

    def columns(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in COLUMNS)


COLUMNS = tuple(field.name for field in fields(ResidentRow))


class Addressees:
    """宛名番号 of one business system: ten digits, never twice; every system draws its own."""

    def __init__(self, seed: int, system: str) -> None:
        self.system = system
        self._key = key_for(seed, f"addressee/{system}")

    def number(self, person: Person) -> str:
        return self._spread(person.index * _TAKEN_BY_PEOPLE)

    def spare(self, nth: int) -> str:
        """A number that no person of the population has, for the nth planted row."""
        return self._spread(nth * _TAKEN_BY_PEOPLE + 1)

    def _spread(self, index: int) -> str:
        return f"{permute(self._key, index, _HALF):010d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A row and what must become of it: None means taken."""

    row: ResidentRow
    reason: RowReason | None


def resident_rows(people: Iterable[Person], addressees: Addressees) -> Iterator[ResidentRow]:
    """One good row for each person."""
    for person in people:
        yield ResidentRow(
            system=addressees.system,
            addressee_number=addressees.number(person),
            individual_number=person.individual_number,
            name=person.name,
            kana=person.kana,
            sex=person.sex.value,
            birth_date=person.birth_date.isoformat(),
            address=person.address,
            resident_kind=RESIDENT,
        )


def unharmed(rows: Iterable[ResidentRow]) -> Iterator[Planted]:
    """The rows as they are, all to be taken."""
    return (Planted(row=row, reason=None) for row in rows)


def plant(
    rows: Iterable[ResidentRow], addressees: Addressees, *, every: int = 100, times: int = 3
) -> Iterator[Planted]:
    """Put bad rows of every kind among the good: one after each `every` good rows, `times` of each kind.

    A file with fewer than `every * times * len(FAULTS)` good rows has fewer bad ones.
    """
    bad = 0
    for count, row in enumerate(rows, start=1):
        yield Planted(row=row, reason=None)
        if count % every == 0 and bad < times * len(FAULTS):
            spoil, reason = FAULTS[bad % len(FAULTS)]
            yield Planted(row=spoil(row, addressees.spare(bad)), reason=reason)
            bad += 1


def _wrong_check_digit(row: ResidentRow, spare: str) -> ResidentRow:
    digits, last = row.individual_number[:-1], int(row.individual_number[-1])
    return replace(row, addressee_number=spare, individual_number=f"{digits}{(last + 1) % 10}")


def _exact_duplicate(row: ResidentRow, spare: str) -> ResidentRow:  # noqa: ARG001  every fault has one shape
    return row


def _another_person(row: ResidentRow, spare: str) -> ResidentRow:
    other_sex = "1" if row.sex == "2" else "2"
    return replace(
        row,
        addressee_number=spare,
        name="模擬別人　別太",
        kana="モギベツジン　ベツタ",
        sex=other_sex,
        birth_date="1901-01-01",
        address="東京都世田谷区架空999番地",
    )


def _empty_name(row: ResidentRow, spare: str) -> ResidentRow:
    return replace(row, addressee_number=spare, name="")


def _letters_in_the_number(row: ResidentRow, spare: str) -> ResidentRow:
    return replace(
        row, addressee_number=spare, individual_number=f"{row.individual_number[:4]}ABCD{row.individual_number[8:]}"
    )


def _date_that_is_none(row: ResidentRow, spare: str) -> ResidentRow:
    return replace(row, addressee_number=spare, birth_date="1985-02-30")


FAULTS: tuple[tuple[Callable[[ResidentRow, str], ResidentRow], RowReason], ...] = (
    (_wrong_check_digit, RowReason.CHECK_DIGIT),
    (_exact_duplicate, RowReason.DUPLICATE),
    (_another_person, RowReason.FOUR_ITEMS_DIFFER),
    (_empty_name, RowReason.FIELD_MISSING),
    (_letters_in_the_number, RowReason.FIELD_MALFORMED),
    (_date_that_is_none, RowReason.FIELD_MALFORMED),
)
