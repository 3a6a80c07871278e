"""What comes while something else is under way: a suspension, the same outcome again, a merge, the end of whoever asked (SC-27, SC-6, SC-4)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

from gateway.intermediate_server import routes
from gateway.intermediate_server.inquiry import driving, reading
from gateway.intermediate_server.provision import deadlines
from tests.gateway.provision.test_bars_of_merged import merged
from tests.gateway.provision.test_inquiry_machine import standing
from tests.gateway.provision.test_late_answers import RECORDS, registered, saying
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, LIMITS
from transport.channel import ChannelError

SECOND = timedelta(seconds=1)


async def test_sc_27_an_answer_that_comes_while_use_is_suspended_is_not_read(world):
    """ADR 0053: while it stands, what is under way stays in its row; nothing that came back is read."""
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        answered = network._answered

        async def meanwhile(item):
            bar = await world.bar(integrated_number=found.integrated_number, effect="suspend")
            await world.change_bar(bar["bar_id"], "check", by="staff-2")
            return await answered(item)

        network._answered = meanwhile
        with contextlib.suppress(ChannelError):
            await driving.drive(agency, found)
        assert agency.bars.suspends(found.integrated_number, INFORMATION)
        assert reading.shown(agency, found)["values"] is None  # what IF_SKI_90012 answers with


async def test_sc_6_that_a_provider_marks_an_inquiry_is_said_once_however_often_it_comes_at_once(world):
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.mood = ("permits", "holds")
        await driving.drive(agency, found)
        world.now += LIMITS.answer_within + SECOND
        await driving.drive(agency, found)
        late = saying(world, found, "provided", "answered", RECORDS, marked=True)
        refusals = routes.refusals_of(agency)
        await asyncio.gather(*(routes.take_late(agency, refusals, [late]) for _ in range(3)))
    kinds = [one["kind"] for one in await world.entries(found.number)]
    assert kinds.count("inquiry.marked") == 1


async def test_what_a_provider_has_marked_and_its_inquirer_never_got_is_brought_to_it(world):
    """番号法23条2項: the inquirer gave it up at its deadline, and shows it to the person as an inquiry that was not answered."""
    number = await world.person()
    await qualified(world, number)
    bar = await world.bar(integrated_number=number, effect="non_disclosure")
    question = world.question(number)
    assert (await world.ask(question)).outcome["non_disclosure"] is True  # and the network lost it
    await world.change_bar(bar["bar_id"], "lift")
    sent: list[dict] = []

    class Network:
        async def ask(self, item: dict) -> dict:
            sent.append(item)
            return {"received": True}

    world.now += LIMITS.answer_within + SECOND
    await deadlines.push(replace(world.agency, late_outcomes=Network()), world.now)
    assert question.permit_id in {one["permit_id"] for one in sent}


async def test_sc_4_a_lifting_that_was_asked_for_before_a_merge_does_not_end_the_protection_of_the_merged(two):
    number, other = await two.person(), await two.person()
    await qualified(two, other)
    await two.bar(integrated_number=number)
    bar = await two.bar(integrated_number=other)
    await two.change_bar(bar["bar_id"], "check", by="staff-2")
    assert (await two.change_bar(bar["bar_id"], "lift", by="staff-1"))["state"] == "lift_asked"
    await merged(two, number, other)
    assert (await two.change_bar(bar["bar_id"], "lift", by="staff-2"))["state"] == "lifted"
    assert (await two.ask(two.question(other))).disposition == "held"
