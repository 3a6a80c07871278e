"""LS-1.2: whoever died is dead on that day, and whoever was registered is registered until the record is taken out."""

from __future__ import annotations

from datetime import date
from importlib import resources

import pytest

from tests.support.change_files import as_of, change, day, loaded, registering, take, with_juki
from tests.support.resident_files import four_items, individual_number
from tests.support.review_world import Desk, individual, row


@pytest.fixture
async def ward(world):
    return await with_juki(world)


async def test_the_change_that_registered_somebody_is_not_taken_back_alone(ward):
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(
            ward,
            [
                registering("m", 7, "move_in", day(-5)),
                registering("b", 8, "birth", day(-5)),
                registering("l", 11, "move_in", day(-1), **four_items(1), individual_number=individual_number(1)),
                change("c1", 7, "cancellation", day(0), cancels="m"),
                change("o", 7, "move_out", day(-3)),
                registering("r", 7, "move_in", day(-2)),
            ],
            name="1.csv",
        )
        results += await take(
            ward,
            [
                change("c2", 7, "cancellation", day(0), cancels="m"),
                change("c3", 8, "cancellation", day(0), cancels="b"),
                change("c4", 11, "cancellation", day(0), cancels="l"),
                change("c5", 7, "cancellation", day(0), cancels="r"),
                change("c6", 8, "cancellation", day(0)),
            ],
            name="2.csv",
        )
        states = [(await as_of(caller, nth, day()))["state"] for nth in (7, 8)]
    assert [outcome for outcome, _ in results[:3]] == ["issued", "issued", "linked"]
    refused = ("rejected", "cancels_the_registration")
    assert results[3:] == [refused, *[("applied", "")] * 2, *[refused] * 3, *[("applied", "")] * 2]
    assert states == ["moved_out", "cancelled"]


async def test_nobody_is_alive_or_gone_who_died_on_that_day_whichever_comes_first(ward):
    moved = "東京都杉並区架空1番地"
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(
            ward,
            [
                change("a", 1, "death", day(-2)),
                change("b", 1, "move_out", day(-2), address=moved),
                change("c", 2, "move_out", day(-2), address=moved),
                change("d", 2, "death", day(-2)),
                registering("e", 7, "birth", day(-2)),
                change("f", 7, "death", day(-2)),
                change("g", 3, "death", day(-2)),
                registering("h", 3, "move_in", day(-2)),
            ],
            name="1.csv",
        )
        now = [await as_of(caller, nth, day()) for nth in (1, 2, 7, 3)]
        back = await take(ward, [change("i", 1, "cancellation", day(0), cancels="a")], name="2.csv")
        assert (await as_of(caller, 1, day()))["state"] == "moved_out"
    assert [outcome for outcome, _ in (*results, *back)] == [*["applied"] * 4, "issued", *["applied"] * 4]
    assert [(one["state"], one["state_since"]) for one in now] == [("dead", day(-2))] * 4
    assert [one["address"] for one in now[:2]] == [moved] * 2


async def test_who_was_held_as_moved_out_on_the_day_of_their_death_is_dead_after_the_update(ward):
    async with ward.served() as caller:
        await loaded(ward)
        await take(
            ward,
            [
                change("a", 1, "death", day(-2)),
                change("b", 1, "move_out", day(-2)),
                change("c", 2, "death", day(-2)),
                change("d", 2, "move_out", day(-2)),
                change("e", 2, "cancellation", day(0), cancels="c"),
            ],
            name="1.csv",
        )
        await ward.rows("update person set state = 'moved_out' where state = 'dead' returning 1")
        migration = resources.files("gateway.linkage_server.migrations").joinpath("0077_deaths_and_registrations.sql")
        await ward.rows(f"{migration.read_text('utf-8').partition(';')[0]} returning 1")
        numbers = [(await as_of(caller, nth, day()))["integrated_number"] for nth in (1, 2, 3)]
    rows = await ward.rows(
        "select state from person where integrated_number = any($1::bigint[]) order by array_position($1::bigint[], integrated_number)",
        [int(one) for one in numbers],
    )
    assert [row["state"] for row in rows] == ["dead", "moved_out", "living"]


async def test_a_record_that_was_taken_out_stays_out_whatever_happened_on_that_day_until_somebody_comes_back(ward):
    async with ward.served() as caller:
        await loaded(ward, 5)
        results = await take(
            ward,
            [
                change("a", 1, "death", day(-2)),
                change("b", 1, "cancellation", day(-2)),
                change("c", 2, "cancellation", day(-2)),
                change("d", 2, "death", day(-2)),
                change("e", 3, "cancellation", day(-3)),
                change("f", 3, "death", day(-2)),
                change("g", 4, "cancellation", day(-2)),
                registering("h", 4, "move_in", day(-2)),
                change("i", 4, "death", day(-2)),
                change("j", 5, "cancellation", day(-3)),
                registering("k", 5, "move_in", day(-1)),
                change("l", 1, "address_change", day(-1), address="東京都世田谷区架空1-1"),
            ],
            name="1.csv",
        )
        now = [await as_of(caller, nth, day()) for nth in (1, 2, 3, 4, 5)]
        await ward.rows(
            "update person set state = 'dead', state_since = $1 where state = 'cancelled' returning 1",
            date.fromisoformat(day(-2)),
        )
        migration = resources.files("gateway.linkage_server.migrations").joinpath("0084_records_that_are_out.sql")
        await ward.rows(f"{migration.read_text('utf-8').rstrip().removesuffix(';')} returning 1")
    assert results == [("applied", "")] * 11 + [("held", "event_after_death")]
    states = [
        ("cancelled", day(-2)),
        ("cancelled", day(-2)),
        ("cancelled", day(-3)),
        ("dead", day(-2)),
        ("living", day(-1)),
    ]
    assert [(one["state"], one["state_since"]) for one in now] == states
    rows = await ward.rows(
        "select p.state, p.state_since::text from person p join addressee a using (integrated_number) order by a.addressee_number"
    )
    assert [tuple(row) for row in rows] == states


async def test_a_record_that_other_systems_hold_is_taken_out_by_two_people(reviewed_alone):
    """kokuho's own registration was a mistake: the resident stays, with everybody else's."""
    mine = row(77, individual_number=individual(1))
    said = {name: text for name, text in mine.items() if name != "addressee_number"}
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("juki", row(1, individual_number=individual(1)))
        assert (await desk.change("kokuho", 77, "move_in", "m", **said))["outcome"] == "linked"
        for system, nth in (("kokuho", 77), ("juki", 1)):
            out = await desk.change(system, nth, "cancellation", "out")
            assert (out["outcome"], out["reason"]) == ("held", "held_by_other_systems")
        assert (await desk.searched(number))["state"] == "living"
        holds = {one["business_system_id"]: one["hold_id"] for one in await desk.holds()}
        assert (await desk.change("kokuho", 77, "addressee_end", "end"))["outcome"] == "applied"
        again = await desk.change("juki", 1, "cancellation", "alone")
        assert (again["outcome"], (await desk.searched(number))["state"]) == ("applied", "cancelled")
        back = await desk.change("juki", 1, "cancellation", "back", cancels="alone")
        assert (back["outcome"], (await desk.searched(number))["state"]) == ("applied", "living")
        await desk.decided("holds/decide", hold_id=holds["kokuho"], action="link")
        assert (await desk.searched(number))["state"] == "cancelled"
