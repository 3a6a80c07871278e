"""Periods: two days in order, fiscal years, and what a record's validity is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook import periods
from codebook.layouts import DataSet, Validity
from codebook.periods import Period, PeriodMalformedError, fiscal_year, fiscal_year_of, parse, validity

DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@given(DAYS, DAYS)
def test_a_period_is_read_as_it_is_written(one: date, other: date) -> None:
    period = Period(min(one, other), max(one, other))
    assert parse(str(period)) == period


@given(DAYS, DAYS, DAYS, DAYS)
def test_periods_meet_when_they_share_a_day(a: date, b: date, c: date, d: date) -> None:
    one, other = Period(min(a, b), max(a, b)), Period(min(c, d), max(c, d))
    shared = max(one.first, other.first) <= min(one.last, other.last)
    assert one.meets(other) == other.meets(one) == shared


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2022-04-01",
        "2022-04-02/2022-04-01",
        "2022-02-30/2022-03-01",
        "20220401/20220402",
        "2022-04-01/2022-04-02 ",
        "２０２２-04-01/2022-04-02",
    ],
)
def test_what_is_not_two_days_in_order_is_refused(text: str) -> None:
    with pytest.raises(PeriodMalformedError):
        parse(text)


@given(DAYS)
def test_a_day_lies_in_its_own_fiscal_year_and_in_no_other(day: date) -> None:
    year = fiscal_year_of(day)
    assert [fiscal_year(one).meets(Period(day, day)) for one in (year - 1, year, year + 1)] == [False, True, False]


def test_a_fiscal_year_begins_on_the_first_of_april() -> None:
    assert str(fiscal_year(2023)) == "2023-04-01/2024-03-31"
    assert fiscal_year_of(date(2024, 3, 31)) == 2023
    assert fiscal_year_of(date(2024, 4, 1)) == 2024


def of(validity_: Validity | None, **items: str) -> Period:
    data_set = DataSet(name="x", parent=None, items={}, validity=validity_)
    said = {name: {"value": value} if value else {"null_reason": "NotApplicable"} for name, value in items.items()}
    return validity(data_set, said, date(2020, 1, 1), None)


def test_validity_is_what_the_layout_points_at() -> None:
    assert of(None) == Period(date(2020, 1, 1), date.max)
    assert of(Validity(year="y"), y="2021") == fiscal_year(2021)
    assert of(Validity(year="y"), y="") == Period(date.min, date.max)
    days = Validity(first="f", last="t")
    assert of(days, f="2021-01-01", t="2021-01-31") == Period(date(2021, 1, 1), date(2021, 1, 31))
    assert of(days, f="", t="") == Period(date.min, date.max)
    until = Validity(first="f", until="u")
    assert of(until, f="2021-01-01", u="2021-02-01") == Period(date(2021, 1, 1), date(2021, 1, 31))
    assert of(until, f="2021-01-01", u="") == Period(date(2021, 1, 1), date.max)
    assert of(until, f="2021-01-01", u="2021-01-01") == Period(date(2021, 1, 1), date(2021, 1, 1))
    assert periods.validity(None, {}, date(2020, 1, 1), date(2020, 2, 1)) == Period(date(2020, 1, 1), date(2020, 2, 1))
