"""Bars follow the copies of a person to another number (SC-4, IS-6, LS-1.3; docs/adr/0083)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.operations import notices
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, ProviderWorld


async def moved(world: ProviderWorld, number: str, other: str, **copy) -> None:
    """A copy under one number, registered anew under another."""
    record_id = await qualified(world, number)
    await qualified(world, other, record_id=record_id, revision=5, **copy)


async def disposition(world: ProviderWorld, number: str) -> str:
    return (await world.ask(world.question(number))).disposition


async def bars_of(world: ProviderWorld, number: str) -> list[tuple[str, str, str, str]]:
    return sorted(
        (bar.effect.value, bar.cause.value, bar.state.value, bar.set_by) for bar in world.agency.bars.of_person(number)
    )


async def read_again(world: ProviderWorld) -> None:
    await world.agency.bars.read_again(
        world.agency.database, world.agency.tenant, world.agency.keys.ring, world.agency.id
    )


@pytest.mark.parametrize(("effect", "said"), [("hold", "held"), ("freeze", "held"), ("refuse", "refused")])
async def test_sc_4_a_bar_follows_a_copy_to_another_number(world, effect, said):
    number, other = await world.person(), await world.person()
    bar = await world.bar(integrated_number=number, effect=effect)
    await moved(world, number, other)
    assert await disposition(world, other) == said
    await read_again(world)
    assert await disposition(world, other) == said
    assert await bars_of(world, other) == [(effect, "support_measures", "unchecked", "auto")]
    assert await bars_of(world, number) == [(effect, "support_measures", "standing", "staff-1")]
    [entry] = [one for one in await world.entries() if one.get("facts", {}).get("carried_from") == bar["bar_id"]]
    assert (entry["kind"], entry["actor"], entry["facts"]["event"]) == ("bars.changed", "auto", "carried")
    assert other not in str(entry)
    [told] = (await notices.listed(world.agency, to_staff=True))["notices"]
    assert (told["kind"], told["text"]) == ("bars_unchecked", "1")
    assert (await notices.listed(world.agency))["notices"] == []  # how many are barred is not the business systems'


async def test_a_carried_bar_is_checked_by_one_of_the_staff_and_then_lifted(world):
    number, other = await world.person(), await world.person()
    await world.bar(integrated_number=number)
    await moved(world, number, other)
    [carried] = world.agency.bars.of_person(other)
    assert (await world.change_bar(carried.bar_id, "check"))["state"] == "standing"
    assert (await world.change_bar(carried.bar_id, "lift"))["state"] == "lifted"
    assert await disposition(world, other) == "provided"


async def test_what_stands_there_already_is_carried_once_and_what_was_lifted_is_not(world):
    number, other = await world.person(), await world.person()
    await world.bar(integrated_number=number)
    lifted = await world.bar(integrated_number=number, effect="freeze")
    await world.change_bar(lifted["bar_id"], "lift")
    await world.bar(integrated_number=number, effect="refuse", information=INFORMATION)
    await world.bar(integrated_number=other, effect="refuse", information=INFORMATION)
    for _ in range(2):
        await moved(world, number, other)
    assert await bars_of(world, other) == [
        ("hold", "support_measures", "unchecked", "auto"),
        ("refuse", "support_measures", "standing", "staff-1"),
    ]


async def test_a_suspension_stands_at_the_other_number_too_and_is_ended_by_two(two):
    number, other = await two.person(), await two.person()
    bar = await two.bar(integrated_number=number, effect="suspend")
    await two.change_bar(bar["bar_id"], "check", by="staff-2")
    await moved(two, number, other)
    [carried] = two.agency.bars.of_person(other)
    assert two.agency.bars.suspends(other, INFORMATION)
    assert (await two.change_bar(carried.bar_id, "lift", by="staff-1"))["state"] == "lift_asked"
    assert (await two.change_bar(carried.bar_id, "lift", by="staff-2"))["state"] == "lifted"


async def test_a_bar_that_another_process_has_set_follows_too(world):
    number, other = await world.person(), await world.person()
    await world.bar(integrated_number=number)
    world.agency.bars._people.clear()
    world.agency.bars.epoch -= 1
    await moved(world, number, other)
    assert await bars_of(world, other) == [("hold", "support_measures", "unchecked", "auto")]


async def test_what_was_approved_before_a_bar_came_with_a_copy_is_looked_at_again(world):
    number, other = await world.person(), await world.person()
    await qualified(world, other, auto_response="barred")
    question = world.question(other)
    await world.ask(question)
    [before] = await world.fetch("select revision from provision where permit_id = $1", question.permit_id)
    await world.bar(integrated_number=number)
    await moved(world, number, other)
    [after] = await world.fetch("select revision from provision where permit_id = $1", question.permit_id)
    assert after["revision"] == before["revision"] + 1
