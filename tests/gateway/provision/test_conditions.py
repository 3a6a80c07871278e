"""Conditions by year and period, and 不開示 of either side: exactly what was asked, and a mark that all records carry (IS-2, IS-3, 番号法23条2項)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.copies import BENEFIT, QUALIFICATION, paid, premium, qualified
from tests.support.provider_world import LIMITS, ProviderWorld

YEAR_2021, YEAR_2022 = "2021-04-01/2022-03-31", "2022-04-01/2023-03-31"


async def sets(world: ProviderWorld, number: str, period: str) -> list[str]:
    payload = (await world.ask(world.question(number, period=period))).payload
    return sorted(record["data_set"] for record in payload.records)


async def test_a_year_is_answered_with_the_records_of_that_year_alone(world):
    number = await world.person()
    for year in ("2020", "2021", "2022"):
        await premium(world, number, year)
    payload = (await world.ask(world.question(number, period=YEAR_2021))).payload
    assert [record["items"]["年度"]["value"] for record in payload.records] == ["2021"]
    payload = (await world.ask(world.question(number, period="2022-03-31/2022-04-01"))).payload
    assert sorted(record["items"]["年度"]["value"] for record in payload.records) == ["2021", "2022"]


@pytest.mark.parametrize(
    ("period", "found"),
    [
        ("2022-04-30/2022-04-30", [BENEFIT, QUALIFICATION]),
        ("2022-05-01/2022-05-31", [QUALIFICATION]),
        ("2022-03-31/2022-04-01", [BENEFIT, QUALIFICATION]),
        ("2021-01-01/2022-03-31", [QUALIFICATION]),
        ("2022-09-29/2022-10-01", [QUALIFICATION]),
        ("2019-01-01/2020-03-31", []),
    ],
)
async def test_days_are_met_by_a_shared_day_and_not_by_the_next(world, period, found):
    """A benefit from 1 to 30 April, a qualification from 1 April 2020 that was over on 30 September 2022 (its last day is the 29th)."""
    number = await world.person()
    await qualified(world, number, until="2022-09-30")
    await paid(world, number, "2022-04-01", "2022-04-30")
    if found:
        assert await sets(world, number, period) == found
    else:
        answer = await world.ask(world.question(number, period=period))
        assert (answer.disposition, answer.payload.kind) == ("not_provided", "none_in_period")


async def test_the_day_after_the_last_is_not_met(world):
    number = await world.person()
    await qualified(world, number, until="2022-09-30")
    answer = await world.ask(world.question(number, period="2022-09-30/2022-10-31"))
    assert answer.payload.kind == "none_in_period"


async def test_a_qualification_that_was_over_on_the_first_of_all_days_loses_no_answer(world):
    number, other = await world.person(), await world.person()
    await qualified(world, number, until="0001-01-01")
    await qualified(world, other)
    assert await sets(world, other, YEAR_2022) == [QUALIFICATION]
    assert (await world.ask(world.question(number, period=YEAR_2022))).payload.kind == "none_in_period"


async def test_none_in_the_period_is_not_no_copy(world):
    nobody, somebody = await world.person(), await world.person()
    await premium(world, somebody, "2021")
    kinds = [(await world.ask(world.question(one, period=YEAR_2022))).payload.kind for one in (nobody, somebody)]
    assert kinds == ["no_replica", "none_in_period"]


@pytest.mark.parametrize(
    ("items", "period", "kind"),
    [
        (["賦課額"], YEAR_2022, "none_in_period"),
        (["支給額"], YEAR_2022, "no_replica"),
        (["支給額"], None, "no_replica"),
        (["賦課額", "被保険者番号"], "2015-04-01/2016-03-31", "none_in_period"),
    ],
)
async def test_copies_without_the_items_asked_are_no_answer(world, items, period, kind):
    """A premium of 2021 and a qualification that runs on: whether there is a copy is asked of those that have the items (IS-3)."""
    number = await world.person()
    await premium(world, number, "2021")
    await qualified(world, number)
    answer = await world.ask(world.question(number, items=items, period=period))
    assert (answer.disposition, answer.payload.kind, answer.payload.records) == ("not_provided", kind, [])


async def test_a_released_question_concludes_as_one_answered_at_once(world):
    """Whose copy went while the question was held: no period was asked, so none is what the answer is about."""
    number = await world.person()
    await qualified(world, number)
    record = await paid(world, number, "2022-04-01", "2022-04-30", auto_response="barred")
    question = world.question(number, items=["支給額"])
    assert (await world.ask(question)).disposition == "held"
    await world.execute("delete from replica where record_id = $1", record)
    seen = await world.held(question.permit_id)
    assert seen["would_leave"] == []
    await world.decide(question.permit_id, seen["content_hash"])
    later = await world.later(question)
    assert (later.disposition, later.payload.kind) == ("not_provided", "no_replica")
    at_once = await world.ask(world.question(number, items=["支給額"]))
    assert (at_once.disposition, at_once.payload.kind) == ("not_provided", "no_replica")


async def test_a_bar_on_a_copy_outside_the_period_holds_nothing(world):
    number = await world.person()
    await premium(world, number, "2021", auto_response="barred")
    await premium(world, number, "2022")
    assert (await world.ask(world.question(number, period=YEAR_2022))).disposition == "provided"
    question = world.question(number, period=YEAR_2021)
    assert (await world.ask(question)).disposition == "held"
    seen = await world.held(question.permit_id)
    assert [record["items"]["年度"]["value"] for record in seen["would_leave"]] == ["2021"]
    await world.decide(question.permit_id, seen["content_hash"])
    assert (await world.later(question)).payload.records == seen["would_leave"]


async def test_the_period_stands_in_every_record_of_the_provider(world):
    number = await world.person()
    await premium(world, number, "2021", auto_response="barred")
    question = world.question(number, period=YEAR_2021, non_disclosure=True)
    await world.ask(question)
    await world.decide(question.permit_id)
    found = await world.entries(question.asked.inquiry_number)
    assert [(one["kind"], one["period"], one["non_disclosure"]) for one in found] == [
        ("provision.held", YEAR_2021, True),
        ("provision.refused", YEAR_2021, True),
    ]


async def test_what_is_not_asked_for_stands_in_no_record_and_no_request(world):
    number = await world.person()
    await qualified(world, number)
    question = world.question(number)
    answer = await world.ask(question)
    said = {"non_disclosure", "period", "inquirer_for", "provider_for"}
    assert not said & set(answer.outcome)
    assert all(name.encode() not in question.item.request for name in said)
    assert all(not said & set(one) for one in await world.entries(question.asked.inquiry_number))


# --- 不開示


async def test_the_provider_marks_what_it_answers_about_somebody(world):
    number = await world.person()
    await qualified(world, number)
    bar = await world.bar(integrated_number=number, effect="non_disclosure")
    question = world.question(number)
    answer = await world.ask(question)
    assert (answer.disposition, answer.outcome["non_disclosure"]) == ("provided", True)
    assert [one["non_disclosure"] for one in await world.entries(question.asked.inquiry_number)] == [True]
    await world.change_bar(bar["bar_id"], "lift")
    assert "non_disclosure" not in (await world.ask(world.question(number))).outcome


@pytest.mark.parametrize("approve", [True, False])
async def test_whoever_decides_on_a_held_provision_can_mark_it(world, approve):
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    assert "non_disclosure" not in (await world.ask(question)).outcome
    seen = await world.held(question.permit_id)
    await world.decide(question.permit_id, seen["content_hash"] if approve else "", non_disclosure=True)
    assert (await world.later(question)).outcome["non_disclosure"] is True
    found = await world.entries(question.asked.inquiry_number)
    assert [one.get("non_disclosure", False) for one in found] == [False, True]


@pytest.mark.parametrize("ends", ["released", "rejected", "expired"])
async def test_what_was_marked_when_it_was_held_is_marked_when_it_ends(world, ends):
    """The record of the hold may be gone seven years later, a fiscal year before that of the end."""
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    bar = await world.bar(integrated_number=number, effect="non_disclosure")
    question = world.question(number)
    assert (await world.ask(question)).outcome["non_disclosure"] is True
    await world.change_bar(bar["bar_id"], "lift")
    if ends == "expired":
        world.now += LIMITS.answer_within + timedelta(seconds=1)
        await world.time_passes()
    else:
        seen = await world.held(question.permit_id)
        await world.decide(question.permit_id, seen["content_hash"] if ends == "released" else "")
    assert (await world.later(question)).outcome["non_disclosure"] is True
    assert [one["non_disclosure"] for one in await world.entries(question.asked.inquiry_number)] == [True, True]
