"""宛名 rows as they come from a file or a request: their form is checked here, and nothing else (LS-1.1, LS-1.3).

A row is one physical line: a stray quotation mark spoils its own line and never swallows good ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from codebook import individual_number

COLUMNS: Final = (
    "system",
    "addressee_number",
    "individual_number",
    "name",
    "kana",
    "sex",
    "birth_date",
    "address",
    "resident_kind",
)
RESIDENT_KINDS: Final = frozenset({"住民", "住登外"})
_SEXES: Final = frozenset({"0", "1", "2", "9"})
_LONGEST: Final = 300


class Reason(StrEnum):
    """Why a row is not linked. The first five are found by looking at the row, the others by comparing it."""

    FIELD_MISSING = "field_missing"
    FIELD_MALFORMED = "field_malformed"
    INDIVIDUAL_NUMBER_CHECK_DIGIT = "individual_number_check_digit"
    SYSTEM_DIFFERS = "system_differs"
    INDIVIDUAL_NUMBER_NOT_ALLOWED = "individual_number_not_allowed"
    DUPLICATE_ROW = "duplicate_row"
    FOUR_ITEMS_DIFFER = "four_items_differ"
    INDIVIDUAL_NUMBER_DIFFERS = "individual_number_differs"
    NOT_IN_RESIDENT_NETWORK = "not_in_resident_network"


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row in good form. Text stays as it was written; `individual_number` may be empty. Never printed."""

    line: int
    addressee_number: str
    individual_number: str
    name: str
    kana: str
    sex: str
    birth_date: str
    address: str
    resident_kind: str

    def __repr__(self) -> str:
        return "<Row>"

    def four_items(self) -> list[str]:
        return [self.name, self.kana, self.sex, self.birth_date, self.address]


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A row that is not in good form, and why."""

    line: int
    reason: Reason


Parsed = Row | Malformed


def _form(fields: Sequence[str], *, system: str, may_use_individual_number: bool) -> Reason | None:
    """The first thing wrong with nine fields in the order of `COLUMNS`, or None."""
    of_system, addressee, individual, name, kana, sex, birth_date, address, kind = fields
    if not (
        of_system
        and addressee
        and name
        and sex
        and birth_date
        and address
        and kind
        and name.strip()
        and address.strip()
    ):
        return Reason.FIELD_MISSING
    if of_system != system:
        return Reason.SYSTEM_DIFFERS
    if not (
        addressee.isascii()
        and addressee.isdigit()
        and len(addressee) <= 15
        and sex in _SEXES
        and kind in RESIDENT_KINDS
    ):
        return Reason.FIELD_MALFORMED
    if len(name) > _LONGEST or len(kana) > _LONGEST or len(address) > _LONGEST or not _is_date(birth_date):
        return Reason.FIELD_MALFORMED
    return _form_of_number(individual, may_use_individual_number=may_use_individual_number) if individual else None


def _form_of_number(individual: str, *, may_use_individual_number: bool) -> Reason | None:
    if not may_use_individual_number:
        return Reason.INDIVIDUAL_NUMBER_NOT_ALLOWED
    if individual_number.is_valid(individual):
        return None
    digits = len(individual) == individual_number.LENGTH and individual.isascii() and individual.isdigit()
    return Reason.INDIVIDUAL_NUMBER_CHECK_DIGIT if digits else Reason.FIELD_MALFORMED


def _is_date(text: str) -> bool:
    if len(text) != 10:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check(line: int, fields: Sequence[str], *, system: str, may_use_individual_number: bool) -> Parsed:
    """A row of nine texts in the order of `COLUMNS`."""
    reason = _form(fields, system=system, may_use_individual_number=may_use_individual_number)
    if reason is not None:
        return Malformed(line, reason)
    return Row(line, *fields[1:])


def _split(text: str) -> list[str]:
    """The fields of one line; a line with quotation marks goes to the CSV reader alone. Raises csv.Error."""
    if '"' not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True), [])


class RowReader:
    """Reads lines of a file under its header. `order`: where each of `COLUMNS` stands."""

    def __init__(self, order: Sequence[int], *, encoding: str, system: str, may_use_individual_number: bool) -> None:
        self._order = None if list(order) == list(range(len(COLUMNS))) else tuple(order)
        self._encoding = encoding
        self._system = system
        self._may = may_use_individual_number

    @classmethod
    def from_header(
        cls, header: bytes, *, encoding: str, system: str, may_use_individual_number: bool
    ) -> RowReader | None:
        """None when the header does not have exactly the columns (in any order; a byte order mark is passed over)."""
        try:
            names = _split(header.decode(encoding).removeprefix("\ufeff").rstrip("\r\n"))
        except (UnicodeDecodeError, csv.Error):
            return None
        if sorted(names) != sorted(COLUMNS):
            return None
        return cls(
            [names.index(name) for name in COLUMNS],
            encoding=encoding,
            system=system,
            may_use_individual_number=may_use_individual_number,
        )

    def read(self, first_line: int, lines: Iterable[bytes]) -> list[Parsed]:
        return [self._one(number, line) for number, line in enumerate(lines, start=first_line)]

    def _one(self, number: int, line: bytes) -> Parsed:
        try:
            fields = _split(line.decode(self._encoding).rstrip("\r\n"))
        except (UnicodeDecodeError, csv.Error):
            return Malformed(number, Reason.FIELD_MALFORMED)
        if len(fields) != len(COLUMNS):
            return Malformed(number, Reason.FIELD_MALFORMED)
        if self._order is not None:
            fields = [fields[at] for at in self._order]
        return check(number, fields, system=self._system, may_use_individual_number=self._may)
