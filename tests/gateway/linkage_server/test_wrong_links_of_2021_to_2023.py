"""DOMAIN §6.1: each wrong link of 2021 to 2023 is staged once more, and a control stops it before anybody's data is somebody else's.

What was reported then: health insurers (7,312), a mutual aid association, 宮崎県 (2,336), 愛知県 (23), 島根県 (12), 福岡県 (65), receiving accounts.
"""

from __future__ import annotations

import pytest

from adapters.sky2.matching import Differs, Matched, Part, match_holder
from codebook.four_items import PersonName
from tests.support.change_files import day
from tests.support.replica_world import ReplicaWorld
from tests.support.resident_files import csv_bytes, four_items, individual_number, person, put, through
from tests.support.review_world import SCOPES, SYSTEMS, Desk, individual, row

PARENT = row(1, individual_number=individual(1))
CHILD = {"name": "架空　若葉", "kana": "カクウ　ワカバ", "birth_date": "2015-07-07"}


@pytest.fixture
async def ward(world):
    for system in SYSTEMS:
        await world.register(system, system=system, scopes=SCOPES)
    return world


def desk_of(world, caller) -> Desk:
    return Desk(world=ReplicaWorld(linkage=world, intermediate=world.config), caller=caller)


@pytest.fixture
async def desk(ward):
    async with ward.served() as caller:
        yield desk_of(ward, caller)


async def test_health_insurers_a_row_without_a_number_is_never_linked_by_fewer_than_four_items(desk):
    known = await desk.number("juki", PARENT)
    nearly = row(77, address="架空県他所市９番")
    [result] = await desk.register("kokuho", nearly)
    assert (result["outcome"], result["integrated_number"] != known) == ("issued", True)
    refused = await desk.say(
        "links/propose", integrated_number=result["integrated_number"], other_integrated_number=known
    )
    assert (refused.status, refused.body["reason"]) == (409, "fewer_than_four_items")
    by_name_alone = await desk.say("links/candidates", name="架空　花子", kana="カクウ　ハナコ")
    assert (by_name_alone.status, by_name_alone.body["reason"]) == (400, "too_few_keys")
    assert await desk.person_of("kokuho", 77) != known


async def test_the_mutual_aid_association_a_link_is_only_proposed_until_a_second_person_approves(desk):
    known = await desk.number("juki", PARENT)
    alone = await desk.number("kokuho", row(77))
    decision = await desk.propose("links/propose", integrated_number=alone, other_integrated_number=known)
    assert await desk.person_of("kokuho", 77) == alone
    own = await desk.approve(decision, staff="a.sato")
    assert (own.status, own.body["reason"]) == (409, "own_proposal")
    assert await desk.person_of("kokuho", 77) == alone


async def test_miyazaki_a_bulk_job_with_every_number_one_row_off_stops_before_it_commits(world):
    count = 300
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, count + 1)}
    slipped = [person(nth, individual_number=individual_number(nth % count + 1)) for nth in range(1, count + 1)]
    async with world.served(compare_with_resident_network=True):
        folder = put(world.config.spool, csv_bytes(slipped), name="slipped.csv", count=count)
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await through(folder, "slipped.csv")
    [found] = await world.rows("select count(*) as people from person")
    assert found["people"] == 0


async def test_aichi_a_parents_number_on_a_childs_form_is_held_and_the_child_gets_a_number_of_their_own(desk):
    parent = await desk.number("juki", PARENT)
    [result] = await desk.register("kokuho", row(77, individual_number=individual(1), **CHILD))
    assert (result["outcome"], result["reason"]) == ("held", "number_of_a_household_member")
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    child = await desk.person_of("kokuho", 77)
    assert child != parent
    assert (await desk.person(child))["individual_number_index"] is None


async def test_aichi_another_applicants_number_is_held(desk):
    await desk.number("juki", PARENT)
    stranger = row(
        78, individual_number=individual(1), name="見本　一郎", kana="ミホン　イチロウ", sex="1", address="架空県他所市"
    )
    [result] = await desk.register("kokuho", stranger)
    assert (result["outcome"], result["reason"]) == ("held", "four_items_differ")


async def test_aichi_a_search_by_birth_date_alone_finds_nobody(desk):
    await desk.number("juki", PARENT)
    answer = await desk.say("links/candidates", birth_date="1980-04-01")
    assert (answer.status, answer.body["reason"]) == (400, "too_few_keys")
    in_search = await desk.say("persons/search", birth_date="1980-04-01")
    assert (in_search.status, in_search.body["reason"]) == (400, "too_few_keys")


async def test_aichi_an_age_that_the_affair_does_not_have_is_held(ward):
    async with ward.served(load_limits={"setagaya": {"ages": {"kokuho": [0, 18]}}}) as caller:
        desk = desk_of(ward, caller)
        [result] = await desk.register("kokuho", row(77, individual_number=individual(1)))
    assert (result["outcome"], result["reason"]) == ("held", "age_against_affair")


async def test_shimane_the_same_address_with_another_birth_date_is_held(desk):
    await desk.number("juki", PARENT)
    [result] = await desk.register("kokuho", row(77, individual_number=individual(1), birth_date="1952-11-03"))
    assert (result["outcome"], result["reason"]) == ("held", "number_of_a_household_member")


async def test_shimane_a_namesake_is_held(desk):
    await desk.number("juki", PARENT)
    namesake = row(77, individual_number=individual(1), birth_date="1961-01-09", address="架空県遠方市５番")
    [result] = await desk.register("kokuho", namesake)
    assert (result["outcome"], result["reason"]) == ("held", "four_items_differ")
    [hold] = await desk.holds()
    assert sorted(hold["differing"]) == ["address", "birth_date"]


async def changed(desk, *items):
    """Outcome and reason of changes that are typed in at 住民の異動."""
    stated = {"staff": "a.sato", "affair": "resident-changes", "reason": "届出の確認"}
    said = [{"kind": "move_in", "effective_on": day(), "resident_kind": "住民"} | one for one in items]
    answer = await desk.caller.post(
        "/v1/person-changes", stated | {"items": said}, token=await desk.token("juki"), key=items[0]["event_id"]
    )
    assert answer.status == 200, answer
    return [(one["outcome"], one["reason"]) for one in answer.body["items"]]


async def test_an_addressee_number_that_is_given_to_somebody_else_makes_nobody_another_person(ward):
    """Both have their own right number, and the resident network agrees to both: what differs is who the addressee number means."""
    names = ("name", "kana", "sex", "birth_date", "address")
    somebody = {"name": "見本　次郎", "kana": "ミホン　ジロウ", "sex": "1", "birth_date": "1944-02-02", "address": "架空県遠方市５番"}  # fmt: skip
    ward.neighbours.people = {individual(1): {name: PARENT[name] for name in names}, individual(2): somebody}
    back = {name: PARENT[name] for name in names} | {"address": "架空県帰郷市１番"}
    async with ward.served(compare_with_resident_network=True) as caller:
        desk = desk_of(ward, caller)
        held, without = await desk.number("juki", PARENT), await desk.number("juki", row(2))
        before = [await desk.person(one) for one in (held, without)]
        assert await changed(
            desk,
            {"event_id": "a", "addressee_number": "1", "individual_number": individual(2)} | somebody,
            {"event_id": "b", "addressee_number": "2"} | somebody,
            {"event_id": "c", "addressee_number": "2"} | back | {"birth_date": "1981-04-01"},
        ) == [("held", "individual_number_differs"), ("held", "four_items_differ"), ("held", "four_items_differ")]
        assert [await desk.person(one) for one in (held, without)] == before
        assert await changed(desk, {"event_id": "d", "addressee_number": "2"} | back) == [("applied", None)]


async def test_fukuoka_a_number_copied_wrongly_from_the_resident_network_is_held_and_two_people_look(ward):
    """The number typed is another resident's: the resident network says whose it is."""
    other = row(
        9, individual_number=individual(2), name="見本　次郎", kana="ミホン　ジロウ", sex="1", birth_date="1944-02-02"
    )
    fields = ("name", "kana", "sex", "birth_date", "address")
    ward.neighbours.people = {individual(2): {name: other[name] for name in fields}}
    async with ward.served(compare_with_resident_network=True) as caller:
        desk = desk_of(ward, caller)
        [result] = await desk.register("kokuho", row(77, individual_number=individual(2)))
        assert result["outcome"] == "held"
        [hold] = await desk.holds()
        decision = await desk.propose("holds/decide", hold_id=hold["hold_id"], action="refuse")
        own = await desk.approve(decision, staff="a.sato")
        assert (own.status, own.body["reason"]) == (409, "own_proposal")
        assert (await desk.approve(decision)).status == 200
        await desk.ended(decision)
    assert await ward.rows("select 1 from addressee") == []


def test_receiving_accounts_an_account_of_somebody_else_is_found_before_money_goes_there():
    resident = PersonName("カクウ　ハナコ")
    assert match_holder(PersonName("ｶｸｳ ﾊﾅｺ"), resident) == Matched()
    assert match_holder(PersonName("ﾐﾎﾝ ﾀﾛｳ"), resident) == Differs(parts=frozenset({Part.SURNAME, Part.GIVEN_NAME}))


async def test_a_wrong_link_that_was_made_all_the_same_is_frozen_at_once_and_the_desk_asks_nobody(desk):
    number = await desk.number("juki", PARENT)
    await desk.number("kokuho", row(77, individual_number=individual(1)))
    assert (await desk.propose("links/freeze", integrated_number=number))["people"][0]["frozen"]
    inquiry = {
        "addressee_number": "77", "provider": "naikaku", "item": "27", "information": "見本", "items": [], "purpose": "見本", "staff": "a.sato",
    }  # fmt: skip
    for nth in range(2):
        answer = await desk.caller.post(
            "/v1/inquiries", {"items": [inquiry]}, token=await desk.token("kokuho"), key=f"ask-{nth}"
        )
        assert answer.body["items"][0]["reason"] == "person_frozen"
    assert desk.world.linkage.neighbours.inquiries == {}
