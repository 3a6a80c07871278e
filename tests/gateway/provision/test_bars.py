"""自動応答不可 at the person, the inquirer and the item, and freezing, as staff set and lift them (SC-4, IS-6)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.intermediate_server.bars import standing, whose
from gateway.intermediate_server.staff import barring
from storage.database import StorageUnavailableError
from tests.support.copies import paid, qualified
from tests.support.provider_world import INFORMATION, INQUIRER, OTHER, ProviderWorld
from transport.problem import ProblemError


async def insured(world: ProviderWorld) -> str:
    number = await world.person()
    await qualified(world, number)
    return number


async def disposition(world: ProviderWorld, number: str, **asked) -> str:
    return (await world.ask(world.question(number, **asked))).disposition


async def test_a_barred_person_is_held_until_the_bar_is_lifted(world):
    number, other = await insured(world), await insured(world)
    assert await disposition(world, number) == "provided"
    bar = await world.bar(integrated_number=number)
    assert bar["state"] == "standing"
    assert "integrated_number" not in bar
    assert await disposition(world, number) == "held"
    assert await disposition(world, other) == "provided"
    assert (await world.change_bar(bar["bar_id"], "lift"))["state"] == "lifted"
    assert await disposition(world, number) == "provided"


@pytest.mark.parametrize(
    "asked", [{"period": "2019-04-01/2020-03-31"}, {"period": "2020-04-01/2020-04-01"}, {"items": ["支給額"]}, {}]
)
async def test_sc_4_whatever_is_asked_of_a_barred_person_is_held_so_that_no_answer_tells_what_there_is(world, asked):
    """A qualification from 1 April 2020: by the day since when somebody is insured here, it is known when they came."""
    number, nothing = await insured(world), await world.person()
    for one in (number, nothing):
        bar = await world.bar(integrated_number=one)
        question = world.question(one, **asked)
        assert (await world.ask(question)).disposition == "held"
        seen = await world.held(question.permit_id)
        assert seen["ground"] == "person_barred"
        assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}
        later = await world.later(question)
        assert later.disposition == ("provided" if seen["would_leave"] else "not_provided")
        await world.change_bar(bar["bar_id"], "lift")


async def test_a_barred_inquirer_is_held_and_others_are_answered(world):
    number = await insured(world)
    bar = await world.bar("inquirer", inquirer=INQUIRER)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    assert (await world.held(question.permit_id))["ground"] == "inquirer_barred"
    assert await disposition(world, number, inquirer=OTHER) == "provided"
    await world.change_bar(bar["bar_id"], "lift")


async def test_a_barred_item_is_held_when_it_is_among_what_is_asked(world):
    number = await insured(world)
    await paid(world, number, "2022-04-01", "2022-04-30")
    bar = await world.bar("item", information=INFORMATION, data_item="支給額")
    assert await disposition(world, number, items=["被保険者番号"]) == "provided"
    assert await disposition(world, number, items=["支給額", "被保険者番号"]) == "held"
    assert await disposition(world, number) == "held"
    await world.change_bar(bar["bar_id"], "lift")


async def test_every_act_is_an_entry_that_says_who_and_why_and_nobodys_number(world):
    number = await insured(world)
    bar = await world.bar(integrated_number=number, by="staff-2")
    await world.change_bar(bar["bar_id"], "lift", by="staff-1")
    found = [
        one
        for one in await world.entries()
        if one["kind"] == "bars.changed" and one["facts"]["bar_id"] == bar["bar_id"]
    ]
    assert [(one["actor"], one["facts"]["event"], one["facts"]["state"]) for one in found] == [
        ("staff-2", "set", "standing"),
        ("staff-1", "lift", "lifted"),
    ]
    assert len({one["facts"]["subject"] for one in found}) == 2
    assert number not in str(await world.entries())


async def test_whose_a_bar_is_stands_in_no_row_and_it_works_is_found_and_made_anew_all_the_same(world):
    number = await insured(world)
    await world.execute(
        "insert into bar (bar_id, place, effect, cause, integrated_number, information, data_item, state, set_by, set_at, version) "
        "values ('B-before', 'person', 'hold', 'support_measures', $1, '*', '*', 'standing', 'x', now(), 1)",
        number,
    )
    agency = world.agency
    said = (agency.database, agency.tenant, agency.keys.ring, agency.id)
    await standing.seal_those_in_clear(agency.database, agency.tenant, agency.keys, agency.id)
    bar = await world.bar(integrated_number=number)
    rows = [str(dict(row)) for row in await world.fetch("select * from bar where place = 'person'")]
    assert not [row for row in rows if number in row]
    await agency.bars.read_again(*said)
    assert agency.bars.look(number, INQUIRER, INFORMATION).person == "barred"
    for _ in range(2):
        found = await barring._fetch(agency, "bars_of_person", whose.indexes(agency.keys.ring, number))
        assert {one.bar_id for one in found} == {"B-before", bar["bar_id"]}
        assert {one.integrated_number for one in found} == {number}
        agency.keys.ring.rotate(whose.PURPOSE)
    await world.execute("update bar set number_sealed = '\\x00' where bar_id = 'B-before'")
    with pytest.raises(StorageUnavailableError):
        await agency.bars.read_again(*said)
    assert agency.bars.look(number, INQUIRER, INFORMATION).person == "barred"
    await world.execute("delete from bar where bar_id = 'B-before'")


async def test_a_bar_that_another_process_sets_while_an_answer_is_decided_holds_it(world):
    """The answer was decided under the bars as they were; it is recorded under none but those of now."""
    number = await insured(world)
    question = world.question(number)
    await world.execute(
        "insert into bar (bar_id, place, effect, cause, integrated_number, information, data_item, state, set_by, set_at, version) "
        "values ('B-elsewhere', 'person', 'hold', 'other', $1, '*', '*', 'standing', 'x', now(), 1)",
        number,
    )
    await world.execute(
        "insert into bar_epoch (epoch) values (1) on conflict (one) do update set epoch = bar_epoch.epoch + 1"
    )
    assert world.agency.bars.look(number, INFORMATION, INQUIRER).person == "allowed"
    assert (await world.ask(question)).disposition == "held"


async def test_answers_at_the_same_time_as_a_bar_are_all_before_it_in_the_log_or_held(world):
    number = await insured(world)
    questions = [world.question(number) for _ in range(20)]

    async def later() -> None:
        await asyncio.sleep(0.005)
        await world.bar(integrated_number=number)

    answers, _ = await asyncio.gather(asyncio.gather(*(world.ask(one) for one in questions)), later())
    assert {one.disposition for one in answers} <= {"provided", "held"}
    kinds = [one["kind"] for one in await world.entries()]
    last_bar = len(kinds) - 1 - kinds[::-1].index("bars.changed")
    assert "provision.made" not in kinds[last_bar:]
    assert await disposition(world, number) == "held"


async def test_a_bar_voids_what_was_looked_at_before_it(world):
    number = await insured(world)
    first = await world.bar(integrated_number=number)
    question = world.question(number)
    await world.ask(question)
    seen = await world.held(question.permit_id)
    second = await world.bar("inquirer", inquirer=INQUIRER)
    with pytest.raises(ProblemError, match="content_changed"):
        await world.decide(question.permit_id, seen["content_hash"])
    seen = await world.held(question.permit_id)
    for bar in (first, second):
        await world.change_bar(bar["bar_id"], "lift")
    with pytest.raises(ProblemError, match="content_changed"):
        await world.decide(question.permit_id, seen["content_hash"])
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}
    assert (await world.later(question)).payload.kind == "answered"


async def test_a_bar_takes_back_the_first_of_two_approvals(two):
    number = await insured(two)
    bar = await two.bar(integrated_number=number)
    question = two.question(number)
    await two.ask(question)
    seen = await two.held(question.permit_id)
    assert await two.decide(question.permit_id, seen["content_hash"], by="staff-1") == {"approved": True}
    await two.change_bar(bar["bar_id"], "check", by="staff-2")
    seen, first = await two.held(question.permit_id, by="staff-2"), await two.held(question.permit_id)
    assert seen["approved_by"] is None
    assert await two.decide(question.permit_id, seen["content_hash"], by="staff-2") == {"approved": True}
    assert await two.decide(question.permit_id, first["content_hash"], by="staff-1") == {"released": True}


async def test_where_two_are_wanted_a_bar_works_at_once_and_nobody_checks_or_lifts_alone(two):
    number = await insured(two)
    bar = await two.bar(integrated_number=number, by="staff-1")
    bar_id = bar["bar_id"]
    assert bar["state"] == "unchecked"
    assert await disposition(two, number) == "held"
    with pytest.raises(ProblemError, match="second_person_needed"):
        await two.change_bar(bar_id, "check", by="staff-1")
    assert (await two.change_bar(bar_id, "check", by="staff-2"))["state"] == "standing"
    assert (await two.change_bar(bar_id, "lift", by="staff-1"))["state"] == "lift_asked"
    assert await disposition(two, number) == "held"
    with pytest.raises(ProblemError, match="second_person_needed"):
        await two.change_bar(bar_id, "lift", by="staff-1")
    assert (await two.change_bar(bar_id, "keep", by="staff-2"))["state"] == "standing"
    await two.change_bar(bar_id, "lift", by="staff-2")
    assert (await two.change_bar(bar_id, "lift", by="staff-1"))["state"] == "lifted"
    assert await disposition(two, number) == "provided"
    with pytest.raises(ProblemError, match="bar_state"):
        await two.change_bar(bar_id, "lift", by="staff-2")


async def test_nobody_checks_their_own_bar_by_asking_to_lift_and_keeping_it(two):
    number = await insured(two)
    bar_id = (await two.bar(integrated_number=number, by="staff-1"))["bar_id"]
    for keeper in ("staff-1", "staff-2"):
        assert (await two.change_bar(bar_id, "lift", by="staff-1"))["state"] == "unchecked_lift_asked"
        assert await disposition(two, number) == "held"
        assert (await two.change_bar(bar_id, "keep", by=keeper))["state"] == "unchecked"
    with pytest.raises(ProblemError, match="second_person_needed"):
        await two.change_bar(bar_id, "check", by="staff-1")
    await two.change_bar(bar_id, "lift", by="staff-1")
    with pytest.raises(ProblemError, match="second_person_needed"):
        await two.change_bar(bar_id, "lift", by="staff-1")
    assert (await two.change_bar(bar_id, "lift", by="staff-2"))["state"] == "lifted"


async def test_the_database_lets_nobody_lift_what_they_asked_to_lift(two):
    bar = await two.bar(integrated_number=await insured(two))
    with pytest.raises(Exception, match="bar_lifted_by_two"):
        await two.execute(
            "update bar set state = 'lifted', asked_by = 'staff-1', changed_by = 'staff-1' where bar_id = $1",
            bar["bar_id"],
        )


# --- freezing


async def test_nothing_leaves_of_a_frozen_person_not_even_that_there_is_nothing(world):
    number = await world.person()
    assert await disposition(world, number) == "not_provided"
    bar = await world.bar(integrated_number=number, effect="freeze")
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    seen = await world.held(question.permit_id)
    assert (seen["ground"], seen["would_leave"]) == ("person_frozen", [])
    with pytest.raises(ProblemError, match="person_frozen"):
        await world.decide(question.permit_id, seen["content_hash"])
    await world.change_bar(bar["bar_id"], "lift")
    await qualified(world, number)
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}
    answer = await world.later(question)
    assert (answer.payload.kind, len(answer.payload.records)) == ("answered", 1)


async def test_a_person_frozen_with_refusal_is_refused_with_a_reason_of_its_own(world):
    number = await insured(world)
    bar = await world.bar(integrated_number=number, effect="refuse")
    answer = await world.ask(world.question(number))
    assert (answer.disposition, answer.reason) == ("refused", "person_frozen")
    await world.change_bar(bar["bar_id"], "lift")
    assert await disposition(world, number) == "provided"


async def test_what_was_held_and_is_then_frozen_is_not_released(world):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    await world.ask(question)
    bar = await world.bar(integrated_number=number, effect="freeze")
    seen = await world.held(question.permit_id)
    with pytest.raises(ProblemError, match="person_frozen"):
        await world.decide(question.permit_id, seen["content_hash"])
    await world.change_bar(bar["bar_id"], "lift")
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}


async def test_a_released_person_without_copies_is_said_to_have_none(world):
    number = await world.person()
    bar = await world.bar(integrated_number=number, effect="freeze")
    question = world.question(number)
    await world.ask(question)
    await world.change_bar(bar["bar_id"], "lift")
    seen = await world.held(question.permit_id)
    await world.decide(question.permit_id, seen["content_hash"])
    answer = await world.later(question)
    assert (answer.disposition, answer.payload.kind) == ("not_provided", "no_replica")


# --- what is refused


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"place": "person"}, "bar_malformed"),
        ({"place": "person", "integrated_number": "12"}, "integrated_number_malformed"),
        ({"place": "person", "integrated_number": "0" * 15, "inquirer": INQUIRER}, "bar_malformed"),
        ({"place": "inquirer", "inquirer": "nowhere"}, "agency_unknown"),
        ({"place": "inquirer", "inquirer": INQUIRER, "effect": "freeze"}, "bar_malformed"),
        ({"place": "item"}, "bar_malformed"),
        ({"place": "item", "information": "無い情報"}, "information_unknown"),
        ({"place": "item", "information": INFORMATION, "data_item": "無い項目"}, "information_unknown"),
    ],
)
async def test_a_bar_that_means_nothing_is_refused(world, said, reason):
    with pytest.raises(ProblemError, match=reason):
        await world.bar(**said)


async def test_the_same_setting_again_is_the_same_bar(world):
    number = await insured(world)
    once = await world.bar(integrated_number=number)
    from gateway.intermediate_server.staff import barring

    def again(place: str, **said) -> barring.SetItem:
        return barring.SetItem(
            bar_id=once["bar_id"], place=barring.Place(place), cause=barring.Cause.SUPPORT_MEASURES, **said
        )

    same = await barring.set_bar(world.staff("staff-1"), again("person", integrated_number=number), world.now)
    assert same["bar_id"] == once["bar_id"]
    with pytest.raises(ProblemError, match="bar_id_taken"):
        await barring.set_bar(world.staff("staff-1"), again("inquirer", inquirer=INQUIRER), world.now)
    assert world.agency.bars.look("x", INFORMATION, INQUIRER).inquirer == "allowed"


# --- suspension of use


async def test_a_suspended_person_is_refused_once_two_have_agreed_and_nobody_else(world):
    number, other = await insured(world), await insured(world)
    bar = await world.bar(integrated_number=number, effect="suspend")
    assert (bar["state"], await disposition(world, number)) == ("asked", "provided")
    with pytest.raises(ProblemError, match="second_person_needed"):
        await world.change_bar(bar["bar_id"], "check", by="staff-1")
    before = world.question(number)
    assert (await world.ask(before)).disposition == "provided"
    assert (await world.change_bar(bar["bar_id"], "check", by="staff-2"))["state"] == "standing"
    answer = await world.ask(world.question(number))
    assert (answer.disposition, answer.reason) == ("refused", "use_suspended")
    assert await disposition(world, other) == "provided"
    assert world.agency.bars.suspends(number, INFORMATION)
    assert not world.agency.bars.suspends(other, INFORMATION)
    assert (await world.change_bar(bar["bar_id"], "lift", by="staff-1"))["state"] == "lift_asked"
    with pytest.raises(ProblemError, match="second_person_needed"):
        await world.change_bar(bar["bar_id"], "lift", by="staff-1")
    assert (await world.change_bar(bar["bar_id"], "lift", by="staff-2"))["state"] == "lifted"
    assert await disposition(world, number) == "provided"


async def test_what_is_held_is_not_released_under_a_suspension_of_the_agency(world):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    await world.ask(question)
    bar = await world.bar(place="agency", effect="suspend")
    await world.change_bar(bar["bar_id"], "check", by="staff-2")
    seen = await world.held(question.permit_id)
    with pytest.raises(ProblemError, match="use_suspended"):
        await world.decide(question.permit_id, seen["content_hash"])
    await world.change_bar(bar["bar_id"], "lift", by="staff-1")
    await world.change_bar(bar["bar_id"], "lift", by="staff-2")
    seen = await world.held(question.permit_id)
    assert await world.decide(question.permit_id, seen["content_hash"]) == {"released": True}


async def test_a_suspension_that_was_only_asked_for_is_withdrawn_by_one(world):
    bar = await world.bar(place="agency", effect="suspend")
    assert world.agency.bars.suspension is None
    assert (await world.change_bar(bar["bar_id"], "lift"))["state"] == "lifted"


@pytest.mark.parametrize(
    "said",
    [
        {"place": "agency"},
        {"place": "agency", "effect": "freeze"},
        {"place": "agency", "effect": "suspend", "information": INFORMATION},
        {"place": "agency", "effect": "suspend", "inquirer": INQUIRER},
        {"place": "inquirer", "inquirer": INQUIRER, "effect": "suspend"},
        {"place": "item", "information": INFORMATION, "effect": "suspend"},
    ],
)
async def test_only_a_person_or_the_whole_agency_is_suspended(world, said):
    with pytest.raises(ProblemError, match="bar_malformed"):
        await world.bar(**said)


async def test_the_database_takes_no_suspension_that_works_after_one_person(world):
    bar = await world.bar(place="agency", effect="suspend")
    with pytest.raises(Exception, match="bar_suspended_by_two"):
        await world.execute("update bar set state = 'unchecked' where bar_id = $1", bar["bar_id"])
    await world.change_bar(bar["bar_id"], "lift")
