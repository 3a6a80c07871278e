"""Days on which municipal offices are closed (地方自治法4条の2): holidays (国民の祝日に関する法律, as since 2022) and the turn of the year.

The days of the equinoxes are announced each February for the year after; the astronomical rule gives the same days, and is good for 1980 to 2099.
Saturdays and Sundays are not among these days unless they are holidays.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

_MONDAY: Final = 0
_SUNDAY: Final = 6
_DAY: Final = timedelta(days=1)
_FIXED: Final = ((1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23))
_MONDAYS: Final = ((1, 2), (7, 3), (9, 3), (10, 2))
"""成人の日, 海の日, 敬老の日, スポーツの日: month and which Monday of it."""
_TURN_OF_THE_YEAR: Final = ((1, 1), (1, 2), (1, 3), (12, 29), (12, 30), (12, 31))
_YEARS: Final = 64


@lru_cache(maxsize=_YEARS)
def national_holidays(year: int) -> frozenset[date]:
    """The holidays of a year, with the days that take the place of a Sunday (3条2項) and days between two holidays (3条3項)."""
    named = {date(year, *day) for day in _FIXED}
    named |= {_nth_monday(year, *which) for which in _MONDAYS}
    named |= {date(year, 3, _equinox(year, 20.8431)), date(year, 9, _equinox(year, 23.2488))}
    found = set(named)
    for day in sorted(named):
        if day.weekday() == _SUNDAY:
            found.add(_first_free_after(day, named))
    between = {day + _DAY for day in named if day + 2 * _DAY in named and day + _DAY not in found}
    return frozenset(found | between)


@lru_cache(maxsize=_YEARS)
def closed_days(year: int) -> frozenset[date]:
    """Holidays, and 29 December to 3 January."""
    return national_holidays(year) | {date(year, *day) for day in _TURN_OF_THE_YEAR}


def _nth_monday(year: int, month: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_MONDAY - first.weekday()) % 7 + 7 * (nth - 1))


def _equinox(year: int, of_1980: float) -> int:
    return int(of_1980 + 0.242194 * (year - 1980) - (year - 1980) // 4)


def _first_free_after(day: date, named: set[date]) -> date:
    free = day + _DAY
    while free in named:
        free += _DAY
    return free
