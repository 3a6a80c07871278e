"""What daily changes of people do to their codes: a lawful change of the number replaces, one that is taken back ends first (LS-4, DOMAIN §6.1)."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.gateway.linkage_server.test_codes_after_a_restore import OPENED
from tests.gateway.linkage_server.test_codes_continuous import BOUND, standing
from tests.gateway.linkage_server.test_people_changes import day, loaded
from tests.support.change_files import change, registering, take, with_juki
from tests.support.linkage_world import start_process, write_role
from tests.support.resident_files import four_items, individual_number


@pytest.fixture
async def ward(world):
    """Everybody's number is known to the resident network."""
    made = await with_juki(world)
    made.config.options["continuous_codes"] = True
    made.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 100)}
    return made


async def settled(world, wanted):
    for _ in range(200):
        if wanted():
            break
        await asyncio.sleep(0.05)
    assert wanted()


async def test_birth_and_move_in_bring_a_code_without_anybodys_doing(ward):
    async with ward.served():
        await take(ward, [registering("a", 1, "birth", day()), registering("b", 2, "move_in", day())], name="day.csv")
        assert await standing(ward, {1: BOUND, 2: BOUND}) == {1: BOUND, 2: BOUND}


async def test_a_lawful_change_of_the_number_replaces_the_code_and_ends_nothing(ward):
    async with ward.served():
        await loaded(ward, 2)
        await standing(ward, {1: BOUND, 2: BOUND})
        changed = [change("a", 1, "individual_number_change", day(), individual_number=individual_number(50))]
        assert await take(ward, changed, name="day.csv") == [("applied", "")]
        await settled(ward, lambda: len(ward.neighbours.replaced) == 1)
        found = await standing(ward, {1: BOUND, 2: BOUND})
    assert found == {1: BOUND, 2: BOUND}
    assert ward.neighbours.cancelled == {}
    assert [one["individual_number"] for one in ward.neighbours.requests][2:] == [individual_number(50)]
    [message] = ward.neighbours.replaced
    assert individual_number(50) not in message


async def test_whatever_comes_behind_a_lawful_change_of_the_number_ends_no_code(ward):
    async with ward.served():
        await loaded(ward, 3)
        await standing(ward, {1: BOUND, 2: BOUND, 3: BOUND})
        changed = [
            change("a", 1, "individual_number_change", day(), individual_number=individual_number(50)),
            change("b", 1, "correction", day(), kana="モギ　テイセイ"),
            change("m", 2, "address_change", day(), address="東京都世田谷区架空99番地"),
            change("n", 2, "individual_number_change", day(-1), individual_number=individual_number(51)),
            change("c", 2, "cancellation", day(), cancels="m"),
            change("d", 3, "individual_number_change", day(-2), individual_number=individual_number(52)),
            change("e", 3, "individual_number_change", day(-1), individual_number=individual_number(53)),
            change("f", 3, "cancellation", day(), cancels="e"),
        ]
        assert await take(ward, changed, name="day.csv") == [("applied", "")] * 8
        await settled(ward, lambda: len(ward.neighbours.replaced) == 3)
        found = await standing(ward, {1: BOUND, 2: BOUND, 3: BOUND})
    assert found == {1: BOUND, 2: BOUND, 3: BOUND}
    assert ward.neighbours.cancelled == {}
    asked = [one["individual_number"] for one in ward.neighbours.requests][3:]
    assert sorted(asked) == sorted(individual_number(nth) for nth in (50, 51, 52))


async def test_a_change_of_the_number_that_is_taken_back_ends_the_code_and_asks_under_the_right_one(ward):
    async with ward.served():
        await loaded(ward, 2)
        await standing(ward, {1: BOUND, 2: BOUND})
        wrong = [change("a", 1, "individual_number_change", day(-1), individual_number=individual_number(50))]
        assert await take(ward, wrong, name="wrong.csv") == [("applied", "")]
        await settled(ward, lambda: len(ward.neighbours.replaced) == 1)
        await standing(ward, {1: BOUND, 2: BOUND})
        back = [change("b", 1, "cancellation", day(), cancels="a")]
        assert await take(ward, back, name="back.csv") == [("applied", "")]
        await settled(ward, lambda: len(ward.neighbours.requests) == 4)
        found = await standing(ward, {1: BOUND, 2: BOUND})
    assert found == {1: BOUND, 2: BOUND}
    assert list(ward.neighbours.cancelled.values()) == ["number_corrected"]
    assert ward.neighbours.requests[-1]["individual_number"] == individual_number(1)


async def test_a_server_that_dies_when_a_code_has_ended_asks_under_the_right_number_all_the_same(ward):
    """Nothing else looks at the person until they change again."""
    async with ward.served():
        await loaded(ward, 1)
        await standing(ward, {1: BOUND})
        wrong = [change("a", 1, "individual_number_change", day(-1), individual_number=individual_number(50))]
        assert await take(ward, wrong, name="wrong.csv") == [("applied", "")]
        await settled(ward, lambda: len(ward.neighbours.replaced) == 1)
        await standing(ward, {1: BOUND})
    async with ward.served(continuous_codes=False):
        back = [change("b", 1, "cancellation", day(), cancels="a")]
        assert await take(ward, back, name="back.csv") == [("applied", "")]
    async with ward.neighbours.running(ward.neighbour_identity) as url:
        write_role(ward, {"resident_network": url, "intermediate/setagaya": url})
        process = await start_process(ward, "linkage.commit.code_states.after")
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    assert list(ward.neighbours.cancelled.values()) == ["number_corrected"]
    async with ward.served():
        assert await standing(ward, {1: BOUND}) == {1: BOUND}
    assert ward.neighbours.requests[-1]["individual_number"] == individual_number(1)


async def test_a_lawful_change_while_everybody_is_asked_about_after_a_restore_replaces_the_code(ward):
    async with ward.served():
        await loaded(ward, 1)
        await standing(ward, {1: BOUND})
    await ward.rows(OPENED, "sekisho.example/setagaya/intermediate~1/2026")
    ward.neighbours.away = {"code-status", "code-replacements"}
    async with ward.served():
        assert await standing(ward, {1: ("requested", None)}) == {1: ("requested", None)}
        changed = [change("a", 1, "individual_number_change", day(), individual_number=individual_number(50))]
        assert await take(ward, changed, name="day.csv") == [("applied", "")]
        followed = await standing(ward, {1: ("replacing", "number_changed")}, seconds=5)
        ward.neighbours.away = set()
        await settled(ward, lambda: len(ward.neighbours.replaced) == 1)
        assert await standing(ward, {1: BOUND}) == {1: BOUND}
    assert followed == {1: ("replacing", "number_changed")}
    assert ward.neighbours.requests[-1]["individual_number"] == individual_number(50)


async def test_a_name_or_address_asks_nobody_about_codes(ward):
    async with ward.served():
        await loaded(ward, 1)
        await standing(ward, {1: BOUND})
        asked = len(ward.neighbours.lists)
        await take(ward, [change("a", 1, "address_change", day(), address="東京都世田谷区架空99番地")], name="day.csv")
        await asyncio.sleep(1.5)
        assert await standing(ward) == {1: BOUND}
    assert not [one for one in ward.neighbours.lists[asked:] if one[0] != "four-items"]
