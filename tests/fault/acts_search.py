"""Acts of the kill test for search and pushes: a look is on record and its answer right; a change reaches its system once under one id."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from gateway.demonstration.stage import WARD
from synthetic.people import Person
from tests.fault.acts import Act, Prepare, Trial, at_once
from tests.support.running_system import INSURANCE, RESIDENTS, entries, insisting, until
from tests.support.webhook import WEBHOOK, receiving

OPTIONS = {"push_hosts": {WARD: [WEBHOOK]}, "push_first_wait_s": 0.2, "push_attempts": 100}
STATED = {"staff": "s-0001", "affair": "resident-changes", "reason": "異動の届出"}


async def new_people_are_found(trial: Trial) -> None:
    """By kana and birth date, which takes the indexer; and each answer has its look on record."""
    system = trial.system
    (person,) = people = system.new_people(1)
    await system.populate(people)
    before = len(entries(await system.linkage_log(), kind="persons.seen"))
    async with system.stage.system(RESIDENTS) as caller:
        await insisting(lambda: system.register(RESIDENTS, people))
        asked = STATED | {"kana": person.kana, "birth_date": person.birth_date.isoformat()}
        answers = 0

        async def search() -> list[dict[str, Any]]:
            nonlocal answers
            found: list[dict[str, Any]] = (await insisting(lambda: caller.post("/v1/persons/search", asked)))["items"]
            answers += 1
            return found

        found = await until(search, lambda people_found: len(people_found) > 0)
    numbers = {one["addressee_number"] for item in found for one in item["addressees"]}
    assert system.number(RESIDENTS, person) in numbers
    assert len(entries(await system.linkage_log(), kind="persons.seen")) - before >= answers


async def the_resident_network_is_asked(trial: Trial) -> None:
    """The number for four items, and what has changed: each answer is right, and has its look on record."""
    system = trial.system
    (person,) = people = system.new_people(1)
    await system.populate(people)
    items = {"name": person.name, "sex": person.sex.value, "birth_date": person.birth_date.isoformat()}
    number = system.number(RESIDENTS, person)
    async with system.stage.system(RESIDENTS) as caller:
        await insisting(lambda: system.register(RESIDENTS, people))
        wanted = STATED | {"items": [{**items, "address": person.address}]}
        found = await insisting(lambda: caller.post("/v1/persons/number-look-up", wanted))
        asked = STATED | {"since": "2022-01-01", "addressee_numbers": [number]}
        notices = await insisting(lambda: caller.post("/v1/persons/change-notices", asked))
    assert found["items"] == [{"individual_number": person.individual_number}]
    assert notices["items"] == [{"addressee_number": number, "state": "unchanged", "candidates": []}]
    looks = {one["facts"]["look"] for one in entries(await system.linkage_log(), kind="persons.seen")}
    assert {"number_look_up", "change_notices"} <= looks


async def configure(trial: Trial, **wanted: str | bool) -> None:
    async with trial.system.stage.system(INSURANCE) as caller:
        await insisting(lambda: caller.post("/v1/push-targets", {"staff": "s-1"} | wanted))


async def _somebody(trial: Trial) -> Person:
    """A person whom the residents' system and the insurance hold."""
    system = trial.system
    (person,) = people = system.new_people(1)
    await system.populate(people)
    for each in (RESIDENTS, INSURANCE):
        await system.register(each, people)
    return person


async def _dies(trial: Trial, person: Person) -> None:
    """The residents' system says so; the insurance has to hear of it."""
    system = trial.system
    change = {
        "event_id": trial.name,
        "addressee_number": system.number(RESIDENTS, person),
        "kind": "death",
        "effective_on": system.running.role("linkage").clock().date().isoformat(),
    }
    body = STATED | {"items": [change]}
    async with system.stage.system(RESIDENTS) as caller:
        answer = await insisting(lambda: caller.post("/v1/person-changes", body, key=trial.name))
    assert answer["items"][0]["reason"] is None, answer


async def a_change_is_posted(trial: Trial) -> Act:
    person = await _somebody(trial)
    number = trial.system.number(INSURANCE, person)

    async def act(_: Trial) -> None:
        await configure(trial, kind="webhook", url=f"https://{WEBHOOK}/changes")
        async with receiving(trial.system) as got:
            await _dies(trial, person)

            async def arrived() -> set[str]:
                return {one["delivery_id"] for one in got if one["addressee_numbers"] == [number] and one["changes"]}

            assert len(await until(arrived, lambda ids: len(ids) > 0)) == 1
            assert await nothing_open(trial) == 0
            assert len(await arrived()) == 1
        await configure(trial, kind="webhook", url=f"https://{WEBHOOK}/changes", state="off")

    return act


async def a_change_is_filed(trial: Trial) -> Act:
    person = await _somebody(trial)
    number = trial.system.number(INSURANCE, person)
    out = trial.system.running.role("linkage").spool / WARD / INSURANCE / "changes" / "out"

    async def act(_: Trial) -> None:
        await configure(trial, kind="folder")
        await _dies(trial, person)

        async def filed() -> set[str]:
            rows = [row for file in out.glob("*.csv") for row in csv.DictReader(io.StringIO(file.read_text("utf-8")))]
            return {row["delivery_id"] for row in rows if row["addressee_number"] == number and row["changes"]}

        assert len(await until(filed, lambda ids: len(ids) > 0)) == 1
        assert await nothing_open(trial) == 0
        assert len(await filed()) == 1
        assert {f"{file.name}.manifest.json" for file in out.glob("*.csv")} == {
            file.name for file in out.glob("*.json")
        }
        await configure(trial, kind="folder", state="off")

    return act


async def nothing_open(trial: Trial) -> int:
    """How many pushes of the insurance are open, when they are none or time is up."""

    async def open_ones() -> int:
        async with trial.system.stage.system(INSURANCE) as caller:
            found = json.loads(await insisting(lambda: caller.download("/v1/push-targets")))
        return int(found["waiting"] + found["ready"] + found["dead"])

    return await until(open_ones, lambda count: count == 0)


SEARCH_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(("linkage.commit.persons.seen", "linkage.commit.search.indexed"), at_once(new_people_are_found)),
    **dict.fromkeys(
        ("linkage.send.number_look_ups", "linkage.send.change_notices"), at_once(the_resident_network_is_asked)
    ),
    **dict.fromkeys(
        (
            "linkage.commit.pushes.configured",
            "linkage.commit.pushes.taken",
            "linkage.commit.pushes.sent",
            "linkage.commit.pushes.ended",
            "linkage.send.pushes",
        ),
        a_change_is_posted,
    ),
    "linkage.send.push_files": a_change_is_filed,
}
