"""SC-18, P-3 in changes: a number under which a file would register two people is nobody's until somebody has looked, wherever its lines are."""

from __future__ import annotations

import pytest

from gateway.linkage_server.people import flow
from tests.support.change_files import change, day, loaded, registering, send, take, with_juki
from tests.support.resident_files import four_items, individual_number

HELD, ISSUED = ("held", "number_on_two_people"), ("issued", "")
NUMBER = {"individual_number": individual_number(1)}
HERS = {"individual_number": individual_number(4)} | four_items(4)


@pytest.fixture
async def ward(world):
    return await with_juki(world)


def moved_in(event_id, nth, on=0, **said):
    return registering(event_id, nth, "move_in", day(on), **said)


TWO = [moved_in("a", 1), moved_in("b", 2), moved_in("c", 3, **NUMBER)]


async def test_of_a_number_that_a_file_has_for_two_people_nothing_is_registered(ward, monkeypatch):
    monkeypatch.setattr(flow, "CHUNK", 1)  # in lists of their own
    async with ward.served():
        for name in ("1.csv", "2.csv"):
            results = await take(ward, [*TWO, moved_in("d", 4, 1, **NUMBER)], name=name)
            assert results[:1] + results[2:] == [HELD] * 3
        addressees = await ward.rows("select addressee_number from addressee")
        holds = await ward.rows("select event_key from review_hold where state = 'open'")
    assert ([row[0] for row in addressees], len(holds)) == (["0000000002"], 3)


async def test_a_call_registers_neither_of_two_people(ward):
    async with ward.served() as caller:
        answer = await send(caller, TWO, key="two")
    assert [(one["outcome"], one["reason"]) for one in answer.body["items"]] == [HELD, ("issued", None), HELD]


async def test_the_resident_network_says_which_of_two_people_has_the_number(ward):
    ward.neighbours.people = {individual_number(nth): four_items(nth) for nth in (1, 2)}
    async with ward.served(compare_with_resident_network=True):
        results = await take(ward, TWO, name="1.csv")
    assert results == [ISSUED, ISSUED, ("held", "four_items_differ")]


async def test_one_person_under_two_numbers_of_a_system_or_by_two_names_is_one(ward):
    """What lines of one person tell: a name with another space, a return under a new name, and a registration to come that is taken back."""
    rows = [
        moved_in("a", 1),
        moved_in("b", 2, **NUMBER | four_items(1) | {"name": "模擬1号"}),
        change("n", 1, "name_change", day(), name="模擬　改姓"),
        moved_in("c", 1, name="模擬　改姓"),
        moved_in("d", 3, 2, **NUMBER),
        change("e", 3, "cancellation", day(), cancels="d"),
        moved_in("f", 4, **HERS | {"name": "髙橋　花子"}),
        moved_in("g", 5, **HERS | {"name": "高橋花子"}),
    ]
    async with ward.served():
        results = await take(ward, rows, name="1.csv")
    assert [outcome for outcome, _ in results] == [
        "issued",
        "linked",
        "applied",
        "applied",
        "waiting",
        "applied",
        "issued",
        "linked",
    ]


async def test_what_is_held_already_of_a_number_says_the_same_still(ward):
    async with ward.served():
        await loaded(ward, 1)
        [result] = await take(ward, [moved_in("a", 2, **NUMBER)], name="1.csv")
        assert result == ("held", "four_items_differ")
