"""LS-1.2, LS-1.3: for every change that is held there is a decision that ends the hold, and what it does is what was approved."""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import pytest

from tests.support.change_files import day
from tests.support.linkage_world import Caller, start_process, write_role
from tests.support.review_world import CARE, Desk, individual, row, said, until

NUMBER, OTHER = individual(1), individual(2)
ELSEWHERE = "架空県新市新町９番"


async def held(desk: Desk, kind: str, event: str, reason: str, **more: str) -> str:
    """A change of kokuho's addressee 77 that is held for a reason: its hold."""
    result = await desk.change("kokuho", 77, kind, event, **more)
    assert (result["outcome"], result["reason"]) == ("held", reason), result
    [hold] = await desk.holds()
    return hold["hold_id"]


async def linked(desk: Desk, hold_id: str) -> dict:
    ended = await desk.decided("holds/decide", hold_id=hold_id, action="link")
    assert await desk.holds() == []
    return ended


async def test_a_move_in_with_somebodys_number_and_another_address_is_linked_to_them(desk):
    number = await desk.number("juki", row(1, individual_number=NUMBER))
    hold_id = await held(
        desk, "move_in", "m1", "four_items_differ", **said(individual_number=NUMBER, address=ELSEWHERE)
    )
    decision = await linked(desk, hold_id)
    assert decision["integrated_number"] == number
    assert await desk.person_of("kokuho", 77) == number
    assert (await desk.searched(number))["address"] == ELSEWHERE


async def test_a_move_in_after_a_death_is_linked_to_whom_it_names(desk):
    number = await desk.number("juki", row(1, individual_number=NUMBER))
    await desk.change("juki", 1, "death", effective_on=day(-1))
    hold_id = await held(desk, "move_in", "m1", "event_after_death", **said(individual_number=NUMBER))
    await linked(desk, hold_id)
    assert await desk.person_of("kokuho", 77) == number
    assert (await desk.searched(number))["state"] == "living"


async def test_a_birth_under_an_addressee_number_that_is_held_is_of_whom_it_means_once_approved(desk):
    number = await desk.number("kokuho", row(77))
    hold_id = await held(desk, "birth", "b1", "already_registered", **said(name="架空　若葉"))
    await linked(desk, hold_id)
    assert (await desk.searched(number))["name"] == "架空　若葉"


async def test_a_change_of_an_addressee_number_that_has_ended_is_taken_once_approved(desk):
    number = await desk.number("kokuho", row(77))
    await desk.number("juki", row(1))
    await desk.world.linkage.rows(
        "update addressee set state = 'ended', ended_on = current_date - 1 where addressee_number = '77'"
    )
    hold_id = await held(desk, "address_change", "a1", "addressee_ended", address=ELSEWHERE)
    await linked(desk, hold_id)
    assert (await desk.searched(number))["address"] == ELSEWHERE


async def test_a_move_in_is_linked_to_nobody_but_whom_its_number_names_and_to_nobody_who_is_frozen(desk):
    number = await desk.number("juki", row(1, individual_number=NUMBER))
    another = await desk.number("juki", row(2, individual_number=OTHER))
    hold_id = await held(
        desk, "move_in", "m1", "four_items_differ", **said(individual_number=NUMBER, address=ELSEWHERE)
    )
    link = {"hold_id": hold_id, "action": "link"}
    refused = await desk.say("holds/decide", **link, integrated_number=another)
    assert (refused.status, refused.body["reason"]) == (409, "not_for_this_hold")
    await desk.propose("links/freeze", integrated_number=number)
    refused = await desk.say("holds/decide", **link)
    assert (refused.status, refused.body["reason"]) == (409, "person_frozen")


async def test_a_change_to_a_number_that_another_has_is_refused_until_that_is_decided_and_then_taken_the_same_day(desk):
    await desk.number("juki", row(1, individual_number=NUMBER))
    number = await desk.number("kokuho", row(77))
    hold_id = await held(desk, "individual_number_change", "n1", "individual_number_taken", individual_number=NUMBER)
    refused = await desk.say("holds/decide", hold_id=hold_id, action="link")
    assert (refused.status, refused.body["reason"]) == (409, "individual_number_taken")
    assert (await desk.change("juki", 1, "individual_number_change", individual_number=OTHER))["outcome"] == "applied"
    await linked(desk, hold_id)
    assert (await desk.searched(number))["individual_number"] == NUMBER


async def test_a_link_that_could_not_be_is_void_for_its_reason_and_can_be_decided_anew_the_same_day(desk):
    """A cancellation gives a number back that somebody else has got meanwhile: that shows only when it is judged."""
    number = await desk.number("kokuho", row(77, individual_number=NUMBER))
    await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=OTHER)
    await desk.number("juki", row(1))
    await desk.change("juki", 1, "individual_number_change", "n2", individual_number=NUMBER)
    [former] = await desk.holds()
    await desk.decided("holds/decide", hold_id=former["hold_id"], action="link")
    hold_id = await held(desk, "cancellation", "c1", "individual_number_taken", cancels="n1")
    for taken in (True, False):
        decision = await desk.propose("holds/decide", hold_id=hold_id, action="link")
        assert (await desk.approve(decision)).status == 200
        ended = await desk.ended(decision, state="voided" if taken else "done")
        assert ended["void_because"] == ("individual_number_taken" if taken else None)
        await desk.change("juki", 1, "cancellation", "c2", cancels="n2")
    assert (await desk.searched(number))["individual_number"] == NUMBER


async def test_a_change_to_come_that_was_linked_counts_on_its_day_or_is_to_be_looked_at_once_more(reviewed_alone):
    linkage = reviewed_alone.linkage
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("juki", row(1, individual_number=NUMBER))
        assert await desk.number("kokuho", row(77, individual_number=NUMBER)) == number
        gone, third = [await desk.number("kokuho", row(nth)) for nth in (78, 79)]
        await linkage.rows(
            "update addressee set state = 'ended', ended_on = current_date - 1 where addressee_number = '78'"
        )
        child = said(name="架空　若葉")
        for nth, kind, more in (
            (77, "birth", child),
            (78, "address_change", {"address": ELSEWHERE}),
            (79, "birth", child | {"individual_number": OTHER}),
        ):
            came = await desk.change("kokuho", nth, kind, f"e{nth}", effective_on=day(1), **more)
            assert came["outcome"] == "held", came
            [hold] = await desk.holds()
            await linked(desk, hold["hold_id"])
        addressees = [{"business_system": "kokuho", "addressee_number": "77"}]
        await desk.decided("links/split", integrated_number=number, addressees=addressees)
        born = await desk.person_of("kokuho", 77)
        await desk.number("juki", row(5, individual_number=OTHER))
    async with linkage.served(clock_offset_s=86_400) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert not await until(lambda: linkage.rows("select 1 from waiting_change"), lambda rows: not rows)
        [again] = await desk.holds()
        assert (again["hold_id"], again["reason"]) == (hold["hold_id"], "individual_number_taken")
        found = [await desk.searched(one) for one in (number, born, gone, third)]
        assert [(one["name"], one["address"] == ELSEWHERE) for one in found] == [
            ("架空　花子", False), ("架空　若葉", False), ("架空　花子", True), ("架空　花子", False),
        ]  # fmt: skip
        given_up = await desk.change("juki", 5, "individual_number_change", individual_number=individual(3))
        assert given_up["outcome"] == "applied"
        await linked(desk, again["hold_id"])
        last = await desk.searched(third)
        assert (last["name"], last["individual_number"]) == ("架空　若葉", OTHER)


async def approved_and_killed(reviewed_alone, decision: dict) -> None:
    """The server dies when the change has been taken and its decision is not through."""
    world = reviewed_alone.linkage
    write_role(world, {})
    process = await start_process(world, "linkage.commit.review.applied.before")
    dying = asyncio.ensure_future(process.wait())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=world.context())) as client:
        caller = Caller(world, client)
        await caller.wait_until_there(dying)
        with pytest.raises(aiohttp.ClientError):
            await Desk(world=reviewed_alone, caller=caller).approve(decision)
        assert await dying == -signal.SIGKILL


@pytest.mark.parametrize(("days_to_come", "sent_again"), [(0, "unchanged"), (1, "waiting")])
async def test_a_change_that_is_taken_back_before_its_decision_is_through_was_decided_all_the_same(
    reviewed_alone, days_to_come, sent_again
):
    linkage = reviewed_alone.linkage
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("kokuho", row(77))
        sent = said(name="架空　若葉") | {"effective_on": day(days_to_come)}
        hold_id = await held(desk, "birth", "b1", "already_registered", **sent)
        decision = await desk.propose("holds/decide", hold_id=hold_id, action="link")
    await approved_and_killed(reviewed_alone, decision)
    await linkage.rows("update review_decision set state = 'proposed'")  # it goes on when the cancellation has come
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert (await desk.change("kokuho", 77, "cancellation", "c", cancels="b1"))["outcome"] == "applied"
        await linkage.rows("update review_decision set state = 'approved'")
        ended = await desk.ended(decision)
        assert (ended["approved_by"], ended["void_because"]) == ("b.mori", None)
        assert [one["facts"]["step"] for one in await desk.reviewed(decision)] == ["propose", "approve", "record"]
        shown = (await desk.say("holds/show", hold_id=decision["hold_id"])).body
        assert (shown["state"], await desk.holds()) == ("linked", [])
        events = [(one["kind"], one["status"]) for one in await desk.history("kokuho", 77)]
        assert events == [("birth", "taken_back"), ("cancellation", "applied")]
        again = await desk.change("kokuho", 77, "birth", "b1", **sent)
        assert (again["outcome"], again["reason"]) == (sent_again, "already_known")
        assert (await desk.searched(number))["name"] == "架空　花子"


REUSED = ("rejected", "event_id_reused")


def told(one: dict) -> tuple[str, str | None]:
    return one["outcome"], one["reason"]


@pytest.mark.parametrize("kept", ["with its digest", "as before digests were kept"])
async def test_the_event_id_of_a_held_change_with_other_words_is_another_changes(desk, kept):
    """What staff would approve is what they see: the first words."""
    await desk.number("juki", row(1, individual_number=NUMBER))
    await desk.number("kokuho", row(77))
    hold_id = await held(desk, "individual_number_change", "n1", "individual_number_taken", individual_number=NUMBER)
    if kept != "with its digest":
        await desk.world.linkage.rows("update review_hold set digest = null")
    first, other = ({"individual_number": number} for number in (NUMBER, OTHER))
    assert told(await desk.change("kokuho", 77, "individual_number_change", "n1", **other)) == REUSED
    again = await desk.change("kokuho", 77, "individual_number_change", "n1", **first)
    assert told(again) == ("held", "individual_number_taken")
    shown = (await desk.say("holds/show", hold_id=hold_id)).body["sent"]
    assert shown["individual_number"] == NUMBER


@pytest.mark.parametrize("kept", ["with its digest", "as before digests were kept", "forgotten, as before"])
async def test_the_event_id_of_a_refused_change_with_other_words_is_another_changes(desk, kept):
    await desk.number("juki", row(1, individual_number=NUMBER))
    await desk.number("kokuho", row(77))
    hold_id = await held(desk, "individual_number_change", "n1", "individual_number_taken", individual_number=NUMBER)
    await desk.decided("holds/decide", hold_id=hold_id, action="refuse")
    if kept != "with its digest":
        await desk.world.linkage.rows("update review_hold set digest = null")
    if kept == "forgotten, as before":
        await desk.world.linkage.rows("update review_hold set sealed = null, forgotten_at = now()")
    refused = ("rejected", "refused_in_review")
    found = [
        told(await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=number))
        for number in (NUMBER, OTHER)
    ]
    assert found == [refused, refused if kept == "forgotten, as before" else REUSED]


async def test_two_changes_of_one_list_under_one_event_id_are_held_and_refused(desk):
    await desk.number("kokuho", row(77))
    await desk.change("kokuho", 77, "death", effective_on=day(-1))
    item = {"event_id": "m1", "addressee_number": "77", "kind": "address_change", "effective_on": day()}
    body = {"staff": "a.sato", "affair": CARE, "reason": "異動"} | {
        "items": [item | {"address": address} for address in (ELSEWHERE, "架空県１番", ELSEWHERE)]
    }
    answer = await desk.caller.post("/v1/person-changes", body, token=await desk.token("kokuho"), key="one-list")
    after_death = ("held", "event_after_death")
    assert [told(one) for one in answer.body["items"]] == [after_death, REUSED, after_death]


SOMEBODY_ELSE = {
    "name": "模擬　太郎", "kana": "モギ　タロウ", "sex": "1", "birth_date": "1950-02-03", "address": "架空県他所市９番",
}  # fmt: skip


async def test_a_correction_that_makes_somebody_elses_person_another_one_is_looked_at(desk):
    juki, number = await desk.number("juki", row(1)), await desk.number("kokuho", row(77))
    await desk.decided("links/propose", integrated_number=number, other_integrated_number=juki)
    told_too = await desk.change("kokuho", 77, "correction", "c0", name="架空花子", birth_date="1980-04-02")
    assert told(told_too) == ("applied", None)
    hold_id = await held(desk, "correction", "c1", "four_items_differ", **SOMEBODY_ELSE)
    assert (await desk.as_of("juki", 1, day()))["name"] == "架空花子"
    await linked(desk, hold_id)
    assert (await desk.as_of("juki", 1, day()))["name"] == SOMEBODY_ELSE["name"]


async def test_a_correction_of_everything_of_whom_nobody_else_holds_is_what_their_system_says(desk):
    await desk.number("kokuho", row(77))
    assert told(await desk.change("kokuho", 77, "correction", "c1", **SOMEBODY_ELSE)) == ("applied", None)
