"""Staff ask the resident network: the number for all four items, and what has changed of people held, as candidates that are sent as changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.demonstration.callers import UnexpectedAnswerError
from tests.support.running_system import INSURANCE, RESIDENTS, entries

STATED = {"staff": "s-0001", "affair": "resident-changes", "reason": "届出の確認"}
SINCE = {"since": "2022-01-01"}
LOOK_UP, NOTICES = "/v1/persons/number-look-up", "/v1/persons/change-notices"


@pytest.fixture(scope="module")
def people(job):
    """Two people whom the residents' system holds, and one whom only the resident network knows."""
    found = job.system.new_people(3)

    async def known() -> None:
        await job.system.populate(found)
        await job.system.register(RESIDENTS, found[:2])

    asyncio.run(known())
    return found


def said(job, path: str, body: dict, system: str = RESIDENTS) -> list[dict]:
    async def call():
        async with job.stage.system(system) as caller:
            return (await caller.post(path, STATED | body))["items"]

    return asyncio.run(call())


def looks(job, kind: str) -> list[dict]:
    log = entries(asyncio.run(job.system.linkage_log()), kind="persons.seen")
    return [one["facts"] for one in log if one["facts"]["look"] == kind]


def items_of(person) -> dict[str, str]:
    return {
        "name": person.name,
        "sex": person.sex.value,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
    }


def test_all_four_items_give_the_number_and_fewer_or_other_ones_none(job, people):
    known, stranger = people[0], people[2]
    asked = [
        items_of(known),
        items_of(stranger),
        {**items_of(known), "birth_date": "1901-01-01"},
        {**items_of(known), "address": ""},
        {**items_of(known), "birth_date": "someday"},
    ]
    before = len(looks(job, "number_look_up"))
    found = said(job, LOOK_UP, {"items": asked})
    assert found == [
        {"individual_number": known.individual_number},
        {"individual_number": stranger.individual_number},
        {"unknown": True},
        {"refused": {"reason": "four_items_incomplete", "missing": ["address"]}},
        {"refused": {"reason": "four_items_malformed"}},
    ]
    (look,) = looks(job, "number_look_up")[before:]
    assert (look["staff"], look["affair"], look["count"]) == ("s-0001", "resident-changes", 1)
    assert len(look["subjects"]) == 1  # whom the ward holds; a stranger has no number here


@pytest.mark.parametrize(
    ("path", "system", "affair", "reason"),
    [
        (LOOK_UP, INSURANCE, "insurance-qualification", "scope_missing"),
        (LOOK_UP, RESIDENTS, "enquiries", "individual_number_not_allowed"),
        (NOTICES, INSURANCE, "insurance-qualification", "scope_missing"),
        (NOTICES, RESIDENTS, "enquiries", "individual_number_not_allowed"),
        (LOOK_UP, RESIDENTS, "insurance-qualification", "affair_not_of_system"),
    ],
)
def test_whoever_may_not_use_numbers_asks_nobody_and_is_on_record(job, people, path, system, affair, reason):
    body = {"items": [items_of(people[0])]} if path == LOOK_UP else {**SINCE, "addressee_numbers": ["1"]}
    before = len(looks(job, "number_look_up"))
    with pytest.raises(UnexpectedAnswerError, match=reason):
        said(job, path, {**body, "affair": affair}, system)
    log = entries(asyncio.run(job.system.linkage_log()), kind="access.refused")
    assert any(one["reason"] == reason for one in log)
    assert len(looks(job, "number_look_up")) == before


def test_what_has_changed_becomes_candidates_and_a_candidate_that_is_sent_changes_the_person_once(job, people):
    system, (renumbered, moved, _) = job.system, people
    new_number = system.new_people(1)[0].individual_number
    now = {**items_of(moved), "kana": moved.kana, "address": "東京都世田谷区架空台９丁目９番９号"}
    today = system.running.role("linkage").clock().date().isoformat()
    change(job, renumbered, today, new_individual_number=new_number)
    change(job, moved, today, four_items=now)
    numbers = [system.number(RESIDENTS, one) for one in people]

    asked = {**SINCE, "addressee_numbers": numbers}
    first, second, third = said(job, NOTICES, asked)
    assert third == {"addressee_number": numbers[2], "state": "not_held", "candidates": []}
    (candidate,) = first["candidates"]
    assert {name: candidate[name] for name in ("kind", "effective_on", "individual_number")} == {
        "kind": "individual_number_change", "effective_on": today, "individual_number": new_number,
    }  # fmt: skip
    (address,) = second["candidates"]
    assert (address["kind"], address["address"]) == ("address_change", now["address"])
    assert looks(job, "change_notices")[-1]["count"] == 2

    sent = [candidate, address]
    assert [one["outcome"] for one in said(job, "/v1/person-changes", {"items": sent})] == ["applied", "applied"]
    assert [one["outcome"] for one in said(job, "/v1/person-changes", {"items": sent})] == ["unchanged", "unchanged"]
    again = said(job, NOTICES, asked)
    assert [(one["state"], one["candidates"]) for one in again] == [("changed", []), ("changed", []), ("not_held", [])]
    assert said(job, LOOK_UP, {"items": [items_of(replace(moved, address=now["address"]))]}) == [
        {"individual_number": moved.individual_number}
    ]


def change(job, person, on: str, **changes) -> None:
    async def done() -> None:
        async with job.stage.staff("resident-network", "resident-network") as staff:
            item = {"individual_number": person.individual_number, "changed_on": on, **changes}
            assert await staff.items("/population/changes", [item]) == [{"changed": True}]

    asyncio.run(done())
