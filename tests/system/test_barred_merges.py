"""People who are barred at the ward's intermediate server, and become one or two at its linkage server: what is asked about them is held (SC-4, LS-1.3)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from codebook.identifiers import new_sortable_id
from gateway.demonstration.stage import WARD, fresh_key
from gateway.scenarios.verbs.people import DECIDED, stated
from synthetic.people import Person
from tests.support.running_system import INSURANCE, RESIDENTS, System, started, until


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Both servers of the ward and of its neighbours at work; insurance of everybody but insured[4], [8] and [9]."""
    with started(tmp_path_factory.mktemp("barred-merges"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    known = system.insured[:10]
    await system.populate(known)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu"):
        await system.register(each, known)
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    without = (known[4], known[8], known[9])
    records = [record for person in known if person not in without for record in system.insurance(person)]
    await system.load_records(INSURANCE, records, "base.ndjson")


async def number_of(system: System, person: Person) -> str:
    """The integrated number under which the ward knows somebody."""
    async with system.stage.system(RESIDENTS) as residents:
        row = system.row(RESIDENTS, person)
        number: str = (await residents.post("/v1/addressees", {"items": [row]}))["items"][0]["integrated_number"]
    return number


async def barred(system: System, number: str, effect: str = "hold") -> None:
    now = system.running.role("intermediate").clock()
    bar = {
        "bar_id": new_sortable_id("B", int(now.timestamp() * 1000), secrets.token_bytes(10)), "place": "person", "effect": effect,
        "cause": "support_measures", "integrated_number": number,
    }  # fmt: skip
    [made] = await system.as_staff(WARD, "staff-1", "bars/set", bar)
    assert made["state"] == "standing"


async def decided(system: System, path: str, **asked: Any) -> None:
    """Proposed by one member of staff of the linkage server, approved by another, and carried out."""
    async with system.stage.system(RESIDENTS) as residents:
        said = stated("addressee-care")
        decision = await residents.post(f"/v1/links/{path}", {**said, **asked}, key=fresh_key())
        wanted = {"decision_id": decision["decision_id"], "content_hash": decision["content_hash"]}
        await residents.post("/v1/links/approve", {**stated("addressee-care", "b.mori"), **wanted})
        show = {**said, "decision_id": decision["decision_id"]}
        found = await until(lambda: residents.post("/v1/links/show", show), lambda one: one["state"] in DECIDED)
    assert found["state"] == "done"
    await system.obtain_codes(RESIDENTS)


async def copies(system: System, number: str) -> int:
    async with system.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", f"a_{WARD}_intermediate")
        found: int = await connection.fetchval("select count(*) from replica where integrated_number = $1", number)
    return found


async def state_of(system: System, person: Person) -> str:
    """What comes of an inquiry of the other ward about somebody."""
    state: str = (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"]
    return state


@pytest.mark.parametrize(("given_up", "lives_on", "barred_one"), [(0, 1, 0), (2, 3, 3), (4, 5, 4)])
async def test_sc_4_what_is_barred_at_one_of_two_who_are_merged_is_held_at_the_one_who_lives_on(
    system, given_up, lives_on, barred_one
):
    """insured[4], who has no copies here, is barred all the same."""
    old, new = [await number_of(system, system.insured[one]) for one in (given_up, lives_on)]
    both = await copies(system, old) + await copies(system, new)
    await barred(system, old if barred_one == given_up else new)
    if barred_one != lives_on:
        assert await state_of(system, system.insured[lives_on]) == "answered"
    await decided(system, "merge", integrated_number=old, other_integrated_number=new)
    assert await until(lambda: copies(system, new), lambda found: found == both) == both
    assert await state_of(system, system.insured[lives_on]) == "held"


async def test_sc_4_what_is_barred_while_two_are_taken_for_one_is_held_at_both_when_they_are_split(system):
    one, other = system.insured[6:8]
    old, new = [await number_of(system, person) for person in (one, other)]
    both = await copies(system, old) + await copies(system, new)
    await decided(system, "merge", integrated_number=old, other_integrated_number=new)
    assert await until(lambda: copies(system, new), lambda found: found == both) == both
    await barred(system, new)
    addressees = [
        {"business_system": each, "addressee_number": system.number(each, one)} for each in (RESIDENTS, INSURANCE)
    ]
    await decided(system, "split", integrated_number=new, other_integrated_number=old, addressees=addressees)
    assert await until(lambda: copies(system, old), bool)
    assert [await state_of(system, person) for person in (one, other)] == ["held", "held"]


async def test_sc_4_who_is_barred_without_copies_while_two_are_taken_for_one_is_held_when_copies_come_after_the_split(
    system,
):
    one, other = system.insured[8:10]
    old, new = [await number_of(system, person) for person in (one, other)]
    await decided(system, "merge", integrated_number=old, other_integrated_number=new)
    await barred(system, new)
    addressees = [
        {"business_system": each, "addressee_number": system.number(each, one)} for each in (RESIDENTS, INSURANCE)
    ]
    await decided(system, "split", integrated_number=new, other_integrated_number=old, addressees=addressees)
    records = [record for person in (one, other) for record in system.insurance(person)]
    await system.load_records(INSURANCE, records, "after-the-split.ndjson")
    assert await until(lambda: copies(system, old), bool)
    assert [await state_of(system, person) for person in (one, other)] == ["held", "held"]
