"""Which copies are barred is told by no copy of the database, and nobody who writes it can lift that (SC-4, SC-20; docs/adr/0112)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from importlib import resources

import asyncpg
import pytest

from gateway.intermediate_server.replica import flags, registration, viewing
from gateway.intermediate_server.replica.registration import PURPOSE
from keys.box import NONCE_SIZE
from permission_lists.barring import AutoResponse
from storage.migrations import create_database
from tests.gateway.provision.test_copies_seen import wanted
from tests.gateway.provision.test_rotated_indexes import destroy, made_anew, rotate
from tests.support.copies import premium, qualified
from tests.support.provider_world import NOON, provider_world
from tests.support.running_system import until

_MARKS = itertools.count(1)
MIGRATION = "0091_which_copies_are_barred_is_sealed.sql"
AS_BEFORE = """
drop index replica_flag_beside;
alter table replica drop column flag_beside, add column auto_response text not null default 'allowed',
    add constraint replica_auto_response check (auto_response in ('allowed', 'barred'));
alter table replica alter column auto_response drop default;
"""


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own, whose rows open under its own ring."""
    async with provider_world(tmp_path, cluster, mark=f"_flag{next(_MARKS)}") as found:
        found.now = NOON
        yield found


@contextlib.asynccontextmanager
async def administrator(dsn, tenant):
    """Who has the whole database."""
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute("select set_config('search_path', $1, false)", tenant)
        yield admin
    finally:
        await admin.close()


async def seen(world, number):
    """Flag of each copy as staff see it; None of one that does not open."""
    copies = (await viewing.view(world.agency, wanted(number), world.now))["replicas"]
    return [one.get("auto_response") for one in copies]


async def sealed_as_before(admin, ring, agency, barred):
    """The table as it was, sealed as it was, and what the migration makes of it."""
    rows = await admin.fetch("select r.*, k.wrapped from replica r join person_key k using (integrated_number)")
    await admin.execute(AS_BEFORE)
    for row in rows:
        key = registration.open_person_key(ring, agency, row["integrated_number"], row["wrapped"])
        items = key.open(row["sealed"], registration.record_aad(agency, row))[1:]
        flag = AutoResponse.BARRED if row["record_id"] in barred else AutoResponse.ALLOWED
        await admin.execute(
            "update replica set auto_response = $2, sealed = $3 where record_id = $1",
            row["record_id"], flag.value, key.seal(items, flags._aad_before(agency, row, flag)),
        )  # fmt: skip
    await admin.execute(resources.files("gateway.intermediate_server").joinpath("migrations", MIGRATION).read_text())


async def as_before(world, cluster, barred):
    agency = world.agency
    async with administrator(await create_database(cluster), agency.tenant) as admin:
        await sealed_as_before(admin, agency.keys.ring, agency.id, barred)


def sealing(world):
    """What an agency's opening does."""
    agency = world.agency
    return flags.seal_those_beside(agency.database, agency.tenant, agency.keys.ring, agency.id)


async def test_sc_20_no_column_and_no_length_tells_which_of_two_copies_is_barred(world, cluster):
    free, barred = await world.person(), await world.person()
    await qualified(world, free)
    await qualified(world, barred, auto_response="barred")
    async with administrator(await create_database(cluster), world.agency.tenant) as admin:
        tables = await admin.fetch("select tablename from pg_tables where schemaname = $1", world.agency.tenant)
        rows = [str(dict(row)) for (name,) in tables for row in await admin.fetch(f"select * from {name}")]
        one, other = [dict(row) for row in await admin.fetch("select * from replica order by integrated_number")]
    assert len(rows) > 4
    assert not [row for row in rows if "'barred'" in row or '"barred"' in row]
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"record_id", "integrated_number", "content_index", "sealed"}
    assert [len(one[name]) for name in sorted(differing)] == [len(other[name]) for name in sorted(differing)]
    assert (await seen(world, free), await seen(world, barred)) == (["allowed"], ["barred"])
    assert (await world.ask(world.question(free))).disposition == "provided"
    assert (await world.ask(world.question(barred))).disposition == "held"


@pytest.mark.parametrize(
    "bent", ["turned over", "of another's copy", "of another copy of theirs", "of this copy before"]
)
async def test_sc_4_whoever_bends_what_is_sealed_lifts_no_flag_and_it_is_on_record(world, bent):
    number, other = await world.person(), await world.person()
    await qualified(world, other)
    await premium(world, number, "2020")
    record_id = await qualified(world, number)
    [before] = await world.fetch("select sealed from replica where record_id = $1", record_id)
    await qualified(world, number, record_id=record_id, revision=1, auto_response="barred")
    assert (await world.ask(world.question(number))).disposition == "held"
    sealed = {
        "turned over": f"select set_byte(sealed, {NONCE_SIZE}, get_byte(sealed, {NONCE_SIZE}) # 1) from replica where record_id = $1",
        "of another's copy": "select sealed from replica where integrated_number <> (select integrated_number from replica where record_id = $1)",
        "of another copy of theirs": "select sealed from replica where record_id <> $1 and integrated_number = (select integrated_number from replica where record_id = $1)",
    }
    [put] = [before] if bent == "of this copy before" else await world.fetch(sealed[bent], record_id)
    await world.execute("update replica set sealed = $2 where record_id = $1", record_id, put[0])
    question = world.question(number)
    answer = await world.ask(question)
    assert (answer.disposition, answer.reason, answer.payload) == ("refused", "replica_unreadable", None)
    assert [one["reason"] for one in await world.entries(question.asked.inquiry_number)] == ["replica_unreadable"]


async def test_sc_20_copies_of_before_are_sealed_with_their_flags_once(world, cluster):
    free, barred, changed = [await world.person() for _ in range(3)]
    await qualified(world, free)
    marked = await qualified(world, barred, revision=3)
    broken = await qualified(world, changed)
    await as_before(world, cluster, {marked})
    await world.execute("update replica set version = '0002' where record_id = $1", broken)
    assert "barred" not in str(await world.fetch("select * from replica"))
    await sealing(world)
    [left] = await world.fetch("select record_id from replica where flag_beside")
    assert left["record_id"] == broken
    assert [await seen(world, number) for number in (free, barred, changed)] == [["allowed"], ["barred"], [None]]
    assert (await world.ask(world.question(free))).disposition == "provided"
    assert (await world.ask(world.question(barred))).disposition == "held"
    after = await world.fetch("select *, xmin::text from replica")
    await sealing(world)
    assert await world.fetch("select *, xmin::text from replica") == after
    await qualified(world, changed, record_id=broken, revision=1, auto_response="barred")
    assert await world.fetch("select from replica where flag_beside") == []
    assert await seen(world, changed) == ["barred"]


async def test_a_sealing_that_dies_goes_on_where_it_was(world, cluster, monkeypatch):
    monkeypatch.setattr(flags, "AT_ONCE", 1)
    numbers = [await world.person() for _ in range(2)]
    records = [await qualified(world, number, record_id=f"r-{nth}") for nth, number in enumerate(numbers)]
    await as_before(world, cluster, {"r-1"})
    beside = "select record_id, sealed from replica where flag_beside order by record_id"
    async with administrator(await create_database(cluster), world.agency.tenant) as admin:
        async with admin.transaction():
            await admin.execute("select from replica where record_id = 'r-1' for update")
            dying = asyncio.create_task(sealing(world))
            await until(lambda: world.fetch(beside), lambda rows: len(rows) == 1)
            dying.cancel()
            await asyncio.wait([dying])
        [left] = await world.fetch(beside)
        [done] = await world.fetch("select sealed from replica where record_id = 'r-0'")
    assert (dying.cancelled(), left["record_id"]) == (True, records[1])
    await sealing(world)
    assert await world.fetch("select sealed from replica where record_id = 'r-0'") == [done]
    assert [await seen(world, number) for number in numbers] == [["allowed"], ["barred"]]


async def test_is_8_a_flag_goes_under_the_new_key_with_its_copy(world):
    number = await world.person()
    record_id = await qualified(world, number, auto_response="barred")
    rotate(world, PURPOSE)
    assert await made_anew(world, PURPOSE) == 1
    destroy(world, PURPOSE)
    assert await seen(world, number) == ["barred"]
    assert await qualified(world, number, record_id=record_id, auto_response="barred") == record_id
    assert (await world.ask(world.question(number))).disposition == "held"
