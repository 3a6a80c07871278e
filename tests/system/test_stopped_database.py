"""PostgreSQL is there and does not move: every caller is told so in time, and what it asks again happens once."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, insisting, started
from tests.support.stopped_postgres import stopped

NEIGHBOUR, NEIGHBOURS_SYSTEM = "suginami", "suginami-gyomu"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with started(tmp_path_factory.mktemp("stopped"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    cast = system.insured[:3]
    await system.populate(cast)
    for each in (RESIDENTS, INSURANCE, NEIGHBOURS_SYSTEM):
        await system.register(each, cast)
    for each in (RESIDENTS, NEIGHBOURS_SYSTEM):
        await system.obtain_codes(each)
    records = [record for person in cast for record in system.insurance(person)]
    await system.load_records(INSURANCE, records, "base.ndjson")


@pytest.mark.parametrize("later_s", [0.0, 0.01, 0.05], ids=["before", "early", "under way"])
async def test_a_database_that_does_not_answer_is_503_in_time_and_nothing_is_recorded_twice(system, later_s):
    running = system.running
    asked = {secrets.token_hex(16): system.to_the_ward(person) for person in system.insured[:3]}
    before = len(entries(await system.export(NEIGHBOUR)))
    async with system.stage.system(NEIGHBOURS_SYSTEM) as caller:
        await caller.inquire([system.to_the_ward(system.insured[0])])  # a token is held and the connections are open
        assert running.postgres is not None
        calls = [
            asyncio.ensure_future(caller.inquire([question], wait_ms=1_000, key=key)) for key, question in asked.items()
        ]
        await asyncio.sleep(later_s)
        with stopped(running.postgres.pid):
            async with asyncio.timeout(15):
                answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            assert isinstance(answer, list) or (isinstance(answer, UnexpectedAnswerError) and "503" in str(answer))
        assert later_s or not [answer for answer in answers if isinstance(answer, list)]
        numbers: list[str] = []
        for key, question in asked.items():
            for _ in range(2):
                again = await insisting(lambda q=question, k=key: caller.inquire([q], wait_ms=3_000, key=k))
                settled = await system.settled(NEIGHBOURS_SYSTEM, again[0])
                assert settled["state"] == "answered"
                numbers.append(settled["inquiry_number"])
    assert len(set(numbers)) == len(asked)
    log = entries(await system.export(NEIGHBOUR))[before:]
    registered = [one["inquiry_number"] for one in log if one["kind"] == "inquiry.registered"]
    assert sorted(number for number in registered if number in numbers) == sorted(set(numbers))
    assert [running.ended(role) for role in running.roles] == [None] * len(running.roles)
    assert system.findings(await system.exports(WARD, NEIGHBOUR)) == []
