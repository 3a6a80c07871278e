"""SC-22: one day in every way of writing it that systems send, with what it took; what is no day is none."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.days_written import read_day


@pytest.mark.parametrize(
    ("text", "took"),
    [
        ("1980-01-31", set()),
        ("１９８０－０１－３１", {"compatibility"}),
        ("1980‐01‐31", {"hyphens"}),
        ("19800131", {"date_form"}),
        ("1980/1/31", {"date_form"}),
        ("1980年1月31日", {"date_form"}),
        ("１９８０年１月３１日", {"compatibility", "date_form"}),
        ("1980 年 1 月 31 日", {"spaces", "date_form"}),
        ("昭和55年1月31日", {"era"}),
        ("昭和５５年１月３１日", {"compatibility", "era"}),
        ("S55.1.31", {"era"}),
        ("s550131", {"era"}),
        ("Ｓ５５．０１．３１", {"compatibility", "era"}),
        ("㍼55年1月31日", {"compatibility", "era"}),
    ],
)
def test_a_day_is_read_in_every_form_with_what_it_took(text, took):
    assert read_day(text) == (date(1980, 1, 31), took)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("令和元年5月1日", date(2019, 5, 1)),
        ("R7/12/1", date(2025, 12, 1)),
        ("平成1年1月8日", date(1989, 1, 8)),
        ("H31.5.1", date(2019, 5, 1)),
        ("大正15年12月24日", date(1926, 12, 24)),
        ("M45-07-29", date(1912, 7, 29)),
    ],
)
def test_eras_are_read_by_their_year(text, day):
    assert read_day(text) == (day, {"era"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "架空",
        "1980-02-30",
        "1980-13-01",
        "S0.1.1",
        "昭和年1月1日",
        "1980-1",
        "550131",
        "3550131",
        "X55.1.31",
        "1980-01-31T00",
    ],
)
def test_what_is_no_day_is_none(text):
    assert read_day(text) is None


@given(day=st.dates(min_value=date(1869, 1, 1), max_value=date(2117, 12, 31)))
def test_a_day_and_the_one_after_are_never_one(day):
    eras = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
    for era, before in eras.items():
        if 0 < day.year - before < 100:
            assert read_day(f"{era}{day.year - before}年{day.month}月{day.day}日") == (day, {"era"})
    assert read_day((day + timedelta(days=1)).isoformat()) == (day + timedelta(days=1), set())


@given(text=st.text(max_size=30))
def test_no_text_breaks_the_reading(text):
    read_day(text)
