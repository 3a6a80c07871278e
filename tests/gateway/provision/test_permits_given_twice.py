"""A core that gives one permit id to two inquiries: the first exchange stands, the second is refused and on record (SC-6, IS-3)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.provision import flow
from tests.support.copies import qualified


@pytest.mark.parametrize("together", [False, True])
async def test_sc_6_a_permit_id_that_was_honoured_is_good_for_no_other_inquiry(world, together):
    number = await world.person()
    await qualified(world, number)
    first = world.question(number)
    second = world.question(number, permit_id=first.permit_id)
    asked = [first.item, second.item]
    lists = [asked] if together else [[one] for one in asked]
    answers = [answer for one in lists for answer in await flow.provide(world.agency, one, world.now)]
    told = [
        world.judged(question, answer["outcome"], answer["signature"], answer["sealed"])
        for question, answer in zip((first, second), answers, strict=True)
    ]
    assert [(one.disposition, one.reason) for one in told] == [("provided", None), ("refused", "permit_replayed")]
    assert [one["kind"] for one in await world.entries(first.asked.inquiry_number)] == ["provision.made"]
    attempt = (await world.entries())[-1]
    assert (attempt["kind"], attempt["reason"]) == ("access.refused", "permit_replayed")
    assert attempt["facts"]["inquiry_number"] == second.asked.inquiry_number
    assert (await world.told(first))["outcome"] == answers[0]["outcome"]
