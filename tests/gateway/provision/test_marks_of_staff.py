"""Marks of staff through the years: a rotation keeps everybody at work, rows of before there were marks are marked once, and a null mark is none (SC-20, IS-8)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from gateway.intermediate_server.destruction import needs
from gateway.intermediate_server.operations import watching
from gateway.intermediate_server.resealing.job import STAFF, resealing_of
from gateway.intermediate_server.staff import founding, store
from gateway.intermediate_server.staff.rights import Function
from tests.support.provider_world import NOON, ProviderWorld, provider_world
from tests.support.running_system import until
from tests.support.staff_in_person import InPerson, at_work, enrol
from transport.problem import ProblemError

IN_FORCE = {
    "staff_member": "staff_id",
    "staff_card": "card_id",
    "staff_grant": "grant_id",
    "staff_session": "token_hash",
}
_NTH = itertools.count(1)


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: a rotation reads every row of the schema."""
    async with provider_world(tmp_path, cluster, mark=f"_staff{next(_NTH)}") as found:
        found.now = NOON
        yield found


async def work(person: InPerson) -> None:
    """They show both factors, and are let in to what they have a right to."""
    await person.let_in(Function.BARS_VIEW)
    await person.log_in()
    await person.let_in(Function.BARS_VIEW)


async def lengths(world: ProviderWorld) -> set[int]:
    """Of the marks that stand: one of the first version has 32 bytes, any later one 36."""
    rows = [await world.fetch(f"select length(mark) as size from {table} where mark is not null") for table in IN_FORCE]
    return {row["size"] for each in rows for row in each}


async def made_anew(world: ProviderWorld) -> tuple[str | None, int]:
    """The job runs until it is through; why it failed, and how many rows it has left as they are."""
    job = replace(resealing_of(world.agency), settle_s=0)
    working = asyncio.create_task(job.run())
    ended = "select reason, unreadable from resealing where purpose = $1 and finished_at is not null"
    try:
        [row] = await until(lambda: world.fetch(ended, STAFF), bool)
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    return row["reason"], row["unreadable"]


async def test_is_8_staff_go_on_working_while_the_key_of_their_marks_is_rotated_and_after_it_is_gone(world):
    before = await at_work(world.desk, Function.BARS_VIEW)
    with world.agency.keys.changing() as ring:
        ring.rotate(STAFF)
    await work(before)
    after = await at_work(world.desk, Function.BARS_VIEW)
    assert await lengths(world) == {32, 36}
    with pytest.raises(ProblemError, match="key_needed"):
        await needs.check(world.agency, STAFF, 1, world.now)
    assert await made_anew(world) == (None, 0)
    assert await lengths(world) == {36}
    with world.agency.keys.changing() as ring:
        ring.destroy(STAFF, 1)
    for person in (before, after):
        await work(person)


async def test_sc_20_a_rotation_makes_no_mark_for_a_row_that_was_changed(world):
    person = await at_work(world.desk, Function.BARS_VIEW)
    await world.execute("update staff_member set office = 'zeimu' where staff_id = $1", person.staff_id)
    with world.agency.keys.changing() as ring:
        ring.rotate(STAFF)
    assert await made_anew(world) == ("rows_unreadable", 1)
    with pytest.raises(ProblemError, match="login_refused"):
        await person.log_in()


async def of_before(world: ProviderWorld) -> None:
    """The database as it was before there were marks."""
    for table in IN_FORCE:
        await world.execute(f"update {table} set mark = null")


async def marked(world: ProviderWorld) -> list[int]:
    """How many rows were marked, each time that it is on record."""
    facts = [one["facts"] for one in await world.entries() if one["kind"] == "staff.changed"]
    return [one["rows"] for one in facts if one["operation"] == "marked"]


async def test_sc_20_what_was_in_force_before_there_were_marks_is_marked_once_and_on_record(world):
    person = await at_work(world.desk, Function.BARS_VIEW)
    await of_before(world)
    with pytest.raises(ProblemError, match="session_ended"):
        await person.let_in(Function.BARS_VIEW)
    waiting = sum((await store.unvouched(world.agency)).values())
    await founding.begin(world.desk, None)
    await work(person)
    assert await marked(world) == [waiting]
    await of_before(world)
    await founding.begin(world.desk, None)
    with pytest.raises(ProblemError, match="session_ended"):
        await person.let_in(Function.BARS_VIEW)
    assert await marked(world) == [waiting]


async def test_sc_20_a_server_that_dies_while_it_marks_does_so_at_its_next_start(world):
    person = await at_work(world.desk, Function.BARS_VIEW)
    await of_before(world)
    await founding.begin(world.desk, None)
    with world.agency.keys.changing() as ring:
        ring.destroy(founding.MARKED)
        ring.forget(founding.MARKED)
    await founding.begin(world.desk, None)
    await work(person)
    assert len(await marked(world)) == 1


async def test_sc_20_what_was_changed_is_told_to_whoever_runs_the_server_without_anybody_in_it(world, capsys):
    one, other = await enrol(world.desk, Function.BARS_VIEW), await at_work(world.desk, Function.BARS_VIEW)
    await watching.count_unvouched(world.agency)
    assert told(world) == {"member": 0, "card": 0, "grant": 0, "session": 0}
    await world.execute("update staff_card set valid_until = 'infinity' where staff_id = $1", one.staff_id)
    await world.execute("update staff_session set restricted = true where staff_id = $1", other.staff_id)
    await watching.count_unvouched(world.agency)
    assert told(world) == {"member": 0, "card": 1, "grant": 0, "session": 1}
    said = capsys.readouterr().out
    assert said.count("staff:unvouched") == 2
    assert not [who for who in (one, other) if who.staff_id in said]


async def test_sc_8_a_row_that_cannot_be_read_ends_nobodys_watch(world, capsys):
    await enrol(world.desk, Function.BARS_VIEW)
    await world.execute("update staff_grant set function = 'nonsense'")
    watch = asyncio.create_task(watching.watch(world.agency))
    try:
        await until(lambda: asyncio.sleep(0, watch.done() or "watch:failed" in capsys.readouterr().out), bool)
        assert not watch.done()
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def told(world: ProviderWorld) -> dict[str, float | None]:
    name = "sekisho_staff_unvouched"
    return {
        kind: REGISTRY.get_sample_value(name, {"agency": world.agency.id, "kind": kind})
        for kind in ("member", "card", "grant", "session")
    }
