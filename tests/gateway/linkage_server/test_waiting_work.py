"""Background loops rest until one look for all agencies finds something for them; a tenant that cannot be read rests nobody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.linkage_server import waiting_work
from gateway.linkage_server.waiting_work import WaitingWork, Work
from storage.database import Database
from tests.support.resident_files import load, person

MAKES_WORK = {
    Work.SEARCH: "update search_progress set revision = revision - 1",
    Work.BUSINESS_INFORMATION: "update business_cursor set addressee_revision = addressee_revision - 1",
    Work.CODES: "update code_follower set revision = revision - 1",
    Work.PUSHES: """insert into push_target (business_system_id, kind, encoding, state, person_revision, addressee_revision, event_no, configured_at)
        values ('juki', 'folder', 'utf-8', 'on', 0, 0, 0, now())""",
}


async def test_a_loop_rests_until_a_look_finds_something_or_somebody_wakes_it():
    work, woken = WaitingWork("a_ward"), asyncio.Event()
    nothing = dict.fromkeys((one.value for one in Work), False)
    resting = asyncio.ensure_future(work.rest(Work.REVIEWS, woken=woken))
    await asyncio.sleep(0)
    work.note(nothing | {"search": True})
    await asyncio.sleep(0.01)
    assert not resting.done()
    work.note(nothing | {"reviews": True})
    await asyncio.wait_for(resting, 5)
    assert work.is_there(Work.REVIEWS)
    work.note(nothing)
    assert not work.is_there(Work.REVIEWS)
    again = asyncio.ensure_future(work.rest(Work.REVIEWS, woken=woken))
    await asyncio.sleep(0)
    woken.set()
    await asyncio.wait_for(again, 5)


async def test_what_was_seen_before_a_loop_worked_does_not_keep_it_from_resting():
    work = WaitingWork("a_ward")
    work.note(None)
    assert all(work.is_there(one) for one in Work)
    resting = asyncio.ensure_future(work.rest(Work.SEARCH))
    await asyncio.sleep(0.01)
    assert not resting.done()
    resting.cancel()


def test_looks_rest_as_much_longer_as_they_take_longer():
    assert [waiting_work.pause_s(took) for took in (0.0, 0.01, 0.04, 0.1, 3.0)] == [0.5, 0.5, 2.0, 5.0, 5.0]


@pytest.fixture
async def settled(world):
    """One person is held and every loop has done its part; then the server is gone."""
    await world.register()
    async with world.served():
        await load(world.config.spool, [person(1)])
    for table, column in (
        ("search_progress", "revision"),
        ("code_follower", "revision"),
        ("business_cursor", "person_revision"),
    ):
        await world.rows(f"update {table} set {column} = (select max(revision) from person)")
    await world.rows("update business_cursor set addressee_revision = (select max(revision) from addressee)")
    database = await Database.open(world.config.dsn, connections=1)
    yield world, database
    await database.close()


async def seen(database, tenant) -> set[Work]:
    work = WaitingWork(tenant)
    await waiting_work.look(database, [work])
    return {one for one in Work if work.is_there(one)}


async def test_one_look_tells_which_loops_have_something_to_do_and_a_broken_tenant_harms_no_other(settled):
    world, database = settled
    tenant = world.config.hosted["setagaya"].tenant
    assert await seen(database, tenant) == set()
    found: set[Work] = set()
    for work, statement in MAKES_WORK.items():
        await world.rows(statement)
        found.add(work)
        assert await seen(database, tenant) == found
    sound, broken = WaitingWork(tenant), WaitingWork("a_nobody_linkage")
    await waiting_work.look(database, [sound, broken])
    assert {one for one in Work if sound.is_there(one)} == found
    assert all(broken.is_there(one) for one in Work)
