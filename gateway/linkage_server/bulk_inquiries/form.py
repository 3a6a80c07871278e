"""照会依頼ファイル: 18 fields a line, set apart by commas and with their widths, by width alone, or as CSV under our header (LS-3.2).

Fields and widths are those of DOMAIN §1.4; the header of the CSV form is ours. A line of 220 characters has no commas, one of 237 has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from codebook.periods import fiscal_year_of
from gateway.batch.text_forms import (
    Fill,
    Fixed,
    FixedLayout,
    TextReason,
    TextRefused,
    Unit,
    decode_line,
    encode_line,
    split_csv,
)

MOST_LINES: Final = 10_000

_WIDTHS: Final = (
    Fixed(name="number_scheme", width=2, fill=Fill.ZERO_LEFT),
    Fixed(name="addressee_number", width=15, fill=Fill.ZERO_LEFT),
    Fixed(name="integrated_number", width=15),
    Fixed(name="requested_at", width=17),
    Fixed(name="department", width=20),
    Fixed(name="user_id", width=20),
    Fixed(name="inquirer", width=16),
    Fixed(name="non_disclosure", width=1),
    Fixed(name="affair", width=16),
    Fixed(name="procedure", width=16),
    Fixed(name="inquirer_delegation", width=16),
    Fixed(name="provider_delegation", width=16),
    Fixed(name="provider", width=16),
    Fixed(name="information", width=16),
    Fixed(name="condition", width=1),
    Fixed(name="year_condition", width=1),
    Fixed(name="from_date", width=8),
    Fixed(name="to_date", width=8),
)
FIELDS: Final = tuple(field.name for field in _WIDTHS)
HEADER: Final = ",".join(FIELDS)
REQUESTED_AT: Final = FIELDS.index("requested_at")
_CONDITION, _YEAR_CONDITION, _FROM_DATE = map(FIELDS.index, ("condition", "year_condition", "from_date"))
BY_YEAR: Final = "1"
"""Field 15: the condition is a fiscal year (ours)."""
YEARS_BEFORE: Final = {"1": 0, "2": 1}
"""Field 16 with a condition by year: the fiscal year of 照会依頼日時, or the one before."""
YEAR_NAMED: Final = "3"
"""Field 16: the fiscal year that 照会開始日付 lies in."""
_LINE: Final = sum(field.width for field in _WIDTHS)
_INSTANT: Final = "%Y%m%d%H%M%S%f"
_YEARS: Final = (1000, 9998)


class Form(StrEnum):
    """How a line is cut into fields; values are the database's."""

    COMMA_AND_WIDTH = "comma_and_width"
    WIDTH = "width"
    CSV = "csv"


_LAYOUTS: Final = {
    Form.COMMA_AND_WIDTH: FixedLayout(fields=_WIDTHS, unit=Unit.CHARACTERS, separator=","),
    Form.WIDTH: FixedLayout(fields=_WIDTHS, unit=Unit.CHARACTERS),
}
_LENGTHS: Final = {_LINE: Form.WIDTH, _LINE + len(_WIDTHS) - 1: Form.COMMA_AND_WIDTH}


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """A line of the file. `number`: of the line in the file, from 1; `fields` or, when it cannot be cut, `refused`."""

    number: int
    fields: tuple[str, ...]
    refused: TextRefused | None = None


def form_of(lines: Sequence[bytes], encoding: str) -> Form | None:
    """The form of a file, by its header or by the first line that has the length of one; None when no line has."""
    for number, line in enumerate(lines, start=1):
        text = decode_line(line, encoding, number=number)
        if isinstance(text, TextRefused):
            continue
        if number == 1 and text == HEADER:
            return Form.CSV
        if len(text) in _LENGTHS:
            return _LENGTHS[len(text)]
    return None


def header_lines(form: Form) -> int:
    return 1 if form is Form.CSV else 0


def read(lines: Sequence[bytes], encoding: str, form: Form) -> list[Line]:
    """Every line of a file but its header."""
    first = header_lines(form)
    return [_read(line, encoding, form, number) for number, line in enumerate(lines[first:], start=first + 1)]


def _read(line: bytes, encoding: str, form: Form, number: int) -> Line:
    values = (
        _LAYOUTS[form].split(line, encoding, number=number) if form is not Form.CSV else _csv(line, encoding, number)
    )
    return Line(number, (), values) if isinstance(values, TextRefused) else Line(number, tuple(values))


def _csv(line: bytes, encoding: str, number: int) -> list[str] | TextRefused:
    text = decode_line(line, encoding, number=number)
    if isinstance(text, TextRefused):
        return text
    values = split_csv(text, number=number)
    if isinstance(values, TextRefused):
        return values
    return values if len(values) == len(FIELDS) else TextRefused(number, 1, TextReason.LENGTH)


def instant(text: str) -> datetime | None:
    """照会依頼日時, yyyyMMddHHmmssSSS, without a zone; None when it is none, or none that a later one can be written after in this form."""
    if len(text) != 17 or not text.isascii() or not text.isdigit():
        return None
    try:
        found = datetime.strptime(text, _INSTANT)  # noqa: DTZ007 (the file says a wall clock's time; it is moved by a millisecond and written back)
    except ValueError:
        return None
    return found if _YEARS[0] <= found.year <= _YEARS[1] else None


def write_again(requests: Sequence[Sequence[str]], encoding: str, form: Form) -> bytes:
    """The same questions as a file of the same form, each 1 ms later: the same bytes would be the same file and would not be asked again.

    A question about the fiscal year of the last millisecond of one names the year from then on.
    """
    lines = [_again(request, encoding, form, number) for number, request in enumerate(requests, start=1)]
    head = [f"{HEADER}\r\n".encode(encoding)] if form is Form.CSV else []
    return b"".join((*head, *lines))


def _again(request: Sequence[str], encoding: str, form: Form, number: int) -> bytes:
    moved = list(request)
    asked_at = instant(request[REQUESTED_AT])
    if asked_at is not None:
        later = asked_at + timedelta(milliseconds=1)
        moved[REQUESTED_AT] = later.strftime(_INSTANT)[:17]
        before = YEARS_BEFORE.get(request[_YEAR_CONDITION]) if request[_CONDITION] == BY_YEAR else None
        year = fiscal_year_of(asked_at.date())
        if before is not None and year != fiscal_year_of(later.date()):
            moved[_YEAR_CONDITION], moved[_FROM_DATE] = YEAR_NAMED, f"{year - before:04d}0401"
    made = (
        encode_line(",".join(moved), encoding, number=number)
        if form is Form.CSV
        else _LAYOUTS[form].join(moved, encoding, number=number)
    )
    if isinstance(made, TextRefused):
        raise ValueError("a request that was read in this form can be written in it")  # noqa: TRY004 (our own mistake)
    return made
