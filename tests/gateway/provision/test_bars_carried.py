"""Bars follow the copies of a person to another number (SC-4, IS-6, LS-1.3; docs/adr/0083)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.intermediate_server.operations import notices
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from gateway.intermediate_server.retention import erasing
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
    assert (await two.change_bar(carried.bar_id, "lift", by="staff-1"))["state"] == "unchecked_lift_asked"
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


async def withdraw(world: ProviderWorld, record_id: str, number: str, revision: int) -> None:
    item = ReplicaItem(
        record_id=record_id, revision=revision, operation="delete", integrated_number=number, information="", data_set="", version="",
        public_from=date(1970, 1, 1), auto_response="", items={},
    )  # fmt: skip
    assert await registration.register(world.agency, [item], world.now) == [{"registered": True}]


@pytest.mark.parametrize("revision", [0, 3])
@pytest.mark.parametrize("how", ["withdrawn", "over"])
async def test_sc_4_a_bar_follows_a_copy_that_is_withdrawn_first_as_a_merge_and_a_split_do(world, how, revision):
    number, other = await world.person(), await world.person()
    record_id = await qualified(world, number, revision=revision, public_to=date(2029, 12, 31))
    await world.bar(integrated_number=number)
    if how == "withdrawn":
        await withdraw(world, record_id, number, revision and 4)
        await withdraw(world, record_id, other, revision and 5)  # nothing is there any more: whose it was stays
    else:
        assert await registration.expire(world.agency, datetime(2030, 1, 1, tzinfo=UTC)) == 1
    await qualified(world, other, record_id=record_id, revision=revision and 6)
    assert await bars_of(world, other) == [("hold", "support_measures", "unchecked", "auto")]
    assert await disposition(world, other) == "held"


async def test_whose_a_withdrawn_copy_was_is_kept_while_they_are_barred_and_in_clear_nowhere(world):
    number, other = await world.person(), await world.person()
    records = {who: await qualified(world, who, revision=3) for who in (number, other)}
    bar = await world.bar(integrated_number=number)
    for who, record_id in records.items():
        await withdraw(world, record_id, who, 4)
    rows = await world.fetch("select * from replica_withdrawn where record_id = any($1)", [*records.values()])
    assert len(rows) == 2
    assert not [row for row in rows if number in str(tuple(row)) or number.encode() in row["number_sealed"]]
    kept_for = world.agency.limits.ended_kept_for + timedelta(seconds=1)

    async def left_after(times: int) -> list[str]:
        await erasing.erase_ended(world.agency, world.now + times * kept_for)
        rows = await world.fetch(
            "select record_id from replica_withdrawn where record_id = any($1)", [*records.values()]
        )
        return [row["record_id"] for row in rows]

    assert await left_after(1) == [records[number]]
    assert await left_after(2) == [records[number]]
    await world.change_bar(bar["bar_id"], "lift")
    assert await left_after(3) == []
