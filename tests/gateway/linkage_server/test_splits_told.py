"""The intermediate server is told of every split, so that what is barred at the number of before is barred at both (SC-4, LS-1.3; docs/adr/0108)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.linkage_server.test_codes_after_a_restore import OPENED
from tests.support.review_world import Desk, individual, row, until

ONE = {"individual_number": individual(1)}


@pytest.fixture
async def desk(reviewed_alone):
    async with reviewed_alone.linkage.served(continuous_codes=True) as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def wrongly_one(desk: Desk) -> tuple[str, dict[str, Any]]:
    """One number that stands for two, and the approved split of the second."""
    number = await desk.number("juki", row(1, **ONE))
    assert await desk.number("kokuho", row(77, **ONE)) == number
    named = [{"business_system": "kokuho", "addressee_number": "77"}]
    decision = await desk.propose("links/split", integrated_number=number, addressees=named)
    assert (await desk.approve(decision)).status == 200
    return number, decision


async def shown(desk: Desk, decision: dict[str, Any]) -> str:
    return str((await desk.say("links/show", decision_id=decision["decision_id"])).body["state"])


async def test_sc_4_a_split_is_told_before_it_is_done(desk):
    neighbours = desk.world.linkage.neighbours
    neighbours.away = {"person-splits"}
    number, decision = await wrongly_one(desk)
    assert await until(lambda: shown(desk, decision), lambda state: state == "applied") == "applied"
    assert neighbours.splits == []
    neighbours.away = set()
    await desk.ended(decision)
    assert neighbours.splits == [
        {"integrated_number": number, "split_off": await desk.person_of("kokuho", 77)},
    ]
    assert number != neighbours.splits[0]["split_off"]


async def test_sc_4_a_split_is_told_again_after_a_restore_that_lost_the_bars_which_it_carried(desk):
    neighbours = desk.world.linkage.neighbours
    number, decision = await wrongly_one(desk)
    await desk.ended(decision)
    told = [{"integrated_number": number, "split_off": await desk.person_of("kokuho", 77)}]
    assert neighbours.splits == told

    async def again() -> list[dict[str, str]]:
        return neighbours.splits

    await desk.world.linkage.rows(OPENED, "sekisho.example/setagaya/intermediate~1/2026")
    await desk.number("juki", row(2, individual_number=individual(2)))  # codes are looked after
    assert await until(again, lambda splits: len(splits) > 1) == told * 2
    await desk.number("juki", row(3, individual_number=individual(3)))
    await until(again, lambda _: ("acquisition-numbers", 1) in neighbours.lists)
    assert neighbours.splits == told * 2, "once for each time that the log was opened anew"
