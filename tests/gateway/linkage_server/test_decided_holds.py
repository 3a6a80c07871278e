"""SC-3, SC-13: what lies in a hold goes after it was decided; that it was held and how it was decided stays. LS-1.3: two clients for a decision."""

from __future__ import annotations

from importlib import resources

import pytest

from tests.support.review_world import SCOPES, Desk, individual, row, until

NUMBER = individual(1)
A_CHILD = {"name": "架空　若葉", "kana": "カクウ　ワカバ", "birth_date": "2015-07-07"}
DAY_S = 86_400


async def held(desk: Desk, addressee: int = 77, **more: str) -> str:
    """A row of kokuho with the number of somebody of juki and other items: its hold."""
    await desk.number("juki", row(1, individual_number=NUMBER))
    [result] = await desk.register("kokuho", row(addressee, individual_number=NUMBER, **A_CHILD | more))
    assert result["outcome"] == "held"
    return str((await desk.holds())[-1]["hold_id"])


async def sealed(desk: Desk, hold_id: str) -> bytes | None:
    [found] = await desk.world.linkage.rows("select sealed from review_hold where hold_id = $1", hold_id)
    return found["sealed"]


@pytest.mark.parametrize("action", ["refuse", "keep_as_new"])
async def test_what_lies_in_a_decided_hold_goes_at_its_time_and_the_fact_stays(reviewed_alone, action):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        hold_id = await held(desk)
        await desk.decided("holds/decide", hold_id=hold_id, action=action)
        assert (await desk.say("holds/show", hold_id=hold_id)).body["sent"]["individual_number"] == NUMBER
    async with reviewed_alone.linkage.served(clock_offset_s=91 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        shown = await desk.forgotten(hold_id)
        assert (shown["sent"], shown["reason"], shown["addressee_number"]) == ({}, "number_of_a_household_member", "77")
        assert await sealed(desk, hold_id) is None
        again = await desk.say("holds/decide", hold_id=hold_id, action="link")
        assert (again.status, again.body["reason"]) == (409, "hold_decided")


async def test_an_open_hold_and_one_that_was_decided_lately_are_kept(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        still_open = await held(desk, 77)
        decided = await held(desk, 78)
        await desk.decided("holds/decide", hold_id=decided, action="refuse")
        gone = await held(desk, 79)
        await desk.decided("holds/decide", hold_id=gone, action="refuse")
        await reviewed_alone.linkage.rows(
            "update review_hold set decided_at = decided_at - interval '80 days' where hold_id = $1", gone
        )
    async with reviewed_alone.linkage.served(clock_offset_s=20 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.forgotten(gone)
        for hold_id in (still_open, decided):
            shown = (await desk.say("holds/show", hold_id=hold_id)).body
            assert (shown["forgotten_at"], shown["sent"]["individual_number"]) == (None, NUMBER)


async def test_what_staff_typed_in_a_split_goes_with_what_lies_in_holds_and_what_was_decided_stays(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("juki", row(1, individual_number=NUMBER))
        assert await desk.number("kokuho", row(77, individual_number=NUMBER)) == number
        addressees = [{"business_system": "kokuho", "addressee_number": "77"}]
        right = {"individual_number": individual(2), "name": A_CHILD["name"]}
        ended = await desk.decided("links/split", integrated_number=number, addressees=addressees, right=right)
        assert (ended["says"], ended["forgotten_at"]) == (right, None)
    async with reviewed_alone.linkage.served(clock_offset_s=91 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)

        async def look() -> dict:
            return (await desk.say("links/show", decision_id=ended["decision_id"])).body

        shown = await until(look, lambda found: found["forgotten_at"] is not None)
        assert (shown["says"], shown["reason"], shown["addressees"]) == ({}, ended["reason"], addressees)
        child = await desk.searched(await desk.person_of("kokuho", 77))
        assert (child["individual_number"], child["name"]) == (individual(2), A_CHILD["name"])


async def test_of_a_linked_row_the_number_goes_and_the_link_can_be_undone_with_what_was_sent(reviewed_alone):
    async with reviewed_alone.linkage.served(decided_holds_keep_s=3600) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        hold_id = await held(desk)
        ended = await desk.decided("holds/decide", hold_id=hold_id, action="link")
    async with reviewed_alone.linkage.served(decided_holds_keep_s=3600, clock_offset_s=DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        shown = await desk.forgotten(hold_id)
        assert (shown["sent"]["name"], "individual_number" in shown["sent"]) == (A_CHILD["name"], False)
        addressees = [{"business_system": "kokuho", "addressee_number": "77"}]
        await desk.decided("links/split", integrated_number=ended["integrated_number"], addressees=addressees)
        child = await desk.searched(await desk.person_of("kokuho", 77))
        assert child["name"] == A_CHILD["name"]


async def test_a_held_change_that_was_refused_is_still_known_when_nothing_of_it_is_kept(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.number("juki", row(1, individual_number=NUMBER))
        sent = {
            name: text
            for name, text in row(77, individual_number=NUMBER, **A_CHILD).items()
            if name != "addressee_number"
        }
        await desk.change("kokuho", 77, "move_in", "m1", **sent)
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="refuse")
        effective_on = (await desk.say("holds/show", hold_id=hold["hold_id"])).body["sent"]["effective_on"]
    async with reviewed_alone.linkage.served(clock_offset_s=91 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert (await desk.forgotten(hold["hold_id"]))["sent"] == {}
        again = await desk.change("kokuho", 77, "move_in", "m1", **sent, effective_on=effective_on)
        assert (again["outcome"], again["reason"]) == ("rejected", "refused_in_review")


async def second_client(reviewed_alone, desk: Desk) -> None:
    await reviewed_alone.linkage.register("kacho", system="juki", scopes=SCOPES)
    desk.tokens["kacho"] = await desk.caller.token("kacho")


async def test_where_two_clients_are_wanted_one_client_does_not_bring_both_names(reviewed_alone):
    """LS-1.3: whoever holds one client's secret names two members of staff as he likes."""
    async with reviewed_alone.linkage.served(clients_that_decide_alone={"setagaya": []}) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await second_client(reviewed_alone, desk)
        decision = await desk.propose("holds/decide", hold_id=await held(desk), action="refuse")
        refused = await desk.approve(decision)
        assert (refused.status, refused.body["reason"]) == (409, "same_client")
        body = {"decision_id": decision["decision_id"], "content_hash": decision["content_hash"]}
        own = await desk.say("holds/approve", system="kacho", **body)
        assert (own.status, own.body["reason"]) == (409, "own_proposal")
        assert (await desk.say("holds/approve", system="kacho", staff="b.mori", **body)).status == 200
        await desk.ended(decision)


async def test_a_client_that_knows_its_staff_brings_both_names(reviewed_alone):
    async with reviewed_alone.linkage.served(clients_that_decide_alone={"setagaya": ["juki"]}) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.decided("holds/decide", hold_id=await held(desk), action="refuse")


async def test_the_client_that_proposed_is_part_of_what_is_approved(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        decision = await desk.propose("holds/decide", hold_id=await held(desk), action="refuse")
    await reviewed_alone.linkage.rows("update review_decision set proposed_client = 'kacho'")
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert (await desk.approve(decision)).status == 200
        assert (await desk.ended(decision, state="voided"))["void_because"] == "content_changed"


async def test_holds_that_were_decided_before_the_update_have_their_day(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        hold_id = await held(desk)
        ended = await desk.decided("holds/decide", hold_id=hold_id, action="refuse")
    folder = resources.files("gateway.linkage_server").joinpath("migrations")
    text = folder.joinpath("0076_what_holds_forget_and_who_proposed.sql").read_text()
    rows = reviewed_alone.linkage.rows
    await rows("alter table review_hold drop constraint review_hold_decided")
    await rows("update review_hold set decided_at = null")
    await rows(text[text.index("update review_hold h") : text.index("alter table review_hold\n    add constraint")])
    [found] = await rows("select decided_at from review_hold")
    assert found["decided_at"].isoformat() == ended["ended_at"]
