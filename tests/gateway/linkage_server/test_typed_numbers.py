"""LS-1.3, SC-18: an 個人番号 that a split or a held row gives is its holder's only when the resident network agrees in all four items."""

from __future__ import annotations

import pytest

from gateway.linkage_server.people.state import ITEMS
from tests.support.change_files import day
from tests.support.review_world import Desk, individual, row

PARENT, CHILD, STRANGER = individual(1), individual(2), individual(5)
A_CHILD = {"name": "架空　若葉", "kana": "カクウ　ワカバ", "birth_date": "2015-07-07"}
A_STRANGER = {
    "name": "別人　太郎",
    "kana": "ベツジン　タロウ",
    "sex": "1",
    "birth_date": "1950-01-01",
    "address": "遠方県遠方市一番",
}


def four_items(**changes: str) -> dict[str, str]:
    return {name: text for name, text in row(1, **changes).items() if name in ITEMS}


@pytest.fixture
async def desk(reviewed_alone):
    """The resident network is asked, and knows a parent, a child and a stranger."""
    reviewed_alone.linkage.neighbours.people = {
        PARENT: four_items(), CHILD: four_items(**A_CHILD), STRANGER: four_items(**A_STRANGER),
    }  # fmt: skip
    async with reviewed_alone.linkage.served(compare_with_resident_network=True) as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def wrongly_linked(desk: Desk) -> dict:
    """A parent under whose number a child's row was linked; the body of a split of the two."""
    number = await desk.number("juki", row(1, individual_number=PARENT))
    await desk.register("kokuho", row(77, individual_number=PARENT, **A_CHILD))
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    return {"integrated_number": number, "addressees": [{"business_system": "kokuho", "addressee_number": "77"}]}


@pytest.mark.parametrize(
    ("number", "reason"), [(STRANGER, "four_items_differ"), (individual(9), "not_in_resident_network")]
)
async def test_a_typed_number_that_the_resident_network_gives_to_somebody_else_or_nobody_is_refused(
    desk, number, reason
):
    split = await wrongly_linked(desk)
    refused = await desk.say("links/split", **split, right={"individual_number": number})
    assert (refused.status, refused.body["reason"]) == (409, reason)
    assert await desk.person_of("kokuho", 77) == split["integrated_number"]


async def test_a_typed_number_is_compared_with_the_person_as_the_split_will_leave_them(desk):
    split = await wrongly_linked(desk)
    moved = await desk.change("kokuho", 77, "address_change", address="架空県他所市一丁目１番")
    [hold] = await desk.holds()
    assert moved["outcome"] == "held"
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    before = await desk.say("links/split", **split, right={"individual_number": CHILD})
    assert (before.status, before.body["reason"]) == (409, "four_items_differ")
    right = {"individual_number": CHILD, "address": row(1)["address"]}
    await desk.decided("links/split", **split, right=right)
    child = await desk.searched(await desk.person_of("kokuho", 77))
    assert (child["individual_number"], child["name"]) == (CHILD, A_CHILD["name"])


async def test_a_number_that_goes_along_is_compared_with_whom_it_goes_to(desk):
    """The parent's number is never the child's; the child's own, told under the child's addressee number since, is."""
    split = await wrongly_linked(desk) | {"individual_number_goes": True}
    refused = await desk.say("links/split", **split)
    assert (refused.status, refused.body["reason"]) == (409, "four_items_differ")
    told = await desk.change("kokuho", 77, "individual_number_change", individual_number=CHILD)
    assert told["outcome"] == "held"
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    await desk.decided("links/split", **split)
    child = await desk.searched(await desk.person_of("kokuho", 77))
    parent = await desk.searched(split["integrated_number"])
    assert (child["individual_number"], parent["individual_number"]) == (CHILD, PARENT)
    formers = await desk.world.linkage.rows("select from former_individual_number")
    assert formers == []


async def test_a_typed_number_that_was_told_of_the_wrong_person_before_is_no_number_of_theirs(desk):
    split = await wrongly_linked(desk)
    told = await desk.change("kokuho", 77, "individual_number_change", individual_number=CHILD)
    assert told["outcome"] == "held"
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    desk.world.linkage.neighbours.people[individual(6)] = four_items()
    again = await desk.change("juki", 1, "individual_number_change", individual_number=individual(6))
    assert again["outcome"] == "applied"
    await desk.decided("links/split", **split, right={"individual_number": CHILD})
    child = await desk.person_of("kokuho", 77)
    assert (await desk.searched(child))["individual_number"] == CHILD
    formers = await desk.world.linkage.rows("select integrated_number from former_individual_number")
    assert [f"{one[0]:015d}" for one in formers] == [split["integrated_number"]]  # the parent's first one


async def test_the_network_is_asked_again_when_the_split_is_approved(desk):
    split = await wrongly_linked(desk)
    decision = await desk.propose("links/split", **split, right={"individual_number": CHILD})
    desk.world.linkage.neighbours.people[CHILD] = four_items(**A_STRANGER)
    refused = await desk.approve(decision)
    assert (refused.status, refused.body["reason"]) == (409, "four_items_differ")
    desk.world.linkage.neighbours.people[CHILD] = four_items(**A_CHILD)
    assert (await desk.approve(decision)).status == 200
    await desk.ended(decision)


async def test_a_number_that_somebody_else_had_before_is_refused(desk):
    split = await wrongly_linked(desk)
    stranger = await desk.number("juki", row(5, individual_number=STRANGER, **A_STRANGER))
    desk.world.linkage.neighbours.people[individual(6)] = four_items(**A_STRANGER)
    changed = await desk.change("juki", 5, "individual_number_change", individual_number=individual(6))
    assert changed["outcome"] == "applied"
    refused = await desk.say("links/split", **split, right={"individual_number": STRANGER, **A_STRANGER})
    assert (refused.status, refused.body["reason"]) == (409, "individual_number_former")
    assert (await desk.searched(stranger))["individual_number"] == individual(6)


async def test_a_held_number_is_compared_with_the_person_as_the_decision_leaves_them(desk):
    network, moved = desk.world.linkage.neighbours.people, "架空県他所市一丁目１番"
    person = await desk.number("kokuho", row(77, individual_number=PARENT))
    network[individual(6)] = four_items(address=moved)
    await desk.register("kokuho", row(77, individual_number=individual(6), address=moved))
    [hold] = await desk.holds()
    link = {"hold_id": hold["hold_id"], "action": "link", "individual_number_goes": True}
    where_they_were = await desk.say("holds/decide", **link)
    decision = await desk.propose("holds/decide", **link, items_go=True)
    network[individual(6)] = four_items(**A_STRANGER)
    somebody_elses = await desk.approve(decision)
    for refused in (where_they_were, somebody_elses):
        assert (refused.status, refused.body["reason"]) == (409, "four_items_differ")
    network[individual(6)] = four_items(address=moved)
    assert (await desk.approve(decision)).status == 200
    await desk.ended(decision)
    found = await desk.searched(person)
    assert (found["individual_number"], found["address"]) == (individual(6), moved)


async def test_a_birth_date_that_is_still_to_come_is_not_right(desk):
    split = await wrongly_linked(desk)
    refused = await desk.say("links/split", **split, right={"birth_date": day(1)})
    assert (refused.status, refused.body["reason"]) == (400, "birth_date_malformed")


@pytest.mark.parametrize(
    ("right", "where"),
    [
        ({"name": "〓若葉"}, "right.name"),
        ({"kana": "カク\ue000"}, "right.kana"),
        ({"address": "\u3000  "}, "right.address"),
        ({"name": "架\u0001"}, "right.name"),
    ],
)
async def test_what_is_right_is_text_that_a_channel_carries(desk, right, where):
    split = await wrongly_linked(desk)
    refused = await desk.say("links/split", **split, right=right)
    assert (refused.status, refused.body["reason"]) == (400, "field_malformed")
    assert where in refused.body["detail"]
