"""LS-1.2: files of changes that come in the wrong order end where the right order ends, and nothing is applied twice."""

from __future__ import annotations

import json

import pytest

from tests.support.change_files import (
    SYSTEM,
    as_of,
    change,
    changes_csv,
    day,
    loaded,
    registering,
    send,
    take,
    with_juki,
)
from tests.support.resident_files import four_items, individual_number, put, through

UNKNOWN = ("rejected", "addressee_unknown")
APPLIED = ("applied", "")


@pytest.fixture
async def ward(world):
    return await with_juki(world)


def moved(event_id: str, nth: int, on: str, to: str) -> dict[str, str]:
    return change(event_id, nth, "address_change", on, address=f"東京都世田谷区架空{to}")


async def result(ward, rows, name):
    data = changes_csv(rows)
    folder = put(ward.config.spool, data, name=name, count=len(rows), channel="person-changes", system=SYSTEM)
    return await through(folder, name)


async def recorded(ward):
    """Counts of each list in the log, in order."""
    rows = await ward.rows("select body from log_entry where kind = 'addressees.loaded' order by idx")
    facts = [json.loads(row["body"])["facts"] for row in rows]
    return [one for one in facts if one.get("channel") == "person-changes"]


async def test_a_file_that_came_before_the_one_it_needs_is_judged_anew_when_it_is_sent_again(ward):
    second = [moved("a", 1, day(-3), "1-1"), moved("b", 7, day(-1), "7-7"), change("c", 8, "death", day(-1))]
    async with ward.served() as caller:
        await loaded(ward)
        before = await result(ward, second, "day-2.csv")
        assert await take(ward, [moved("z", 1, day(-2), "2-2")], name="other.csv") == [APPLIED]
        assert await result(ward, second, "day-2-too-early.csv") == before
        assert await take(ward, [registering("m", 7, "move_in", day(-5))], name="day-1.csv") == [("issued", "")]
        after = await result(ward, second, "day-2-again.csv")
        revisions = await ward.rows("select integrated_number, revision from person order by 1")
        assert await result(ward, second, "day-2-once-more.csv") == after
        assert await ward.rows("select integrated_number, revision from person order by 1") == revisions
        one, seven = await as_of(caller, 1, day()), await as_of(caller, 7, day())
    outcomes = [[line.split(",")[1:3] for line in text.splitlines()[1:]] for text in (before, after)]
    assert outcomes == [[[*APPLIED], [*UNKNOWN], [*UNKNOWN]], [[*APPLIED], [*APPLIED], [*UNKNOWN]]]
    assert (one["address"], seven["address"]) == ("東京都世田谷区架空2-2", "東京都世田谷区架空7-7")
    assert len(await ward.rows("select from person_event")) == 4
    counts = [(one["lines"], one.get("applied", 0), one.get("rejected", 0)) for one in await recorded(ward)]
    assert counts == [(3, 1, 2), (1, 1, 0), (1, 0, 0), (3, 2, 1)]


async def test_a_change_that_stands_above_the_registration_it_needs_is_taken(ward):
    rows = [
        moved("b", 7, day(-1), "7-7"),
        change("c", 8, "death", day(-1)),
        registering("m", 7, "move_in", day(-5)),
    ]
    async with ward.served() as caller:
        assert await take(ward, rows, name="1.csv") == [APPLIED, UNKNOWN, ("issued", "")]
        assert (await as_of(caller, 7, day()))["address"] == "東京都世田谷区架空7-7"
    [counted] = await recorded(ward)
    assert {name: counted[name] for name in ("applied", "issued", "rejected")} == {
        "applied": 1,
        "issued": 1,
        "rejected": 1,
    }


async def test_a_line_that_is_judged_anew_is_compared_and_held_as_any_other(ward):
    rows = [change("d", 7, "death", day(-3)), moved("b", 7, day(-1), "7-7")]
    async with ward.served() as caller:
        assert await take(ward, rows, name="1.csv") == [UNKNOWN, UNKNOWN]
        await take(ward, [registering("m", 7, "move_in", day(-5))], name="2.csv")
        assert await take(ward, rows, name="3.csv") == [APPLIED, ("held", "event_after_death")]
        assert (await as_of(caller, 7, day()))["state"] == "dead"


async def test_a_death_before_what_somebody_did_since_is_looked_at_in_either_order(ward):
    """Whose death it is may be somebody else's: this one has moved, and come back, since."""
    rows = [
        moved("a", 1, day(-2), "1-1"),
        registering("b", 2, "move_in", day(-2)),
        change("c", 3, "correction", day(-2), kana="モギ　テイセイ"),
        change("x", 1, "cancellation", day(0), cancels="a"),
    ]
    deaths = [change(f"d{nth}", nth, "death", day(-4)) for nth in (1, 2, 3)]
    async with ward.served() as caller:
        await loaded(ward)
        assert await take(ward, rows[:3], name="1.csv") == [APPLIED] * 3
        held = ("held", "event_after_death")
        assert await take(ward, deaths, name="2.csv") == [held, held, APPLIED]
        assert [(await as_of(caller, nth, day()))["state"] for nth in (1, 2, 3)] == ["living", "living", "dead"]
        again = change("e", 1, "death", day(-4))
        assert await take(ward, [rows[3], again], name="3.csv") == [APPLIED, APPLIED]
        assert (await as_of(caller, 1, day()))["state"] == "dead"


async def test_a_registration_that_comes_late_changes_nothing_of_the_days_before_somebody_moved(ward):
    """It says the address of today for a day on which another is held."""
    known = registering("k", 11, "move_in", day(-5), **four_items(1), individual_number=individual_number(1))
    new = "東京都世田谷区架空1-1"
    async with ward.served() as caller:
        await loaded(ward)
        await take(ward, [moved("a", 1, day(-1), "1-1")], name="1.csv")
        before = [(await as_of(caller, 1, day(on)))["address"] for on in (-5, -2, 0)]
        assert await take(ward, [known | {"address": new}], name="2.csv") == [("held", "four_items_differ")]
        assert [(await as_of(caller, 1, day(on)))["address"] for on in (-5, -2, 0)] == before
        since = known | {"event_id": "l", "addressee_number": f"{12:010d}", "effective_on": day(-1), "address": new}
        assert await take(ward, [since], name="3.csv") == [("linked", "")]
        assert [(await as_of(caller, 12, day(on)))["address"] for on in (-5, -2, 0)] == before


async def test_changes_of_one_day_count_in_the_order_in_which_they_came_whatever_day_their_file_is_of(ward):
    async with ward.served() as caller:
        await loaded(ward)
        await send(caller, [moved("c1", 1, day(), "1-1")], key="k1")
        by_file = [moved("f1", 1, day(), "2-2"), moved("f2", 2, day(), "2-2")]
        assert await take(ward, by_file, name="f.csv", as_of=day(-5)) == [APPLIED, APPLIED]
        await send(caller, [moved("c2", 2, day(), "1-1")], key="k2")
        found = [(await as_of(caller, nth, day()))["address"] for nth in (1, 2)]
    assert found == ["東京都世田谷区架空2-2", "東京都世田谷区架空1-1"]
