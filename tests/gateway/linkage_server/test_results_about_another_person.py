"""An addressee number that means somebody else by now: what came back about the person of before is not handed out under it (docs/adr/0121)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support.bulk_world import (
    answered,
    file_of,
    request,
    result_bytes,
    rows,
    said,
    send,
    until_there,
    with_agencies,
)
from tests.support.review_world import SCOPES, Desk, individual, row

NUMBER, OTHER = individual(1), individual(2)
ANOTHER = row(2, individual_number=OTHER, name="模擬　太郎", kana="モギ　タロウ", sex="1", birth_date="1950-02-03")
INQUIRY = {
    "provider": "naikaku",
    "item": "27",
    "information": "見本",
    "items": [],
    "purpose": "見本",
    "staff": "a.sato",
}


@pytest.fixture
async def asking(world):
    """Everything that is asked about waits, until `ends` is set."""
    await world.register("juki", system="juki", scopes=SCOPES)
    await world.register("kokuho", system="kokuho", scopes=(*SCOPES, "inquiry-files:spool"))
    found = with_agencies(world)
    found.says = lambda _item: said("held", "held")
    return found


async def asked_by_file(world):
    folder = send(world, file_of([request(1)]), "a.dat", count=1)
    [first] = rows(await result_bytes(folder, "a.dat"))
    assert first[19] == "held"
    return folder


async def told(asking, folder):
    asking.ends = lambda answer: answer | answered(名義人氏名カナ={"value": ""})
    [found] = rows(await until_there(folder / "done" / "a.dat.supplement-1.csv"))
    return found[19], found[20], "0000001" in found


async def asked_online(caller, token):
    items = [INQUIRY | {"addressee_number": "1"}]
    answer = await caller.post("/v1/inquiries", {"items": items}, token=token, key="k")
    return answer.body["items"][0]["inquiry_number"]


async def read(caller, token, number, **named):
    answer = await caller.post("/v1/inquiry-results", {"items": [{"inquiry_number": number, **named}]}, token=token)
    [found] = answer.body["items"]
    return found["state"], found["reason"], found["values"] is not None, "match" in found


async def linked_to_another(desk, now):
    """Two members of staff link the number to another person."""
    [again] = await desk.register("kokuho", ANOTHER | {"addressee_number": "1"})
    assert (again["outcome"], again["reason"]) == ("held", "individual_number_differs")
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link", integrated_number=now)


async def test_a_line_of_a_number_that_means_another_person_by_now_says_so_and_brings_nothing(world, asking):
    async with world.served() as caller:
        desk = Desk(world=SimpleNamespace(linkage=world), caller=caller)
        before = await desk.number("kokuho", row(1, individual_number=NUMBER))
        now = await desk.number("juki", ANOTHER)
        folder = await asked_by_file(world)
        await linked_to_another(desk, now)
        assert await desk.person_of("kokuho", 1) == now != before
        assert await told(asking, folder) == ("person_changed", "person_changed", False)


async def test_a_result_under_a_number_that_means_another_person_by_now_is_not_handed_out(world, asking):
    async with world.served() as caller:
        desk = Desk(world=SimpleNamespace(linkage=world), caller=caller)
        await desk.number("kokuho", row(1, individual_number=NUMBER))
        now = await desk.number("juki", ANOTHER)
        token = await desk.token("kokuho")
        number = await asked_online(caller, token)
        await linked_to_another(desk, now)
        asking.ends = lambda answer: answer | answered(名義人氏名カナ={"value": ""})
        assert await read(caller, token, number, addressee_number="1") == ("answered", "person_changed", False, False)
        assert await read(caller, token, number) == ("answered", None, True, True)  # of the inquiry, for no number


async def test_whoever_was_merged_since_is_the_same_person(world, asking):
    async with world.served() as caller:
        desk = Desk(world=SimpleNamespace(linkage=world), caller=caller)
        lives_on = await desk.number("juki", row(1, individual_number=NUMBER))
        given_up = await desk.number("kokuho", row(1))
        token = await desk.token("kokuho")
        folder, number = await asked_by_file(world), await asked_online(caller, token)
        await desk.decided("links/merge", integrated_number=given_up, other_integrated_number=lives_on)
        assert await desk.person_of("kokuho", 1) == lives_on != given_up
        assert await told(asking, folder) == ("answered", "", True)
        assert (await read(caller, token, number, addressee_number="1"))[1:3] == (None, True)


async def test_an_answer_about_somebody_who_was_frozen_meanwhile_stays_readable(world, asking):
    """A freeze is of what this agency holds and gives; what others have answered is read on (docs/adr/0083)."""
    async with world.served() as caller:
        desk = Desk(world=SimpleNamespace(linkage=world), caller=caller)
        number = await desk.number("kokuho", row(1, individual_number=NUMBER))
        folder = await asked_by_file(world)
        await desk.propose("links/freeze", integrated_number=number)
        assert await told(asking, folder) == ("answered", "", True)
