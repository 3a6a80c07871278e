"""LS-1.3: a 個人番号 that somebody had before makes nobody new and nobody somebody else."""

from __future__ import annotations

import pytest

from tests.support.change_files import SYSTEM, as_of, change, day, loaded, registering, take, with_juki
from tests.support.resident_files import csv_bytes, four_items, individual_number, person, put, through

FORMER = "individual_number_former"


@pytest.fixture
async def ward(world):
    return await with_juki(world)


async def test_a_number_that_somebody_had_before_is_a_hold_and_nobody_new(ward):
    async with ward.served() as caller:
        await loaded(ward)
        first = await take(
            ward,
            [
                change("n", 1, "individual_number_change", day(-2), individual_number=individual_number(60)),
                change("m", 1, "individual_number_change", day(-1), individual_number=individual_number(61)),
                registering("b", 7, "birth", day(0), individual_number=individual_number(1)),
            ],
            name="1.csv",
        )
        again = csv_bytes([person(1, system=SYSTEM), person(8, system=SYSTEM, individual_number=individual_number(60))])
        await through(put(ward.config.spool, again, name="again.csv", count=2, system=SYSTEM), "again.csv")
        results = await take(
            ward,
            [
                registering("c", 9, "move_in", day(0), individual_number=individual_number(60)),
                registering("d", 1, "move_in", day(0), individual_number=individual_number(1)),
                change("e", 2, "individual_number_change", day(0), individual_number=individual_number(1)),
                change("f", 1, "individual_number_change", day(0), individual_number=individual_number(1)),
                change("g", 1, "individual_number_change", day(-2), individual_number=individual_number(60)),
            ],
            name="2.csv",
        )
        now = await as_of(caller, 1, day())
    assert first == [("applied", ""), ("applied", ""), ("held", FORMER)]
    assert results == [("held", FORMER)] * 4 + [("applied", "")]
    assert now["individual_number"] == individual_number(61)
    holds = await ward.rows("select subject, reason from review_hold order by subject, reason")
    assert [tuple(row) for row in holds] == [("addressee", FORMER)] * 2 + [("change", FORMER)] * 5
    assert len(await ward.rows("select from person")) == 3
    assert len(await ward.rows("select from former_individual_number")) == 2


async def test_a_number_that_was_given_back_by_a_cancellation_is_nobodys_former_one(ward):
    async with ward.served():
        await loaded(ward)
        results = await take(
            ward,
            [
                change("n", 1, "individual_number_change", day(-3), individual_number=individual_number(60)),
                change("m", 1, "individual_number_change", day(-2), individual_number=individual_number(61)),
                change("c", 1, "cancellation", day(0), cancels="n"),
                registering("b", 7, "birth", day(0), individual_number=individual_number(60)),
            ],
            name="1.csv",
        )
        assert len(await ward.rows("select from former_individual_number")) == 1
        results += await take(
            ward,
            [
                change("d", 1, "cancellation", day(0), cancels="m"),
                registering("e", 8, "birth", day(0), individual_number=individual_number(61)),
            ],
            name="2.csv",
        )
    assert [outcome for outcome, _ in results] == ["applied"] * 3 + ["issued", "applied", "issued"]
    assert await ward.rows("select from former_individual_number") == []


async def test_a_number_that_is_told_late_is_nobody_elses_on_any_day(ward):
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(
            ward,
            [
                change("n", 1, "individual_number_change", day(-2), individual_number=individual_number(60)),
                change("o", 2, "individual_number_change", day(-2), individual_number=individual_number(61)),
                change("late", 1, "individual_number_change", day(-5), individual_number=individual_number(3)),
                change("ago", 1, "individual_number_change", day(-30), individual_number=individual_number(3)),
                change("was", 1, "individual_number_change", day(-5), individual_number=individual_number(2)),
                change("own", 1, "individual_number_change", day(-5), individual_number=individual_number(62)),
            ],
            name="1.csv",
        )
        then = await as_of(caller, 1, day(-4))
    assert results == [
        ("applied", ""),
        ("applied", ""),
        ("held", "individual_number_taken"),
        ("held", "individual_number_taken"),
        ("held", FORMER),
        ("applied", ""),
    ]
    assert then["individual_number"] == individual_number(62)


async def test_the_resident_network_is_asked_about_a_number_that_is_told_late(ward):
    ward.neighbours.people = {individual_number(nth): four_items(nth) for nth in (1, 2, 3)}
    ward.neighbours.people |= {individual_number(nth): four_items(1) for nth in (60, 62)}
    async with ward.served():
        await loaded(ward, 1)
    async with ward.served(compare_with_resident_network=True) as caller:
        results = await take(
            ward,
            [
                change("n", 1, "individual_number_change", day(-2), individual_number=individual_number(60)),
                change("stranger", 1, "individual_number_change", day(-5), individual_number=individual_number(2)),
                change("nobody", 1, "individual_number_change", day(-5), individual_number=individual_number(61)),
                change("own", 1, "individual_number_change", day(-5), individual_number=individual_number(62)),
            ],
            name="1.csv",
        )
        then = await as_of(caller, 1, day(-4))
    assert results == [
        ("applied", ""),
        ("held", "four_items_differ"),
        ("held", "not_in_resident_network"),
        ("applied", ""),
    ]
    assert then["individual_number"] == individual_number(62)
