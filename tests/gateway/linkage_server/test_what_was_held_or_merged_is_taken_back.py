"""LS-1.2, LS-1.3: a cancellation finds its change also when somebody has to decide it, and when who was merged would get a number back."""

from __future__ import annotations

from functools import partial
from operator import eq

import pytest

from tests.support.change_files import day
from tests.support.review_world import CARE, Desk, individual, row, said, until

DAY_S = 86_400
CANCELLED = [("cancelled", True)]
STATED = {"staff": "a.sato", "affair": CARE, "reason": "異動"}


def result(one: dict) -> tuple[str, str | None]:
    return one["outcome"], one["reason"]


async def got(desk: Desk, system: str, addressee: int, event: str, number: str) -> None:
    """A number that was another's before, or their own: two members of staff decide so."""
    change = await desk.change(system, addressee, "individual_number_change", event, individual_number=number)
    assert result(change) == ("held", "individual_number_former")
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")


async def rows(desk: Desk) -> dict[str, tuple[bool, int]]:
    """Integrated number → whether a number stands with them, and how many they had before."""
    found = await desk.world.linkage.rows(
        "select integrated_number, individual_number_index is not null as has, "
        "(select count(*) from former_individual_number f where f.integrated_number = p.integrated_number) as formers from person p"
    )
    return {f"{one['integrated_number']:015d}": (one["has"], one["formers"]) for one in found}


async def numbers(desk: Desk, *nths: int) -> list[list[str]]:
    answers = [await desk.say("persons/search", individual_number=individual(nth)) for nth in nths]
    return [[one["integrated_number"] for one in answer.body["items"]] for answer in answers]


async def merged(desk: Desk, system: str = "juki") -> tuple[str, str]:
    """Whose number was changed from 1 to 2, merged into who has the number 3."""
    old = await desk.number(system, row(1, individual_number=individual(1)))
    await desk.change(system, 1, "individual_number_change", "n", individual_number=individual(2))
    survivor = await desk.number("kokuho", row(77, individual_number=individual(3)))
    await desk.decided("links/merge", integrated_number=old, other_integrated_number=survivor)
    return old, survivor


async def test_a_number_that_who_lives_on_has_by_now_is_a_former_one_of_whom_a_cancellation_gives_it_back(desk):
    old, survivor = await merged(desk)
    await got(desk, "kokuho", 77, "m", individual(1))
    assert result(await desk.change("juki", 1, "cancellation", "c", cancels="n")) == ("applied", None)
    assert (await desk.searched(survivor))["individual_number"] == individual(1)
    assert await numbers(desk, 1, 2) == [[survivor], []]
    assert await rows(desk) == {old: (False, 1), survivor: (True, 1)}
    refused = await desk.say(
        "links/split",
        integrated_number=survivor,
        other_integrated_number=old,
        addressees=[{"business_system": "juki", "addressee_number": "1"}],
    )
    assert (refused.status, refused.body["reason"]) == (409, "individual_number_taken")


async def test_a_number_that_another_of_those_who_were_merged_has_is_given_back_to_nobody(desk):
    old, between = await merged(desk)
    await got(desk, "kokuho", 77, "m", individual(1))
    last = await desk.number("kokuho", row(78, individual_number=individual(4)))
    await desk.decided("links/merge", integrated_number=between, other_integrated_number=last)
    assert result(await desk.change("juki", 1, "cancellation", "c", cancels="n")) == ("applied", None)
    assert await rows(desk) == {old: (False, 1), between: (True, 1), last: (True, 0)}
    assert await numbers(desk, 1, 2, 4) == [[last], [], [last]]


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_in_one_list_it_ends_the_same_whichever_comes_first(desk, cancelled_first):
    """The survivor gives the number up again in the list in which it comes back to whom was merged."""
    old, survivor = await merged(desk, "kokuho")
    await got(desk, "kokuho", 77, "m", individual(1))
    items = [
        {"event_id": "c", "addressee_number": "1", "kind": "cancellation", "effective_on": day(), "cancels": "n"},
        {
            "event_id": "p", "addressee_number": "77", "kind": "individual_number_change", "effective_on": day(),
            "individual_number": individual(5),
        },
    ]  # fmt: skip
    body = STATED | {"items": items if cancelled_first else items[::-1]}
    answer = await desk.caller.post("/v1/person-changes", body, token=await desk.token("kokuho"), key="both")
    assert {one["outcome"] for one in answer.body["items"]} == {"applied"}, answer
    assert await numbers(desk, 1, 2, 5) == [[survivor], [], [survivor]]
    assert await rows(desk) == {old: (True, 0), survivor: (True, 2)}


async def hold_of(desk: Desk) -> list[tuple[str, bool]]:
    return [
        (one["state"], one["decided_at"] is not None)
        for one in await desk.world.linkage.rows("select state, decided_at from review_hold order by held_at, hold_id")
    ]


async def test_a_change_that_is_held_is_held_no_longer_once_it_is_taken_back(desk):
    await desk.number("juki", row(1, individual_number=individual(1)))
    number = await desk.number("kokuho", row(77))
    change = "kokuho", 77, "individual_number_change", "n"
    assert (await desk.change(*change, individual_number=individual(1)))["outcome"] == "held"
    [hold] = await desk.holds()
    proposed = await desk.propose("holds/decide", hold_id=hold["hold_id"], action="refuse")
    other = await desk.change("juki", 1, "cancellation", "x", cancels="n")  # of another system: another event
    assert result(other) == ("applied", "cancelled_event_unknown")
    await desk.number("kokuho", row(78, name="架空　次郎"))
    assert result(await desk.change("kokuho", 78, "cancellation", "y", cancels="n")) == (
        "rejected", "cancels_another_persons",
    )  # fmt: skip
    assert await hold_of(desk) == [("open", False)]
    assert (await desk.change("kokuho", 77, "cancellation", "c", cancels="n"))["outcome"] == "applied"
    assert (await hold_of(desk), await desk.holds()) == (CANCELLED, [])
    refused = await desk.approve(proposed)
    assert (refused.status, refused.body["reason"]) == (409, "hold_decided")
    assert result(await desk.change(*change, individual_number=individual(1))) == (
        "applied",
        None,
    )  # on record, counts nowhere
    assert result(await desk.change(*change, individual_number=individual(1))) == ("unchanged", "already_known")
    assert "individual_number" not in await desk.searched(number)
    assert [(one["kind"], one["status"]) for one in await desk.history("kokuho", 77)] == [
        ("cancellation", "applied"), ("individual_number_change", "taken_back"),
    ]  # fmt: skip


async def test_a_move_in_that_is_held_is_taken_back_and_registers_nobody(desk):
    await desk.number("juki", row(1, individual_number=individual(1)))
    other = said(individual_number=individual(1), name="架空　太郎")
    for nth in (77, 78):
        assert (await desk.change("kokuho", nth, "move_in", f"m{nth}", **other))["outcome"] == "held"
    late = await desk.change("kokuho", 77, "cancellation", "late", cancels="m77", effective_on=day(1))
    assert result(late) == ("rejected", "cancels_the_registration")
    assert result(await desk.change("kokuho", 79, "cancellation", "x", cancels="m77")) == (
        "rejected", "cancels_another_persons",
    )  # fmt: skip
    assert (await hold_of(desk)) == [("open", False)] * 2
    for _ in range(2):
        taken_back = await desk.change("kokuho", 77, "cancellation", "c", cancels="m77")
    assert result(taken_back) == ("unchanged", "already_known")
    assert result(await desk.change("kokuho", 77, "cancellation", "c2", cancels="m77")) == ("applied", None)
    assert sorted(await hold_of(desk)) == [*CANCELLED, ("open", False)]
    assert result(await desk.change("kokuho", 77, "move_in", "m77", **other)) == ("unchanged", "already_known")
    assert not await desk.world.linkage.rows("select from addressee where addressee_number = '77'")


async def test_a_change_and_its_cancellation_in_one_list_leave_no_hold(desk):
    await desk.number("juki", row(1, individual_number=individual(1)))
    await desk.number("kokuho", row(77))
    body = STATED | {
        "items": [
            {"event_id": "n", "addressee_number": "77", "kind": "individual_number_change", "effective_on": day(), "individual_number": individual(1)},
            {"event_id": "c", "addressee_number": "77", "kind": "cancellation", "effective_on": day(), "cancels": "n"},
            {"event_id": "m", "addressee_number": "78", "kind": "move_in", "effective_on": day(), **said(individual_number=individual(1), name="架空　太郎")},
            {"event_id": "d", "addressee_number": "78", "kind": "cancellation", "effective_on": day(), "cancels": "m"},
        ],
    }  # fmt: skip
    answer = await desk.caller.post("/v1/person-changes", body, token=await desk.token("kokuho"), key="one")
    assert [one["outcome"] for one in answer.body["items"]] == ["held", "applied", "held", "applied"], answer
    assert await hold_of(desk) == CANCELLED * 2


async def test_a_hold_ends_on_the_day_of_the_cancellation(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.number("juki", row(1, individual_number=individual(1)))
        number = await desk.number("kokuho", row(77))
        to_come = await desk.change(
            "kokuho", 77, "individual_number_change", "n", effective_on=day(1), individual_number=individual(1)
        )
        assert to_come["outcome"] == "waiting"
        assert (await desk.change("kokuho", 77, "cancellation", "c", cancels="n", effective_on=day(3)))[
            "outcome"
        ] == "waiting"
    for days, holds in ((2, [("open", False)]), (4, CANCELLED)):
        async with reviewed_alone.linkage.served(clock_offset_s=days * DAY_S) as caller:
            desk = Desk(world=reviewed_alone, caller=caller)
            assert await until(partial(hold_of, desk), partial(eq, holds)) == holds
    async with reviewed_alone.linkage.served(clock_offset_s=4 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert "individual_number" not in await desk.searched(number)


@pytest.mark.parametrize("to_come", [0, 2])
async def test_that_a_record_is_taken_out_can_be_taken_back_before_its_day_and_after_it(reviewed_alone, to_come):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("kokuho", row(77))
        out = await desk.change("kokuho", 77, "cancellation", "out", effective_on=day(to_come))
        assert out["outcome"] == ("waiting" if to_come else "applied")
        assert result(await desk.change("kokuho", 77, "cancellation", "c", cancels="out")) == ("applied", None)
        assert (await desk.searched(number))["state"] == "living"
        again = await desk.change("kokuho", 77, "cancellation", "d", cancels="c")
        assert result(again) == ("rejected", "cancels_a_cancellation")
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert not await until(
            lambda: reviewed_alone.linkage.rows("select 1 from waiting_change"), lambda rows: not rows
        )
        assert (await desk.searched(number))["state"] == "living"
        assert [(one["kind"], one["status"]) for one in await desk.history("kokuho", 77)] == [
            ("cancellation", "taken_back"), ("cancellation", "applied"),
        ]  # fmt: skip
