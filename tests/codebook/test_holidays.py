"""Days on which offices are closed, against what the Cabinet Office has published."""

from __future__ import annotations

from datetime import date

from codebook.holidays import closed_days, national_holidays

PUBLISHED = {
    2022: "1-1 1-10 2-11 2-23 3-21 4-29 5-3 5-4 5-5 7-18 8-11 9-19 9-23 10-10 11-3 11-23",
    2023: "1-1 1-2 1-9 2-11 2-23 3-21 4-29 5-3 5-4 5-5 7-17 8-11 9-18 9-23 10-9 11-3 11-23",
    2024: "1-1 1-8 2-11 2-12 2-23 3-20 4-29 5-3 5-4 5-5 5-6 7-15 8-11 8-12 9-16 9-22 9-23 10-14 11-3 11-4 11-23",
    2025: "1-1 1-13 2-11 2-23 2-24 3-20 4-29 5-3 5-4 5-5 5-6 7-21 8-11 9-15 9-23 10-13 11-3 11-23 11-24",
    2026: "1-1 1-12 2-11 2-23 3-20 4-29 5-3 5-4 5-5 5-6 7-20 8-11 9-21 9-22 9-23 10-12 11-3 11-23",
}
"""By 内閣府「国民の祝日について」, days in place of a Sunday and between two holidays included."""


def test_the_days_are_those_that_were_published():
    for year, days in PUBLISHED.items():
        assert national_holidays(year) == {date(year, *map(int, day.split("-"))) for day in days.split()}


def test_offices_are_closed_at_the_turn_of_the_year():
    assert {date(2026, 12, day) for day in (29, 30, 31)} | {date(2026, 1, day) for day in (1, 2, 3)} <= closed_days(
        2026
    )
    assert date(2026, 12, 28) not in closed_days(2026)
    assert date(2026, 1, 5) not in closed_days(2026)


def test_every_year_has_its_equinoxes():
    for year in range(1980, 2100):
        found = national_holidays(year)
        assert {day.day for day in found if day.month == 3} & {19, 20, 21, 22}
        assert {day.day for day in found if day.month == 9} & {22, 23, 24}
