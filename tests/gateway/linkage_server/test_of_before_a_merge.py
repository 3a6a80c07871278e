"""LS-1.2, LS-1.3: what a day of before a merge tells of people whom loads alone brought, and what somebody new begins with who is split off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import pytest

from tests.support.change_files import day
from tests.support.review_world import Desk, individual, row

DAY_S = 86_400
OLD, MIDDLE, NEW = (f"架空県見本市{nth}番" for nth in "古中新")


@asynccontextmanager
async def desk_on(reviewed_alone, days: int = 0) -> AsyncIterator[Desk]:
    async with reviewed_alone.linkage.served(clock_offset_s=days * DAY_S) as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def came(reviewed_alone, days: int, system: str, addressee: int, **said: str) -> str:
    async with desk_on(reviewed_alone, days) as desk:
        return await desk.number(system, row(addressee, **said))


async def merge(desk: Desk, old: str, survivor: str) -> None:
    await desk.decided("links/merge", integrated_number=old, other_integrated_number=survivor)


def split(of: str, to: str = "", *pairs: tuple[str, int], **more: object) -> dict[str, object]:
    named = [{"business_system": system, "addressee_number": f"{nth}"} for system, nth in pairs]
    return {"integrated_number": of, "other_integrated_number": to, "addressees": named, **more}


async def addresses(desk: Desk, system: str, addressee: int, *days: int) -> list[str | None]:
    found = [await desk.as_of(system, addressee, day(on)) for on in days]
    return [one.get("address") for one in found]


async def three(reviewed_alone) -> tuple[str, str, str]:
    """Known by loads alone since 30, 20 and 10 days ago, each with a number of their own."""
    return (
        await came(reviewed_alone, -30, "kokuho", 77, address=OLD, individual_number=individual(1)),
        await came(reviewed_alone, -20, "juki", 1, address=MIDDLE, individual_number=individual(2)),
        await came(reviewed_alone, -10, "juki", 2, address=NEW, individual_number=individual(3)),
    )


async def test_a_day_before_a_merge_is_told_of_people_whom_loads_alone_brought(reviewed_alone):
    first, second, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        before = await desk.as_of("kokuho", 77, day(-25))
        await merge(desk, first, third)
        assert {**await desk.as_of("kokuho", 77, day(-25)), "integrated_number": first} == before
        assert await addresses(desk, "kokuho", 77, -31, -30, -11, -10, 0) == [None, OLD, OLD, NEW, NEW]
        assert await addresses(desk, "juki", 2, -25, -10) == [None, NEW]  # it meant nobody then
        await desk.change("kokuho", 77, "addressee_end", "r", replaced_by="78")
        assert await addresses(desk, "kokuho", 78, -25) == [OLD]
        await desk.decided("links/split", **split(third, first, ("kokuho", 77)))
        assert await addresses(desk, "kokuho", 78, -25, 0) == [OLD, OLD]
        assert second


async def test_a_chain_of_merges_is_told_as_it_was_before_each(reviewed_alone):
    first, second, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        await merge(desk, first, second)
        assert await addresses(desk, "kokuho", 77, -25, -15) == [OLD, MIDDLE]
        await merge(desk, second, third)
        assert await addresses(desk, "kokuho", 77, -25, -15, 0) == [OLD, MIDDLE, NEW]
        assert await addresses(desk, "juki", 1, -25, -15, 0) == [None, MIDDLE, NEW]
        await desk.decided("links/split", **split(third, second, ("juki", 1), ("kokuho", 77)))
        assert await addresses(desk, "kokuho", 77, -25, -15, 0) == [OLD, MIDDLE, MIDDLE]
        await desk.decided("links/split", **split(second, first, ("kokuho", 77)))
        assert await addresses(desk, "kokuho", 77, -25, -15, 0) == [OLD, OLD, OLD]


async def test_a_day_before_a_merge_tells_nothing_of_whom_the_number_never_meant_by_then(reviewed_alone):
    """The addressee number was split off from the one and is the other's; both are merged into a third."""
    first, second, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        await desk.change("kokuho", 77, "address_change", "e", effective_on=day(-29), address=f"{OLD}９")
        await desk.decided("links/split", **split(first, second, ("kokuho", 77)))
        await merge(desk, first, third)
        await merge(desk, second, third)
        assert await addresses(desk, "kokuho", 77, -25, -15, 0) == [None, MIDDLE, NEW]


async def test_a_held_row_that_is_linked_to_whom_its_number_means_anyway_forgets_nothing_of_before_the_merge(
    reviewed_alone,
):
    first, _, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        await merge(desk, first, third)
        [held] = await desk.register("kokuho", row(77, address="架空県別所市９番", individual_number=individual(3)))
        assert held["outcome"] == "held"
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        assert await desk.person_of("kokuho", 77) == third
        assert await addresses(desk, "kokuho", 77, -31, -25, -10) == [None, OLD, NEW]


async def test_merges_of_before_the_update_are_told_where_changes_had_come(reviewed_alone):
    first, second, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        await desk.change("kokuho", 77, "name_change", "n", effective_on=day(-5), name="架空　改子")
        await merge(desk, first, second)
        await merge(desk, second, third)
        await desk.change("kokuho", 77, "addressee_end", "r", replaced_by="78")
        await reviewed_alone.linkage.rows("update addressee set merged_from = null")
        assert await addresses(desk, "kokuho", 78, -25) == [None]
        folder = resources.files("gateway.linkage_server").joinpath("migrations")
        text = folder.joinpath("0072_whom_an_addressee_number_meant_before.sql").read_text()
        await reviewed_alone.linkage.rows(text[text.index("do $$") :])
        assert await addresses(desk, "kokuho", 78, -25, -15, 0) == [OLD, MIDDLE, NEW]
        assert await addresses(desk, "juki", 1, -15) == [None]


# --- somebody new


async def begins(desk: Desk, *pairs: tuple[str, int], of: str, **more: object) -> dict:
    await desk.decided("links/split", **split(of, "", *pairs, **more))
    number = await desk.person_of(*pairs[0])
    assert number != of
    return await desk.searched(number)


async def test_a_part_that_was_merged_goes_to_somebody_new_with_what_was_sent_for_it(reviewed_alone):
    first, _, third = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        await desk.change("kokuho", 77, "name_change", "n", effective_on=day(-5), name="架空　改子")
        await merge(desk, first, third)
        await desk.change("juki", 2, "address_change", "e", effective_on=day(-3), address="架空県他所市１番")
        new = await begins(desk, ("kokuho", 77), of=third)
        assert (new["name"], new["address"]) == ("架空　改子", OLD)
        assert await addresses(desk, "kokuho", 77, -31, -30, -10, 0) == [None, OLD, OLD, OLD]
        assert await addresses(desk, "juki", 2, -4, 0) == [NEW, "架空県他所市１番"]
        assert (await desk.searched(third))["name"] == row(0)["name"]
        taken = await desk.say(
            "links/split",
            **split(third, "", ("juki", 2), right={"individual_number": individual(1)}),
        )
        assert (taken.status, taken.body["reason"]) == (409, "individual_number_taken")


async def test_somebody_new_begins_with_what_the_wrong_person_was_when_the_row_came_and_agreed(reviewed_alone):
    of = await came(reviewed_alone, -30, "juki", 1, address=OLD, individual_number=individual(1))
    async with desk_on(reviewed_alone, -20) as desk:
        await desk.change("juki", 1, "address_change", "e1", effective_on=day(-20), address=MIDDLE)
        assert await desk.number("kokuho", row(77, address=MIDDLE, individual_number=individual(1))) == of
        await desk.change("juki", 1, "address_change", "e2", effective_on=day(-20), address=NEW)
    async with desk_on(reviewed_alone) as desk:
        assert (await begins(desk, ("kokuho", 77), of=of))["address"] == MIDDLE
        assert await addresses(desk, "kokuho", 77, -21, -20, 0) == [None, MIDDLE, MIDDLE]
        assert await addresses(desk, "juki", 1, -21, -20) == [OLD, NEW]


async def test_somebody_new_begins_with_the_move_in_that_staff_linked_to_the_wrong_person(reviewed_alone):
    of = await came(reviewed_alone, -5, "juki", 1, address=OLD, individual_number=individual(1))
    async with desk_on(reviewed_alone) as desk:
        sent = {
            name: text for name, text in row(0, address=NEW, name="架空　別子").items() if name != "addressee_number"
        }
        held = await desk.change(
            "kokuho", 77, "move_in", "m", effective_on=day(-9), individual_number=individual(1), **sent
        )
        assert held["outcome"] == "held"
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        new = await begins(desk, ("kokuho", 77), of=of)
        assert (new["name"], new["address"]) == ("架空　別子", NEW)
        assert await addresses(desk, "kokuho", 77, -10, -9, 0) == [None, NEW, NEW]


@pytest.mark.parametrize("forgotten", [False, True])
async def test_what_was_sent_and_is_not_known_any_more_has_to_be_said(reviewed_alone, forgotten):
    """The addressee number means another by a decision, or is of before the update."""
    first, second, _ = await three(reviewed_alone)
    async with desk_on(reviewed_alone) as desk:
        of, pair = first, ("kokuho", 77)
        if forgotten:
            await reviewed_alone.linkage.rows("update addressee set known_since = null, came_at = null")
        else:
            await desk.decided("links/split", **split(first, second, pair))
            of = second
        for right in ({}, {"name": "架空　別子", "sex": "2", "birth_date": "1980-04-01"}):
            refused = await desk.say("links/split", **split(of, "", pair, **({"right": right} if right else {})))
            assert (refused.status, refused.body["reason"]) == (409, "items_not_known")
        right = {"name": "架空　別子", "sex": "2", "birth_date": "1980-04-01", "address": NEW}
        new = await begins(desk, pair, of=of, right=right)
    assert (new["name"], new["address"]) == ("架空　別子", NEW)
