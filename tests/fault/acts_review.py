"""The acts of the kill test that review links: a wrong link is split, through every step, once, whatever dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.demonstration.callers import BusinessSystem, UnexpectedAnswerError
from storage.database import Database
from synthetic.people import Person
from tests.fault.acts import Act, Prepare, Trial, at_once
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, insisting, until

STATED = {"affair": "addressee-care", "reason": "紐付けの確認"}
ENDED = frozenset({"done", "voided", "rejected", "withdrawn"})


async def a_wrong_link_is_undone(trial: Trial) -> Act:
    """Somebody's number was typed for another at the insurance desk: the two are told apart again."""
    system = trial.system
    right, other = system.new_people(2)
    await system.populate([right, other])
    [held] = await system.register(RESIDENTS, [right])
    wrong = {**_row(system, right), "addressee_number": system.number(INSURANCE, other)}
    async with system.stage.system(INSURANCE) as caller:
        [linked] = (await caller.post("/v1/addressees", {"items": [wrong]}))["items"]
    assert (linked["outcome"], linked["integrated_number"]) == ("linked", held["integrated_number"])
    records = system.insurance(other)
    results = await system.load_records(INSURANCE, records, f"{trial.name}.ndjson")
    assert [row["reason"] for row in results] == [""] * len(records)
    before = await _people(system)

    async def act(_: Trial) -> None:
        number = held["integrated_number"]
        async with system.stage.system(RESIDENTS) as caller:
            decision = await _proposed(caller, number, system.number(INSURANCE, other))
            await _approved(caller, decision)
            ended = await until(lambda: _shown(caller, decision["decision_id"]), lambda one: one["state"] in ENDED)
        assert ended["state"] == "done"
        assert await _people(system) - before == {await _person_of(system, other)}
        assert await _person_of(system, right, RESIDENTS) == int(number)
        steps = Counter(
            entry["facts"]["step"]
            for entry in entries(await system.linkage_log(), kind="persons.reviewed")
            if entry["facts"]["decision"] == decision["decision_id"]
        )
        assert steps == {"propose": 1, "approve": 1, "record": 1}

    return act


async def the_recipients_are_asked_for(trial: Trial) -> None:
    """Who received data of somebody who was asked about: the agency that asked, each exchange once."""
    system = trial.system
    person = system.insured[0]
    inquiry = await system.ask("suginami-gyomu", system.to_the_ward(person, items=["被保険者番号"]), key=trial.name)
    assert inquiry["state"] == "answered"
    [known] = await _registered(system, person)
    body = STATED | {"staff": "a.sato", "integrated_number": known, "since": "2020-01-01T00:00:00Z"}
    async with system.stage.system(RESIDENTS) as caller:
        report = await insisting(lambda: caller.post("/v1/persons/recipients", body))
    numbers = [one["inquiry_number"] for one in report["recipients"]]
    assert numbers.count(inquiry["inquiry_number"]) == 1
    assert report["agencies"] == sorted({one["inquirer"] for one in report["recipients"]})
    assert "suginami" in report["agencies"]
    assert report["unreadable"] == 0


async def _registered(system: System, person: Person) -> list[str]:
    async with system.stage.system(RESIDENTS) as caller:
        answer = await insisting(lambda: caller.post("/v1/addressees", {"items": [_row(system, person)]}))
    return [one["integrated_number"] for one in answer["items"]]


def _row(system: System, person: Person) -> dict[str, str]:
    return {
        "addressee_number": system.number(RESIDENTS, person),
        "individual_number": person.individual_number,
        "name": person.name,
        "kana": person.kana,
        "sex": person.sex.value,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
        "resident_kind": "住民",
    }


async def _shown(caller: BusinessSystem, decision_id: str) -> dict[str, Any]:
    body = STATED | {"staff": "a.sato", "decision_id": decision_id}
    found: dict[str, Any] = await insisting(lambda: caller.post("/v1/links/show", body))
    return found


async def _proposed(caller: BusinessSystem, number: str, addressee: str) -> dict[str, Any]:
    """Propose the split; when the server died over it and had written it, the open decision is that one."""
    body = STATED | {
        "staff": "a.sato",
        "integrated_number": number,
        "addressees": [{"business_system": INSURANCE, "addressee_number": addressee}],
    }

    async def once() -> dict[str, Any]:
        try:
            found: dict[str, Any] = await caller.post("/v1/links/split", body)
        except UnexpectedAnswerError as problem:
            if "decision_open" not in str(problem):
                raise
            wanted = STATED | {"staff": "a.sato", "states": ["proposed"]}
            [open_one] = (await caller.post("/v1/links/decisions", wanted))["items"]
            return await _shown(caller, open_one["decision_id"])
        return found

    return await insisting(once)


async def _approved(caller: BusinessSystem, decision: dict[str, Any]) -> None:
    body = STATED | {
        "staff": "b.mori",
        "decision_id": decision["decision_id"],
        "content_hash": decision["content_hash"],
    }

    async def once() -> None:
        try:
            await caller.post("/v1/links/approve", body)
        except UnexpectedAnswerError as problem:
            if "decided_already" not in str(problem):
                raise

    await insisting(once)


async def _people(system: System) -> set[int]:
    return {row[0] for row in await _look(system, "select integrated_number from person")}


async def _person_of(system: System, person: Person, of: str = INSURANCE) -> int:
    [row] = await _look(
        system,
        "select integrated_number from addressee where business_system_id = $1 and addressee_number = $2",
        of,
        system.number(of, person),
    )
    return int(row[0])


async def _look(system: System, query: str, *arguments: Any) -> list[Any]:
    database = await Database.open(system.running.role("linkage").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_linkage") as connection:
            return list(await connection.fetch(query, *arguments))
    finally:
        await database.close()


REVIEW_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        (
            "linkage.commit.review.proposed", "linkage.commit.review.decided", "linkage.commit.review.frozen", "linkage.commit.review.applied",
            "linkage.commit.review.recorded", "linkage.send.person_splits", "intermediate.commit.bars.followed",
        ),
        a_wrong_link_is_undone,
    ),
    "linkage.send.recipients": at_once(the_recipients_are_asked_for),
}  # fmt: skip
"""Step (a point without its side) → the act that passes it."""
