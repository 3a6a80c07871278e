"""SC-18, DOMAIN §6.1: a wrong link is frozen at once, undone and replayed; two numbers of one person become one, and every copy follows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.review_world import Desk, individual, row, until

PARENT, CHILD = individual(1), individual(2)
A_CHILD = {"name": "架空　若葉", "kana": "カクウ　ワカバ", "birth_date": "2015-07-07"}


@pytest.fixture
async def desk(reviewed_ward):
    async with reviewed_ward.standing(), reviewed_ward.served() as caller:
        yield Desk(world=reviewed_ward, caller=caller)


async def wrongly_linked(desk: Desk) -> str:
    """A parent in two systems; the second system's row is in truth the child's, linked by two members of staff who were wrong."""
    number = await desk.number("juki", row(1, individual_number=PARENT))
    [result] = await desk.register("kokuho", row(77, individual_number=PARENT, **A_CHILD))
    assert result["outcome"] == "held"
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    return number


async def test_a_frozen_person_is_withdrawn_at_once_by_one_person_and_the_desk_refuses(desk):
    number = await wrongly_linked(desk)
    await desk.file("kokuho", 77, "r1")
    assert await desk.copies_when({"kokuho/r1": number}) == {"kokuho/r1": number}
    frozen = await desk.propose("links/freeze", integrated_number=number)
    assert (frozen["state"], frozen["people"][0]["frozen"]) == ("done", True)
    assert await desk.copies_when({}) == {}
    inquiry = {
        "addressee_number": "77", "provider": "naikaku", "item": "27", "information": "見本", "items": [], "purpose": "見本", "staff": "a.sato",
    }  # fmt: skip
    answer = await desk.caller.post(
        "/v1/inquiries", {"items": [inquiry]}, token=await desk.token("kokuho"), key="ask-frozen"
    )
    assert answer.body["items"][0]["reason"] == "person_frozen", answer
    assert [entry["facts"]["step"] for entry in await desk.reviewed(frozen)] == ["freeze", "record"]


async def test_a_release_takes_two_people_and_registers_the_copies_anew(desk):
    number = await wrongly_linked(desk)
    await desk.file("kokuho", 77, "r1")
    await desk.propose("links/freeze", integrated_number=number)
    assert await desk.copies_when({}) == {}
    decision = await desk.propose("links/release", integrated_number=number)
    own = await desk.approve(decision, staff="a.sato")
    assert (own.status, own.body["reason"]) == (409, "own_proposal")
    await desk.approve(decision)
    await desk.ended(decision)
    assert await desk.copies_when({"kokuho/r1": number}) == {"kokuho/r1": number}


async def test_a_wrong_link_is_undone_and_the_child_has_what_was_sent_for_the_child(desk):
    number = await wrongly_linked(desk)
    await desk.file("kokuho", 77, "r1")
    await desk.copies_when({"kokuho/r1": number})
    await desk.propose("links/freeze", integrated_number=number)
    ended = await desk.decided(
        "links/split",
        integrated_number=number,
        addressees=[{"business_system": "kokuho", "addressee_number": "77"}],
        right={"individual_number": CHILD},
        wrong_since=datetime(2026, 11, 1, tzinfo=UTC).isoformat(),
    )
    child = await desk.person_of("kokuho", 77)
    assert child != number
    assert await desk.person_of("juki", 1) == number
    assert [(await desk.person(one))["frozen"] for one in (number, child)] == [False, False]
    assert (await desk.searched(child))["name"] == "架空　若葉"
    assert (await desk.searched(child))["individual_number"] == CHILD
    assert (await desk.searched(number))["individual_number"] == PARENT
    assert await desk.copies_when({"kokuho/r1": child}) == {"kokuho/r1": child}
    steps = [entry["facts"]["step"] for entry in await desk.reviewed(ended)]
    assert steps == ["propose", "approve", "record"]


async def test_changes_of_a_split_addressee_are_replayed_on_the_right_person_and_leave_the_wrong_one(desk):
    number = await wrongly_linked(desk)
    moved = await desk.change("kokuho", 77, "address_change", "e1", address="架空県他所市一丁目１番")
    assert moved["outcome"] == "applied", moved
    assert (await desk.searched(number))["address"] == "架空県他所市一丁目１番"
    await desk.decided(
        "links/split",
        integrated_number=number,
        addressees=[{"business_system": "kokuho", "addressee_number": "77"}],
    )
    child = await desk.person_of("kokuho", 77)
    assert (await desk.searched(number))["address"] == row(1)["address"]
    assert (await desk.searched(child))["address"] == "架空県他所市一丁目１番"
    again = await desk.change("kokuho", 77, "address_change", "e1", address="架空県他所市一丁目１番")
    assert again["outcome"] == "unchanged", again
    assert (await desk.searched(child))["address"] == "架空県他所市一丁目１番"


async def test_a_merged_number_stays_points_to_the_survivor_and_is_found_no_more(desk):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    two = await desk.number("kokuho", row(77))
    await desk.file("kokuho", 77, "r1")
    await desk.decided("links/merge", integrated_number=two, other_integrated_number=one)
    old = await desk.person(two)
    assert (old["merged_into"], old["frozen"]) == (int(one), True)
    assert await desk.person_of("kokuho", 77) == one
    assert await desk.copies_when({"kokuho/r1": one}) == {"kokuho/r1": one}
    third = await desk.number("kokuho", row(78, name="架空　三郎", kana="カクウ　サブロウ", sex="1"))
    assert third not in {one, two}


@pytest.mark.parametrize("path", ["links/merge", "links/split", "links/freeze", "links/release"])
async def test_a_merged_number_takes_part_in_nothing_any_more(desk, path):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    two = await desk.number("kokuho", row(77))
    await desk.decided("links/merge", integrated_number=two, other_integrated_number=one)
    more = {
        "links/merge": {"other_integrated_number": one},
        "links/split": {"addressees": [{"business_system": "kokuho", "addressee_number": "77"}]},
    }
    answer = await desk.say(path, integrated_number=two, **more.get(path, {}))
    assert (answer.status, answer.body["reason"]) == (
        409,
        "person_frozen" if path == "links/freeze" else "person_merged",
    )


async def test_the_individual_number_goes_along_when_the_survivor_has_none(desk):
    with_number = await desk.number("juki", row(1, individual_number=PARENT))
    without = await desk.number("kokuho", row(77))
    await desk.decided("links/merge", integrated_number=with_number, other_integrated_number=without)
    assert (await desk.person(with_number))["individual_number_index"] is None
    [again] = await desk.register("kokuho", row(90, individual_number=PARENT))
    assert (again["outcome"], again["integrated_number"]) == ("linked", without)


async def test_a_row_with_the_old_number_of_a_merged_person_finds_the_survivor(desk):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    two = await desk.number("kokuho", row(77, individual_number=CHILD))
    await desk.decided("links/merge", integrated_number=two, other_integrated_number=one)
    [again] = await desk.register("kokuho", row(90, individual_number=CHILD))
    assert (again["outcome"], again["integrated_number"]) == ("linked", one)


async def test_a_wrong_merge_is_undone_and_the_old_number_lives_again(desk):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    two = await desk.number("kokuho", row(77, individual_number=CHILD, **A_CHILD))
    await desk.file("kokuho", 77, "r1")
    await desk.decided("links/merge", integrated_number=two, other_integrated_number=one)
    await desk.decided(
        "links/split",
        integrated_number=one,
        other_integrated_number=two,
        addressees=[{"business_system": "kokuho", "addressee_number": "77"}],
    )
    assert await desk.person_of("kokuho", 77) == two
    back = await desk.person(two)
    assert (back["merged_into"], back["frozen"]) == (None, False)
    assert (await desk.searched(two))["individual_number"] == CHILD
    assert (await desk.searched(one))["individual_number"] == PARENT
    assert await desk.copies_when({"kokuho/r1": two}) == {"kokuho/r1": two}


async def test_a_link_by_four_items_takes_all_four(desk):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    same = await desk.number("kokuho", row(77, name="架空花子", kana="ｶｸｳ ﾊﾅｺ"))
    other = await desk.number("kokuho", row(78, birth_date="1980-04-02"))
    refused = await desk.say("links/propose", integrated_number=other, other_integrated_number=one)
    assert (refused.status, refused.body["reason"]) == (409, "fewer_than_four_items")
    has_one = await desk.say("links/propose", integrated_number=one, other_integrated_number=same)
    assert (has_one.status, has_one.body["reason"]) == (409, "has_individual_number")
    await desk.decided("links/propose", integrated_number=same, other_integrated_number=one)
    assert await desk.person_of("kokuho", 77) == one


async def test_candidates_come_in_the_order_of_their_scores_and_link_nobody(desk):
    same = await desk.number("juki", row(1, individual_number=PARENT))
    family = await desk.number("juki", row(2, individual_number=CHILD, **A_CHILD))
    await desk.number(
        "juki", row(3, individual_number=individual(3), name="見本　一", kana="ミホン　ハジメ", address="他県他市")
    )
    lonely = await desk.number("kokuho", row(77, kana="ｶｸｳ ﾊﾅｺ"))

    async def look():
        return (await desk.say("links/candidates", business_system="kokuho", addressee_number="77")).body

    answer = await until(look, lambda body: not body["behind"])
    assert [one["integrated_number"] for one in answer["items"]] == [same, family]
    best, second = answer["items"]
    assert (best["score"], best["all_four_agree"]) == (100, True)
    assert best["folds"] == {"kana": ["half_width_kana", "spaces"]}
    assert second["score"] < 100
    assert "birth_date" in second["differing"]
    assert await desk.person_of("kokuho", 77) == lonely


@pytest.mark.parametrize("asked", [{"birth_date": "1980-04-01"}, {"name": "架空", "kana": "カクウ"}, {"sex": "2"}])
async def test_a_search_for_candidates_by_one_key_is_refused(desk, asked):
    answer = await desk.say("links/candidates", **asked)
    assert (answer.status, answer.body["reason"]) == (400, "too_few_keys")


async def test_a_split_waits_until_the_intermediate_server_has_let_go_and_an_edit_voids_what_has_not_begun(
    reviewed_ward,
):
    async with reviewed_ward.standing(), reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        number = await wrongly_linked(desk)
        await desk.file("kokuho", 77, "r1")
        await desk.copies_when({"kokuho/r1": number})
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        split = await desk.propose(
            "links/split",
            integrated_number=number,
            addressees=[{"business_system": "kokuho", "addressee_number": "77"}],
        )
        assert (await desk.approve(split)).body["state"] == "withdrawing"
        assert (await desk.person(number))["frozen"]
        assert await desk.person_of("kokuho", 77) == number
        other = await desk.number("juki", row(5))
        merge = {"integrated_number": other, "other_integrated_number": number}
        waiting = await desk.propose("links/merge", **merge)
        assert (await desk.approve(waiting)).body["state"] == "approved"
        edits = {"decision_id": waiting["decision_id"], "version": 1}
        edited = await desk.propose("links/merge", staff="c.abe", **merge, edits=edits)
        assert (edited["state"], edited["approved_by"]) == ("proposed", None)
        late = await desk.say(
            "links/split",
            integrated_number=number,
            addressees=[{"business_system": "kokuho", "addressee_number": "77"}],
            edits={"decision_id": split["decision_id"], "version": 1},
        )
        assert (late.status, late.body["reason"]) == (409, "decided_already")
    async with reviewed_ward.standing(), reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        await desk.ended(split)
        child = await desk.person_of("kokuho", 77)
        assert child != number
        assert await desk.copies_when({}) == {}  # the child has no 個人番号 yet, so no code and no copy


async def test_a_decision_about_people_who_changed_since_is_void_and_changes_nobody(desk):
    one = await desk.number("juki", row(1, individual_number=PARENT))
    two = await desk.number("kokuho", row(77))
    three = await desk.number("kokuho", row(78))
    first = await desk.propose("links/merge", integrated_number=two, other_integrated_number=one)
    second = await desk.propose("links/merge", integrated_number=three, other_integrated_number=one)
    assert (await desk.approve(first)).status == 200
    await desk.ended(first)
    late = await desk.approve(second)
    assert (late.status, late.body["reason"]) == (409, "content_changed")
    assert await desk.person_of("kokuho", 78) == three
