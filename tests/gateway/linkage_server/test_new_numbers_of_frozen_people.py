"""LS-1.3, SC-18: nobody gets another addressee number while a link of theirs is looked into, whichever way it comes; once they thaw it is decided."""

from __future__ import annotations

import pytest

from tests.gateway.linkage_server.test_migrated_numbers import MIGRATED, migrated
from tests.support.change_files import day
from tests.support.review_world import SCOPES, SYSTEMS, Desk, individual, row, said, until

ONE = {"individual_number": individual(1)}
FROZEN = ("held", "person_frozen")


@pytest.fixture
async def desk(reviewed_alone):
    for system in SYSTEMS:
        await reviewed_alone.linkage.register(system, system=system, scopes=(*SCOPES, "integrated-numbers:migrate"))
    async with reviewed_alone.linkage.served(
        load_limits={"setagaya": {"mismatch_rate": 0.0, "mismatch_floor": 0}}
    ) as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def thawed(desk: Desk, number: str) -> None:
    await desk.decided("links/release", integrated_number=number)


async def by_call(desk: Desk) -> tuple[str, str]:
    [told] = await desk.register("kokuho", row(77, **ONE))
    return told["outcome"], told["reason"]


async def by_file(desk: Desk) -> tuple[str, str]:
    [[outcome, reason, _]] = await migrated(desk, "kokuho", row(77, **ONE))
    return outcome, reason


async def by_migrated_number(desk: Desk) -> tuple[str, str]:
    [[outcome, reason, _]] = await migrated(desk, "kokuho", row(77, **ONE, integrated_number=MIGRATED))
    return outcome, reason


async def by_move_in(desk: Desk) -> tuple[str, str]:
    told = await desk.change("kokuho", 77, "move_in", **said(**ONE))
    return told["outcome"], told["reason"]


@pytest.mark.parametrize("way", [by_call, by_file, by_migrated_number, by_move_in])
async def test_a_new_addressee_number_of_somebody_who_is_frozen_is_held_until_they_thaw(desk, way):
    [[kept, _, number]] = await migrated(desk, "juki", row(1, **ONE, integrated_number=MIGRATED))
    assert kept == "kept"
    await desk.propose("links/freeze", integrated_number=number)
    for _ in range(2):
        assert await way(desk) == FROZEN
    [hold] = await desk.holds()
    link = {"hold_id": hold["hold_id"], "action": "link", "integrated_number": number}
    refused = await desk.say("holds/decide", **link)
    assert (refused.status, refused.body["reason"]) == (409, "person_frozen")
    assert await desk.world.linkage.rows("select from addressee where addressee_number = '77'") == []
    await thawed(desk, number)
    await desk.decided("holds/decide", **link)
    assert (await desk.person_of("kokuho", 77), await desk.holds()) == (number, [])


async def test_a_row_without_individual_number_is_not_linked_by_the_migrated_number_of_somebody_who_is_frozen(desk):
    nobodys = row(1, individual_number="", integrated_number=MIGRATED)
    [[kept, _, number]] = await migrated(desk, "juki", nobodys)
    assert kept == "kept"
    await desk.propose("links/freeze", integrated_number=number)
    again = nobodys | {"addressee_number": "77"}
    assert await migrated(desk, "kokuho", again) == [[*FROZEN, ""]]
    await thawed(desk, number)
    assert await migrated(desk, "kokuho", again | {"addressee_number": "78"}) == [["linked", "", number]]


async def test_what_is_held_already_of_somebody_who_is_frozen_says_the_same_still(desk):
    number = await desk.number("juki", row(1, **ONE))
    await desk.propose("links/freeze", integrated_number=number)
    [told] = await desk.register("juki", row(1, **ONE))
    assert told["outcome"] == "unchanged"


async def test_a_file_of_changes_is_not_stopped_by_people_who_are_frozen(desk):
    number = await desk.number("juki", row(1, **ONE))
    await desk.propose("links/freeze", integrated_number=number)
    told = await desk.change("kokuho", 77, "move_in", **said(name="架空　菊", **ONE))
    assert (told["outcome"], told["reason"]) == ("held", "four_items_differ")  # what is wrong beside goes first


async def test_a_move_in_to_come_is_held_on_its_day_when_its_person_is_frozen_by_then(reviewed_alone):
    linkage = reviewed_alone.linkage
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("juki", row(1, **ONE))
        told = await desk.change("kokuho", 77, "move_in", effective_on=day(1), **said(**ONE))
        assert told["outcome"] == "waiting"
        await desk.propose("links/freeze", integrated_number=number)
    async with linkage.served(clock_offset_s=86_400) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert not await until(lambda: linkage.rows("select from waiting_change"), lambda rows: not rows)
        [hold] = await desk.holds()
        assert (hold["reason"], await linkage.rows("select from addressee where addressee_number = '77'")) == (
            "person_frozen",
            [],
        )
