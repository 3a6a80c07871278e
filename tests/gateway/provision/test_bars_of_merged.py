"""A number that was merged into another takes its bars along, whether it has copies and codes or not (SC-4; docs/adr/0098)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.bars.states import BarState
from gateway.intermediate_server.codes import ending
from gateway.intermediate_server.codes.ending import CancelItem
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.operations import notices
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, ProviderWorld


async def merged(world: ProviderWorld, number: str, lives_on: str) -> None:
    item = CancelItem(integrated_number=number, reason=Ending.MERGED, lives_on=lives_on)
    assert await ending.cancel_codes(world.agency, [item], world.now) == [{"cancelled": True}]


@pytest.mark.parametrize("again", [1, 2])
async def test_sc_4_whoever_lives_on_is_barred_as_the_merged_number_was(world, again):
    number, other = await world.person(), await world.person()
    await qualified(world, other)
    await world.bar(integrated_number=number)
    for _ in range(again):
        await merged(world, number, other)
    [bar] = world.agency.bars.of_person(other)
    assert (bar.state, bar.set_by) == (BarState.UNCHECKED, "auto")
    assert (await world.ask(world.question(other))).disposition == "held"


async def test_sc_4_a_number_without_a_code_takes_its_bars_along_too(world):
    number, other = "000000000000001", await world.person()
    await qualified(world, other)
    await world.bar(integrated_number=number)
    await merged(world, number, other)
    assert (await world.ask(world.question(other))).disposition == "held"


async def test_sc_4_bars_follow_a_chain_of_merges_that_is_told_from_its_end(world):
    """Each number is told with the one that it was merged into (docs/adr/0115)."""
    number, between, other = [await world.person() for _ in range(3)]
    await qualified(world, other)
    await world.bar(integrated_number=number)
    await merged(world, between, other)
    await merged(world, number, between)
    assert (await world.ask(world.question(other))).disposition == "held"


async def test_a_code_that_ends_for_another_reason_moves_no_bar(world):
    number, other = await world.person(), await world.person()
    await world.bar(integrated_number=number)
    item = CancelItem(integrated_number=number, reason=Ending.MOVED_OUT)
    assert await ending.cancel_codes(world.agency, [item], world.now) == [{"cancelled": True}]
    assert world.agency.bars.of_person(other) == ()


async def test_a_carried_suspension_is_among_what_waits_to_be_checked_and_is_ended_by_two(two):
    number, other = await two.person(), await two.person()
    bar = await two.bar(integrated_number=number, effect="suspend")
    await two.change_bar(bar["bar_id"], "check", by="staff-2")
    before = await told(two)
    await merged(two, number, other)
    [carried] = two.agency.bars.of_person(other)
    assert two.agency.bars.suspends(other, INFORMATION)
    assert await told(two) == before + 1
    assert (await two.change_bar(carried.bar_id, "check", by="staff-1"))["state"] == "standing"
    assert await told(two) == before
    assert (await two.change_bar(carried.bar_id, "lift", by="staff-1"))["state"] == "lift_asked"
    assert (await two.change_bar(carried.bar_id, "lift", by="staff-2"))["state"] == "lifted"


async def told(world: ProviderWorld) -> int:
    """How many bars wait to be checked, by the notice that staff see."""
    found = (await notices.listed(world.agency, to_staff=True))["notices"]
    return sum(int(one["text"]) for one in found if one["kind"] == "bars_unchecked")
