"""A number that was split leaves its bars at both, and a bar that begins at a merged number works at the one who lives on, with copies or without (SC-4; docs/adr/0108)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.intermediate_server import carrying
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.states import BarState
from gateway.intermediate_server.codes import ending
from gateway.intermediate_server.codes.ending import CancelItem
from gateway.intermediate_server.codes.states import Ending
from tests.gateway.provision.test_bars_of_merged import merged
from tests.support.another_process import half_way
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, ProviderWorld


async def split(world: ProviderWorld, number: str, split_off: str) -> None:
    item = carrying.SplitItem(integrated_number=number, split_off=split_off)
    assert await carrying.take_splits(world.agency, [item], world.now) == [{"carried": True}]


async def disposition(world: ProviderWorld, number: str) -> str:
    return (await world.ask(world.question(number))).disposition


@pytest.mark.parametrize("again", [1, 2])
async def test_sc_4_what_is_barred_at_a_number_without_copies_is_barred_at_both_when_it_is_split(world, again):
    number, other = await world.person(), await world.person()
    await qualified(world, other)
    await world.bar(integrated_number=number)
    for _ in range(again):
        await split(world, number, other)
    [bar] = world.agency.bars.of_person(other)
    assert (bar.state, bar.set_by) == (BarState.UNCHECKED, "auto")
    assert len(world.agency.bars.of_person(number)) == 1
    assert await disposition(world, other) == "held"


async def test_sc_4_a_bar_that_is_set_at_a_merged_number_works_at_the_one_who_lives_on(world):
    number, between, other = [await world.person() for _ in range(3)]
    await qualified(world, other)
    await merged(world, number, between)
    await merged(world, between, other)
    assert await disposition(world, other) == "provided"
    set_there = await world.bar(integrated_number=number)
    [bar] = world.agency.bars.of_person(other)
    assert (bar.state, bar.set_by) == (BarState.UNCHECKED, "auto")
    assert await disposition(world, other) == "held"
    carried = [one["facts"] for one in await world.entries() if one.get("facts", {}).get("event") == "carried"]
    assert (carried[-1]["bar_id"], carried[-1]["carried_from"]) == (bar.bar_id, set_there["bar_id"])


async def test_sc_4_a_bar_that_is_set_while_the_merge_is_told_works_at_the_one_who_lives_on(world):
    number, other = await world.person(), await world.person()
    await qualified(world, other)

    async def tell(agency: HostedAgency) -> None:
        await ending.cancel_codes(
            agency, [CancelItem(integrated_number=number, reason=Ending.MERGED, lives_on=other)], world.now
        )

    async with half_way(world.agency, tell):
        setting = asyncio.create_task(world.bar(integrated_number=number))
    await setting
    assert await disposition(world, other) == "held"


async def test_sc_4_a_suspension_that_two_agree_to_after_the_merge_works_at_the_one_who_lives_on(world):
    number, other = await world.person(), await world.person()
    bar = await world.bar(integrated_number=number, effect="suspend")
    await merged(world, number, other)
    assert not world.agency.bars.suspends(other, INFORMATION)
    await world.change_bar(bar["bar_id"], "check", by="staff-2")
    assert world.agency.bars.suspends(other, INFORMATION)


async def test_a_bar_that_was_lifted_at_the_one_who_lives_on_is_not_set_there_again_by_a_step_of_the_first(world):
    number, other = await world.person(), await world.person()
    await merged(world, number, other)
    first = await world.bar(integrated_number=number)
    [carried] = world.agency.bars.of_person(other)
    await world.change_bar(carried.bar_id, "check")
    await world.change_bar(carried.bar_id, "lift")
    await world.change_bar(first["bar_id"], "lift")
    assert world.agency.bars.of_person(other) == ()


async def test_whoever_is_split_off_again_is_barred_alone(world):
    number, other = await world.person(), await world.person()
    await merged(world, number, other)
    await split(world, other, number)
    await world.bar(integrated_number=number)
    assert world.agency.bars.of_person(other) == ()
    assert len(world.agency.bars.of_person(number)) == 1
