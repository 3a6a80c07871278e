"""What time does to a provision: windows of copies on their second in Japan, escalation before the deadline, expiry after it (SC-4, IS-6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from gateway.intermediate_server.covering import EVERYTHING, Covered
from gateway.intermediate_server.provision import held
from gateway.intermediate_server.staff import barring
from tests.support.copies import premium, qualified
from tests.support.provider_world import INFORMATION, LIMITS, NOON
from transport.clock import JST
from transport.problem import ProblemError

SECOND = timedelta(seconds=1)


def midnight(day: date) -> datetime:
    """The beginning of a day in Japan."""
    return datetime.combine(day, datetime.min.time(), JST)


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (midnight(date(2022, 10, 10)) - SECOND, "no_replica"),
        (midnight(date(2022, 10, 10)), "answered"),
        (midnight(date(2022, 10, 10)) + SECOND, "answered"),
        (midnight(date(2022, 10, 21)) - SECOND, "answered"),
        (midnight(date(2022, 10, 21)), "no_replica"),
    ],
)
async def test_a_copy_is_public_from_its_first_day_in_japan_to_the_end_of_its_last(world, at, kind):
    number = await world.person()
    await qualified(world, number, public_from=date(2022, 10, 10), public_to=date(2022, 10, 20))
    world.now = at
    assert (await world.ask(world.question(number))).payload.kind == kind


async def test_versions_of_a_layout_stand_side_by_side_in_one_answer(world):
    """A premium of each version; the list of 2022 has ended when the second one may be made, so it is registered on a later day and asked for on an earlier one."""
    number = await world.person()
    await premium(world, number, "2021")
    world.now = datetime(2025, 6, 1, 12, tzinfo=JST)
    await premium(world, number, "2022", version="0002")
    world.now = NOON
    payload = (await world.ask(world.question(number))).payload
    assert {record["version"]: set(record["items"]) for record in payload.records} == {
        "0001": {"年度", "収納額", "期別", "賦課額"},
        "0002": {"年度", "収納額", "期別", "納期限", "賦課額"},
    }


async def test_what_was_late_on_the_way_is_answered_until_the_inquirers_deadline_and_not_after_it(world):
    """The network keeps `redeem_by` (docs/adr/0063); here five minutes, of a question whose way took days."""
    numbers = [await world.person() for _ in range(2)]
    for number in numbers:
        await qualified(world, number)
    in_time, too_late = (world.question(number) for number in numbers)
    world.now = NOON + LIMITS.answer_within
    assert (await world.ask(in_time)).payload.kind == "answered"
    world.now += SECOND
    answer = await world.ask(too_late)
    assert (answer.disposition, answer.reason) == ("refused", "permit_expired")


async def test_the_lists_of_holds_and_bars_end_by_what_the_right_covers(world):
    """Neither tells of a row of another affair or kind of information by where it goes on (SC-24)."""
    question = await held_one(world)
    other, own = Covered.of([("26", "*"), ("27", "住民票関係情報")]), Covered.of([("27", INFORMATION)])
    every = held.PageItem(after=held.Place(answer_by=NOON, permit_id=""), limit=1)
    assert await held.page(world.agency, every, other) == {"held": [], "next": None}
    found, after = set(), every.after
    while after is not None:
        page = await held.page(world.agency, held.PageItem(after=after, limit=1), own)
        found |= {one["permit_id"] for one in page["held"]}
        after = page["next"] and held.Place(
            answer_by=datetime.fromisoformat(page["next"]["answer_by"]), permit_id=page["next"]["permit_id"]
        )
    assert question.permit_id in found
    bar = await world.bar(integrated_number=await world.person(), information=INFORMATION)
    for information, shown in (("住民票関係情報", []), (INFORMATION, [bar["bar_id"]])):
        acting = world.staff("staff-1")
        narrow = [replace(one, scope=replace(one.scope, information=information)) for one in acting.grants]
        page = await barring.view(
            replace(acting, grants=tuple(narrow)), barring.ViewItem(after=bar["bar_id"][:-1], limit=1), world.now
        )
        assert [one["bar_id"] for one in page["bars"]] == shown
        assert (page["next"] is None) is (not shown)


async def held_one(world) -> object:
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    return question


async def escalated(world) -> set[str]:
    page = await held.page(world.agency, held.PageItem(escalated=True), EVERYTHING)
    return {one["permit_id"] for one in page["held"]}


async def test_a_hold_is_escalated_once_before_its_deadline_and_expires_after_it(world):
    question = await held_one(world)
    deadline = NOON + LIMITS.answer_within
    world.now = deadline - LIMITS.escalate_before - SECOND
    await world.time_passes()
    assert question.permit_id not in await escalated(world)
    world.now += SECOND
    await world.time_passes()
    await world.time_passes()
    assert question.permit_id in await escalated(world)
    told = [
        one
        for one in await world.entries()
        if one["kind"] == "held.escalated" and one["facts"]["permit_id"] == question.permit_id
    ]
    assert [(one["reason"], one["actor"]) for one in told] == [("held", "auto")]
    world.now = deadline
    await world.time_passes()
    assert (await world.later(question)).disposition == "held"
    world.now = deadline + SECOND
    seen = await world.held(question.permit_id)
    with pytest.raises(ProblemError, match="deadline_passed"):
        await world.decide(question.permit_id, seen["content_hash"])
    await world.time_passes()
    answer = await world.later(question)
    assert (answer.disposition, answer.reason) == ("refused", "held_past_deadline")


async def test_pages_of_the_list_are_the_most_urgent_first_and_leave_nothing_out(world):
    wanted = set()
    for hours in (5, 1, 3, 2, 4):
        world.now = NOON + timedelta(days=40, hours=hours)
        wanted.add((await held_one(world)).permit_id)
    found, after = [], held.Place(answer_by=NOON + timedelta(days=42), permit_id="")
    while after is not None:
        page = await held.page(world.agency, held.PageItem(after=after, limit=2), EVERYTHING)
        found += page["held"]
        after = page["next"] and held.Place(
            answer_by=datetime.fromisoformat(page["next"]["answer_by"]), permit_id=page["next"]["permit_id"]
        )
    assert {one["permit_id"] for one in found} == wanted
    assert [one["answer_by"] for one in found] == sorted(one["answer_by"] for one in found)
