"""What a bar reaches beyond the next answer: who has delegated asking, what is on its way, codes that ended, and what does not leave at all (SC-4, IS-6)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib import resources

import pytest

from gateway.intermediate_server.codes import ending
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.provision import deadlines, flow
from tests.gateway.provision.test_delegation import delegating  # noqa: F401 (a fixture)
from tests.support.copies import paid, qualified
from tests.support.provider_world import ProviderWorld, Question
from transport.problem import ProblemError


class Delivered:
    """Stands where the network is: takes every outcome that is delivered, and says so."""

    def __init__(self) -> None:
        self.permits: list[str] = []

    async def ask(self, message: dict) -> dict:
        self.permits.append(message["permit_id"])
        return {"received": True}


def delivery(world: ProviderWorld) -> Delivered:
    found = Delivered()
    object.__setattr__(world.agency, "late_outcomes", found)
    return found


async def insured(world: ProviderWorld, **copy) -> str:
    number = await world.person()
    await qualified(world, number, **copy)
    return number


async def again(world: ProviderWorld, question: Question) -> dict:
    return (await flow.provide(world.agency, [question.item], world.now))[0]


# --- delegation


async def test_a_bar_at_who_has_delegated_asking_holds_what_is_asked_for_them(delegating):  # noqa: F811
    number = await insured(delegating)
    bar = await delegating.bar("inquirer", inquirer="koiki-rengo")
    question = delegating.question(number, item="80", inquirer_for="koiki-rengo")
    assert (await delegating.ask(question)).disposition == "held"
    assert (await delegating.held(question.permit_id))["ground"] == "inquirer_barred"
    assert (await delegating.ask(delegating.question(number))).disposition == "provided"
    await delegating.change_bar(bar["bar_id"], "lift")
    one = delegating.question(number, item="80", inquirer_for="koiki-rengo")
    assert (await delegating.ask(one)).disposition == "provided"


async def test_a_bar_at_who_has_delegated_asking_voids_what_was_looked_at_before_it(delegating):  # noqa: F811
    number = await insured(delegating, auto_response="barred")
    question = delegating.question(number, item="80", inquirer_for="koiki-rengo")
    await delegating.ask(question)
    seen = await delegating.held(question.permit_id)
    bar = await delegating.bar("inquirer", inquirer="koiki-rengo")
    with pytest.raises(ProblemError, match="content_changed"):
        await delegating.decide(question.permit_id, seen["content_hash"])
    await delegating.change_bar(bar["bar_id"], "lift")


async def test_what_was_held_before_delegations_were_looked_at_has_its_delegator_after_the_upgrade(delegating):  # noqa: F811
    number = await insured(delegating, auto_response="barred")
    delegated, own = delegating.question(number, item="80", inquirer_for="koiki-rengo"), delegating.question(number)
    for one in (delegated, own):
        await delegating.ask(one)
    await delegating.execute("update provision set inquirer_for = null")
    file = resources.files("gateway.intermediate_server") / "migrations/0077_who_has_delegated_asking.sql"
    await delegating.execute(file.read_text(encoding="utf-8").partition("add column inquirer_for text;")[2])
    found = {row["permit_id"]: row["inquirer_for"] for row in await delegating.fetch("select * from provision")}
    assert (found[delegated.permit_id], found[own.permit_id]) == ("koiki-rengo", None)


# --- freezing what is on its way


@pytest.mark.parametrize("effect", ["freeze", "refuse"])
async def test_what_was_released_before_a_freeze_is_neither_delivered_nor_told_again_under_it(world, effect):
    number = await insured(world, auto_response="barred")
    question, refused = world.question(number), world.question(number)
    for one in (question, refused):
        await world.ask(one)
    seen = await world.held(question.permit_id)
    await world.decide(question.permit_id, seen["content_hash"])
    await world.decide(refused.permit_id)
    bar = await world.bar(integrated_number=number, effect=effect)
    taken = delivery(world)
    world.now += timedelta(minutes=1)
    await deadlines.push(world.agency, world.now)
    assert refused.permit_id in taken.permits
    assert question.permit_id not in taken.permits
    assert await again(world, question) == {"retry": "not_yet"}
    assert (await world.ask(refused)).reason == "refused_by_staff"
    await world.change_bar(bar["bar_id"], "lift")
    world.now += timedelta(minutes=1)
    await deadlines.push(world.agency, world.now)
    assert question.permit_id in taken.permits
    assert (await world.ask(question)).payload.kind == "answered"


async def test_who_is_frozen_is_still_said_to_be_held(world):
    number = await insured(world)
    await world.bar(integrated_number=number, effect="freeze")
    question = world.question(number)
    assert [(await world.ask(question)).disposition for _ in range(2)] == ["held", "held"]


# --- 不開示 of a code that has ended


async def test_the_refusal_of_a_code_that_has_ended_is_marked_as_not_to_be_disclosed(world):
    number = await insured(world)
    await world.bar(integrated_number=number, effect="non_disclosure")
    cancelled = ending.CancelItem(integrated_number=number, reason=Ending.MOVED_OUT)
    await ending.cancel_codes(world.agency, [cancelled], world.now)
    question = world.question(number)
    answer = await world.ask(question)
    assert (answer.disposition, answer.outcome["non_disclosure"]) == ("refused", True)
    [entry] = await world.entries(question.asked.inquiry_number)
    assert entry["non_disclosure"] is True


# --- copies of which nothing leaves


async def test_the_flag_of_a_copy_of_which_nothing_was_asked_holds_nothing(world):
    number = await insured(world)
    await paid(world, number, "2022-04-01", "2022-04-30", auto_response="barred")
    assert (await world.ask(world.question(number, items=["被保険者番号"]))).disposition == "provided"
    assert (await world.ask(world.question(number, items=["支給額", "被保険者番号"]))).disposition == "held"


# --- delivery


class AllAtOnce(Delivered):
    """Answers nobody before so many have come."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.wanted = asyncio.Barrier(many)

    async def ask(self, message: dict) -> dict:
        await self.wanted.wait()
        return await super().ask(message)


async def test_is_7_one_inquirer_that_hangs_holds_up_the_delivery_to_no_other(world):
    await world.execute("update provision set push_at = null")
    questions = []
    for _ in range(3):
        number = await insured(world, auto_response="barred")
        questions.append(world.question(number))
        assert (await world.ask(questions[-1])).disposition == "held"
        await world.decide(questions[-1].permit_id)
    found = AllAtOnce(len(questions))
    object.__setattr__(world.agency, "late_outcomes", found)
    async with asyncio.timeout(5):
        assert await deadlines.push(world.agency, world.now) == 0
    assert sorted(found.permits) == sorted(one.permit_id for one in questions)
