from __future__ import annotations

import asyncio

from gateway.linkage_server.code_requests import flow
from tests.gateway.linkage_server.test_codes_continuous import ORDERS, order
from tests.support.resident_files import four_items, individual_number, load, person


async def test_everybody_with_an_individual_number_gets_a_code(world):
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 4)}
    async with world.served() as caller:
        await load(world.config.spool, [person(1), person(2), person(3), person(4, individual_number="")])
        token = await caller.token()
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=token, key="c1")
    assert answer.body == {
        "state": "done",
        "people": {
            "without_individual_number": 1,
            "none": 0,
            "requested": 0,
            "bound": 3,
            "refused": 0,
            "replacing": 0,
            "cancelling": 0,
            "cancelled": 0,
        },
    }
    assert ("code-requests", 3) in world.neighbours.lists


async def test_a_person_whom_the_resident_network_does_not_know_is_refused_and_the_others_go_on(world):
    world.neighbours.people = {individual_number(1): four_items(1)}
    async with world.served() as caller:
        await load(world.config.spool, [person(1), person(2)])
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=await caller.token(), key="c1")
    assert (answer.body["people"]["bound"], answer.body["people"]["refused"]) == (1, 1)


async def test_ls_4_a_run_asks_again_for_everybody_however_many_pages_that_is(world, monkeypatch):
    """A page is small here: of a ward, one statement over everybody would outlast what a statement may take."""
    monkeypatch.setattr(flow, "_PAGE", 2)
    async with world.served() as caller:
        await load(world.config.spool, [person(nth) for nth in range(1, 6)])
        token = await caller.token()
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=token, key="c1")
        assert answer.body["people"]["refused"] == 5
        world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 6)}
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=token, key="c2")
        assert answer.body["people"]["bound"] == 5
        asked = len(world.neighbours.lists)
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=token, key="c3")
    assert answer.body["people"]["bound"] == 5
    assert len(world.neighbours.lists) == asked, "nobody who has a code is asked about again"


async def test_the_acquisition_number_is_not_kept(world):
    world.neighbours.people = {individual_number(1): four_items(1)}
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=await caller.token(), key="c1")
    [given] = world.neighbours.acquisitions.values()
    tables = await world.rows("select tablename from pg_tables where schemaname = current_schema()")
    rows = [str(dict(row)) for table in tables for row in await world.rows(f"select * from {table['tablename']}")]
    assert rows
    assert not [row for row in rows if given in row]


async def test_a_run_goes_on_after_a_neighbour_was_away_and_after_a_restart(world):
    world.neighbours.people = {individual_number(1): four_items(1)}
    world.neighbours.away = {"code-requests"}
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        away = await caller.post("/v1/code-requests", {"wait_ms": 300}, token=await caller.token(), key="c1")
    assert (away.status, away.body["state"]) == (202, "running")
    world.neighbours.away = set()
    async with world.served() as caller:
        after = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=await caller.token(), key="c1")
    assert after.body["people"]["bound"] == 1


async def test_an_order_about_somebody_whose_code_is_moved_on_meanwhile_is_told_so_and_holds_up_nobody_else(world):
    """Not as a fault of the log: the person is looked at anew, and the others are ordered."""
    await world.register(scopes=ORDERS)
    async with world.served(continuous_codes=False) as caller:
        await load(world.config.spool, [person(1), person(2)])
        token = await caller.token()
        numbers = [
            row[0] for row in await world.rows("select integrated_number from addressee order by addressee_number")
        ]
        await world.rows(
            "insert into code_standing (integrated_number, state, next_at, changed_at) select n, 'bound', now(), now() from unnest($1::bigint[]) n",
            numbers,
        )
        async with world.connected() as other, other.transaction():
            await other.execute(
                "update code_standing set state = 'replacing', message_id = 'm' where integrated_number = $1",
                numbers[0],
            )
            asked = asyncio.ensure_future(order(caller, "replace", token, "k1", 1, 2, ground="resident_record_changed"))
            while not await world.rows("select from pg_stat_activity where wait_event_type = 'Lock'"):
                await asyncio.sleep(0.02)
        answer = await asked
    assert answer.body["items"] == [
        {"state": "replacing", "refused": {"reason": "code_under_way"}},
        {"state": "replacing", "refused": None},
    ]
