"""Somebody leaves, loses the right or ends the session while a list of theirs is carried out: the rest of it is not (SC-4, SC-10, SC-11)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.demonstration.stage import WARD
from storage.database import Database
from tests.gateway.intermediate_server.test_held_by_two import TENANT, asked, decision
from tests.support.running_system import System, entries, until
from tests.support.staff_terminal import Person, Terminal, first, somebody, terminal

ENDED = {"status": 401, "reason": "session_ended"}
NO_RIGHT = {"status": 403, "reason": "right_missing"}


@asynccontextmanager
async def looks_at_copies_wait(system: System) -> AsyncIterator[None]:
    """Nobody reads a copy at the ward until the block ends: a release waits there, a refusal does not."""
    async with system.administrator() as connection, connection.transaction():
        await connection.execute(f"lock table {TENANT}.replica in access exclusive mode")
        yield


async def sent(desk: Terminal, person: Person, items: list[dict[str, Any]]) -> tuple[int, Any]:
    url = f"{desk.base}/{person.agency}/held-provisions/decide"
    headers = {"Authorization": f"Bearer {person.token}"}
    async with desk.session.post(url, json={"items": items}, headers=headers) as answer:
        document = json.loads(await answer.read())
    return answer.status, document["items"] if answer.status == 200 else document["reason"]


async def state_of(system: System, permit_id: str) -> str:
    database = await Database.open(system.running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside(TENANT) as connection:
            found: str = await connection.fetchval("select state from provision where permit_id = $1", permit_id)
    finally:
        await database.close()
    return found


async def at_work(desk: Terminal, one: Person, other: Person) -> tuple[Person, dict[str, Any]]:
    """Somebody new with the rights to held provisions, logged in; and the grant to decide."""
    person = somebody()
    await desk.add(one, person)
    await desk.granted(one, other, person, "held.view")
    grant = await desk.granted(one, other, person, "held.decide")
    return await desk.entered(person), grant


async def leaves(desk: Terminal, one: Person, person: Person, _grant: dict[str, Any]) -> None:
    item = {"operation": "leave", "staff_id": person.staff_id}
    assert (await desk.call(one, "staff/members/change", item))[0] == 200


async def is_moved(desk: Terminal, one: Person, person: Person, _grant: dict[str, Any]) -> None:
    item = {"operation": "transfer", "staff_id": person.staff_id, "office": "zeimu"}
    assert (await desk.call(one, "staff/members/change", item))[0] == 200


async def loses_the_right(desk: Terminal, one: Person, _person: Person, grant: dict[str, Any]) -> None:
    item = {"event": "revoke", "grant_id": grant["grant_id"]}
    assert (await desk.call(one, "staff/grants/ask", item))[0] == 200


async def logs_out(desk: Terminal, _one: Person, person: Person, _grant: dict[str, Any]) -> None:
    assert (await desk.call(person, "staff/log-out"))[0] == 200


@pytest.mark.parametrize(
    ("ends", "told"), [(leaves, ENDED), (is_moved, ENDED), (loses_the_right, NO_RIGHT), (logs_out, ENDED)]
)
@pytest.mark.parametrize("before", [1, 0])
async def test_what_was_decided_before_is_told_and_the_rest_is_not_decided(system, ends, told, before):
    """Refused: nothing of a copy is read for it. Released: the copies are, and there it waits while the right ends."""
    numbers = [(await asked(system, place))["inquiry_number"] for place in range(3)]
    async with terminal(system.running) as desk:
        one, other = [await desk.entered(first(system.running, staff_id)) for staff_id in ("admin-1", "admin-2")]
        person, grant = await at_work(desk, one, other)
        held = [await system.held(WARD, number) for number in numbers]
        seen = [(await desk.call(person, "held-provisions", {"permit_id": each["permit_id"]}))[1] for each in held]
        refusals = [decision(each, approve=False, reason="refused_by_staff", content_hash="") for each in seen]
        items = [*refusals[:before], decision(seen[1]), refusals[2]]
        async with looks_at_copies_wait(system):
            call = asyncio.create_task(sent(desk, person, items))
            await until(
                lambda: state_of(system, held[0]["permit_id"]),
                lambda state: state == ("rejected" if before else "held"),
            )
            await asyncio.sleep(0.2)
            await ends(desk, one, person, grant)
        answer = await call
    rest = [{"problem": told}] * 2
    assert answer == ((200, [{"refused": True}, *rest]) if before else (told["status"], told["reason"]))
    assert [await state_of(system, each["permit_id"]) for each in held[before:]] == ["held"] * (3 - before)
    log = await system.export(WARD)
    acts = [each["facts"] for each in entries(log, kind="staff.operated") if each["actor"] == person.staff_id]
    done = [each for each in acts if each["function"] == "held.decide" and ("refused" in each or "approved" in each)]
    assert [each["permit_id"] for each in done] == [held[0]["permit_id"]] * before
