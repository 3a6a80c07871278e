"""宛名 rows as they come from a file or a request: their form is checked here, and nothing else (LS-1.1, LS-1.3).

A row is one physical line: a stray quotation mark spoils its own line and never swallows good ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from codebook import individual_number
from codebook.check_digits import is_digits
from codebook.identifiers import INTEGRATED_NUMBER_LENGTH
from gateway.batch.text_forms import FixedLayout, TextReason, TextRefused, decode_lines, split_csv
from gateway.linkage_server.file_layouts import ADDRESSEE_COLUMNS as COLUMNS
from gateway.linkage_server.file_layouts import MIGRATED, columns_of

RESIDENT_KINDS: Final = frozenset({"住民", "住登外"})
SEXES: Final = frozenset({"0", "1", "2", "9"})
_LONGEST: Final = 300
_OTHER_SCRIPTS: Final = re.compile(r"[\u0250-\u07ff]")
_NO_READING: Final = re.compile(r"[\u0080-\u07ff]")


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
    INDIVIDUAL_NUMBER_FORMER = "individual_number_former"
    NOT_IN_RESIDENT_NETWORK = "not_in_resident_network"
    NUMBER_OF_A_HOUSEHOLD_MEMBER = "number_of_a_household_member"
    NUMBER_ON_TWO_PEOPLE = "number_on_two_people"
    AGE_AGAINST_AFFAIR = "age_against_affair"
    ADDRESSEE_ENDED = "addressee_ended"
    INTEGRATED_NUMBER_TAKEN = "integrated_number_taken"
    INTEGRATED_NUMBER_DIFFERS = "integrated_number_differs"
    PERSON_FROZEN = "person_frozen"


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row in good form. Text stays as it was written; `individual_number` and `integrated_number` may be empty. Never printed."""

    line: int
    addressee_number: str
    individual_number: str
    name: str
    kana: str
    sex: str
    birth_date: str
    address: str
    resident_kind: str
    integrated_number: str = ""

    def __repr__(self) -> str:
        return "<Row>"

    def four_items(self) -> list[str]:
        return [self.name, self.kana, self.sex, self.birth_date, self.address]


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A row that is not in good form: why, and where (a column's name, or `column 17` for a place in the line)."""

    line: int
    reason: Reason | TextReason
    where: str = ""


Parsed = Row | Malformed
_Wrong = tuple[Reason, str]


def _form(fields: Sequence[str], *, system: str, may_use_individual_number: bool, today: str) -> _Wrong | None:
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
        return Reason.FIELD_MISSING, _first_missing(fields)
    if of_system != system:
        return Reason.SYSTEM_DIFFERS, "system"
    if not (
        addressee.isascii()
        and addressee.isdigit()
        and len(addressee) <= 15
        and sex in SEXES
        and kind in RESIDENT_KINDS
        and is_name(name)
        and is_reading(kana)
        and len(address) <= _LONGEST
        and is_date(birth_date)
        and birth_date <= today
    ):
        return Reason.FIELD_MALFORMED, _first_malformed(fields, today)
    return _form_of_number(individual, may_use_individual_number=may_use_individual_number) if individual else None


def _first_malformed(fields: Sequence[str], today: str) -> str:
    _, addressee, _, name, kana, sex, birth_date, address, kind = fields
    good = {
        "addressee_number": addressee.isascii() and addressee.isdigit() and len(addressee) <= 15,
        "name": is_name(name),
        "kana": is_reading(kana),
        "sex": sex in SEXES,
        "birth_date": is_date(birth_date) and birth_date <= today,
        "address": len(address) <= _LONGEST,
        "resident_kind": kind in RESIDENT_KINDS,
    }
    return next(name for name, is_good in good.items() if not is_good)


def _first_missing(fields: Sequence[str]) -> str:
    needed = (name for name in COLUMNS if name not in {"individual_number", "kana"})
    return next(name for name in needed if not fields[COLUMNS.index(name)].strip())


def _form_of_number(individual: str, *, may_use_individual_number: bool) -> _Wrong | None:
    if not may_use_individual_number:
        return Reason.INDIVIDUAL_NUMBER_NOT_ALLOWED, "individual_number"
    if individual_number.is_valid(individual):
        return None
    reason = Reason.INDIVIDUAL_NUMBER_CHECK_DIGIT if individual_number.has_form(individual) else Reason.FIELD_MALFORMED
    return reason, "individual_number"


def is_name(text: str) -> bool:
    """Whether it can be somebody's name here: in letters of Japanese and Latin ones, as residents are registered. Others are half-width kana of CP932
    that somebody has read as UTF-8.
    """
    return len(text) <= _LONGEST and (text.isascii() or _OTHER_SCRIPTS.search(text) is None)


def is_reading(text: str) -> bool:
    """Whether it can be the reading of a name, which has no accents either. Empty: none is known."""
    return len(text) <= _LONGEST and (text.isascii() or _NO_READING.search(text) is None)


@lru_cache(maxsize=1 << 16)
def is_date(text: str) -> bool:
    """YYYY-MM-DD, a day that there is."""
    if len(text) != 10 or text[7] != "-":  # ten characters are also a week of ISO 8601
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check(
    line: int, fields: Sequence[str], *, system: str, may_use_individual_number: bool, needs_kana: bool, today: str
) -> Parsed:
    """A row of nine texts in the order of `COLUMNS`, and the migrated integrated number if there is a tenth. `today`: YYYY-MM-DD; nobody is born later.

    The four items tell people apart, whatever affair they come for; a reading that no affair needs is dropped here (SC-14).
    """
    wrong = _form(fields[:9], system=system, may_use_individual_number=may_use_individual_number, today=today)
    if wrong is not None:
        return Malformed(line, *wrong)
    if len(fields) > len(COLUMNS) and not _is_integrated_number(fields[9]):
        return Malformed(line, Reason.FIELD_MALFORMED, MIGRATED)
    row = Row(line, *fields[1:])
    return row if needs_kana or not row.kana else msgspec.structs.replace(row, kana="")


def _is_integrated_number(text: str) -> bool:
    """Whether there is none, or one: a field that is filled with zeros has none, and says it wrongly."""
    return not text or (is_digits(text, INTEGRATED_NUMBER_LENGTH) and int(text) > 0)


class RowReader:
    """Reads lines of a file: CSV under a header, or fixed width by a layout. `migrates`: whether it brings integrated numbers."""

    def __init__(
        self,
        names: Sequence[str],
        layout: FixedLayout | None,
        *,
        encoding: str,
        system: str,
        may_use_individual_number: bool,
        needs_kana: bool,
        today: str,
    ) -> None:
        self.migrates = MIGRATED in names
        wanted = (*COLUMNS, MIGRATED) if self.migrates else COLUMNS
        self._width = len(wanted)
        self._order = None if tuple(names) == wanted else tuple(names.index(name) for name in wanted)
        self._layout = layout
        self._encoding = encoding
        self._system = system
        self._may = may_use_individual_number
        self._needs_kana = needs_kana
        self._today = today

    @classmethod
    def from_header(
        cls, header: bytes, *, encoding: str, system: str, may_use_individual_number: bool, needs_kana: bool, today: str
    ) -> RowReader | None:
        """None when the header does not have exactly the columns (in any order; a byte order mark is passed over)."""
        names = columns_of(header, encoding)
        if sorted(names) not in (sorted(COLUMNS), sorted((*COLUMNS, MIGRATED))):
            return None
        return cls(
            names,
            None,
            encoding=encoding,
            system=system,
            may_use_individual_number=may_use_individual_number,
            needs_kana=needs_kana,
            today=today,
        )

    @classmethod
    def of_layout(
        cls,
        layout: FixedLayout,
        *,
        encoding: str,
        system: str,
        may_use_individual_number: bool,
        needs_kana: bool,
        today: str,
    ) -> RowReader:
        names = [field.name for field in layout.fields]
        return cls(
            names,
            layout,
            encoding=encoding,
            system=system,
            may_use_individual_number=may_use_individual_number,
            needs_kana=needs_kana,
            today=today,
        )

    def read(self, first_line: int, lines: Sequence[bytes]) -> list[Parsed]:
        if self._layout is not None:
            layout, encoding = self._layout, self._encoding
            return [
                self._fields(number, layout.split(line, encoding, number=number))
                for number, line in enumerate(lines, start=first_line)
            ]
        texts = decode_lines(lines, self._encoding, first=first_line)
        return [self._one(number, text) for number, text in enumerate(texts, start=first_line)]

    def _one(self, number: int, text: str | TextRefused) -> Parsed:
        return self._fields(number, text if isinstance(text, TextRefused) else split_csv(text, number=number))

    def _fields(self, number: int, fields: list[str] | TextRefused) -> Parsed:
        if isinstance(fields, TextRefused):
            return Malformed(number, fields.reason, f"column {fields.column}")
        if len(fields) != self._width:
            return Malformed(number, TextReason.LENGTH, f"{len(fields)} fields")
        if self._order is not None:
            fields = [fields[at] for at in self._order]
        return check(
            number,
            fields,
            system=self._system,
            may_use_individual_number=self._may,
            needs_kana=self._needs_kana,
            today=self._today,
        )
