"""What comes too late is not taken in, however it comes, and what is not believed fills no log (IS-2, SC-5, SC-6)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from gateway.intermediate_server import routes
from gateway.intermediate_server.inquiry import driving, registering
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock
from gateway.intermediate_server.network.wire import LateOutcome
from tests.gateway.provision.test_inquiry_machine import ITEMS, PROVIDER, standing
from tests.support.provider_world import BASIS, INFORMATION, LIMITS

SECOND = timedelta(seconds=1)


async def registered(world, agency) -> Inquiry:
    item = registering.DeskItem(
        message_id=secrets.token_hex(8), system="kokuho", actor="tanto-1", purpose="確認", integrated_number=await world.person(), provider=PROVIDER,
        item="27", information=INFORMATION, items=list(ITEMS), basis=BASIS,
    )  # fmt: skip
    [found] = await registering.register(agency, KeyStock(), [item], world.now)
    return found


@pytest.mark.parametrize(
    ("takes", "state", "reason"),
    [(LIMITS.answer_within, "answered", None), (LIMITS.answer_within + SECOND, "aborted", "deadline_passed")],
)
async def test_an_answer_in_the_response_is_taken_to_the_deadline_and_not_after_it(world, takes, state, reason):
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.takes = takes
        await driving.drive(agency, found)
    [row] = await world.fetch("select * from inquiry where inquiry_number = $1", found.number)
    assert (row["state"], row["reason"], row["result_sealed"] is None) == (state, reason, reason is not None)
    assert [one["kind"] for one in await world.entries(found.number)] == [
        "inquiry.registered", "inquiry.permitted", f"inquiry.{state}",
    ]  # fmt: skip


async def test_outcomes_that_are_not_believed_share_a_record_however_many_come(world):
    async with standing(world) as (agency, network):
        found = await registered(world, agency)
        network.mood = ("permits", "holds")
        await driving.drive(agency, found)
        assert found.permit_id is not None
        forged = LateOutcome(permit_id=found.permit_id, outcome=b"{}", signature=bytes(64), sealed=None)
        refusals = routes.refusals_of(agency)
        for _ in range(50):
            [answer] = await routes.take_late(agency, refusals, [forged])
            assert answer == {"refused": {"reason": "outcome_signature"}}
        world.now += timedelta(minutes=1)
        await refusals.flush()
    counts = [one["facts"]["count"] for one in await world.entries() if one["reason"] == "outcome_signature"]
    assert counts == [1, 49]
    [row] = await world.fetch("select state from inquiry where inquiry_number = $1", found.number)
    assert row["state"] == "held"
