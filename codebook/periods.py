"""照会条件 (年度・期間): the days that an inquiry asks about, and whether a record's validity meets them. Pure.

On the wire a period is `YYYY-MM-DD/YYYY-MM-DD`, both days included (ISO 8601 interval of two dates). A fiscal year is the period from
1 April to 31 March.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from codebook.errors import CodebookError
from codebook.layouts import DataSet

_SECOND_DAY: Final = date.min + timedelta(days=1)
"""The first day that has one before it."""
_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PeriodMalformedError(CodebookError):
    """Not two days in order."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From one day to another, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise PeriodMalformedError("a period ends before it begins")

    def __str__(self) -> str:
        return f"{self.first.isoformat()}/{self.last.isoformat()}"

    def meets(self, other: Period) -> bool:
        """Whether they share a day."""
        return self.first <= other.last and other.first <= self.last


def parse(text: str) -> Period:
    """Raises PeriodMalformedError; the text is not quoted."""
    if _FORM.fullmatch(text) is None:
        raise PeriodMalformedError("a period is two days: YYYY-MM-DD/YYYY-MM-DD")
    try:
        first, last = (date.fromisoformat(part) for part in text.split("/"))
    except ValueError:
        raise PeriodMalformedError("a period names a day that does not exist") from None
    return Period(first, last)


def fiscal_year(year: int) -> Period:
    """年度: 1 April to 31 March. Raises PeriodMalformedError for a year that a date cannot have."""
    try:
        return Period(date(year, 4, 1), date(year + 1, 3, 31))
    except ValueError:
        raise PeriodMalformedError("a year that does not exist") from None


def fiscal_year_of(day: date) -> int:
    return day.year if day.month >= 4 else day.year - 1


def validity(
    data_set: DataSet | None, items: Mapping[str, Mapping[str, str]], public_from: date, public_to: date | None
) -> Period:
    """What a record is about: the year or the days that its layout points at, or else the days on which it is public.

    A day without a value is open: the record has no beginning, or has not ended. A year without a value tells nothing: it is about any.
    """
    if data_set is None or data_set.validity is None:
        return Period(public_from, public_to or date.max)
    told = data_set.validity
    if told.year is not None:
        year = items.get(told.year, {}).get("value", "")
        return (
            fiscal_year(int(year))
            if year.isdecimal() and 1 <= int(year) < date.max.year
            else Period(date.min, date.max)
        )
    first = _day(items, told.first) or date.min
    last = _day(items, told.last) or date.max
    if told.until is not None:
        until = _day(items, told.until)
        last = date.max if until is None else max(until, _SECOND_DAY) - timedelta(days=1)
    return Period(first, last) if first <= last else Period(first, first)


def _day(items: Mapping[str, Mapping[str, str]], name: str | None) -> date | None:
    value = items.get(name or "", {}).get("value")
    return None if value is None else date.fromisoformat(value)
