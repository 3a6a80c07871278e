"""A version of the permission list that the register names and the core has not given: nothing is provided under the one before, from its day on (PL-4; docs/adr/0071)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.support.copies import qualified
from tests.support.provider_world import NOON, provider_world
from transport.problem import ProblemError
from transport.register import NamedList

DAY = timedelta(days=1)
LATER = {"number": 99, "content_digest": "ab" * 32, "valid_from": "2022-10-04"}
"""From the day after NOON."""


@pytest.fixture
async def kept_back(tmp_path, cluster):
    async with provider_world(tmp_path, cluster, mark="_p4", register={"lists": [LATER]}) as found:
        found.now = NOON
        yield found


async def test_it_counts_from_its_day_for_permits_of_that_day(kept_back):
    number = await kept_back.person()
    await qualified(kept_back, number)
    assert (await kept_back.ask(kept_back.question(number))).disposition == "provided"
    under_way = kept_back.question(number)

    kept_back.now = NOON + DAY
    assert (await kept_back.ask(under_way)).disposition == "provided", "permitted under the list of its day"
    late = kept_back.question(number)
    answer = await kept_back.ask(late)
    assert (answer.disposition, answer.reason) == ("refused", "list_overdue")
    [entry] = await kept_back.entries(late.asked.inquiry_number)
    assert (entry["kind"], entry["reason"]) == ("provision.refused", "list_overdue")
    assert kept_back.agency.lists.missing == 1


async def test_what_is_held_waits_for_the_list_of_its_day(tmp_path, cluster):
    """The register that names it has come between the hold and the release."""
    async with provider_world(tmp_path, cluster, mark="_p5") as world:
        number = await world.person()
        await qualified(world, number, auto_response="barred")
        question = world.question(number)
        await world.ask(question)
        seen = await world.held(question.permit_id)
        named = NamedList(number=99, content_digest="ab" * 32, valid_from=date(2022, 10, 3))
        newer = replace(world.agency.register(), lists=(named,), sequence=1)
        world.registers.append(newer)
        with pytest.raises(ProblemError, match="list_overdue"):
            await world.decide(question.permit_id, seen["content_hash"])
        assert await world.decide(question.permit_id) == {"refused": True}
