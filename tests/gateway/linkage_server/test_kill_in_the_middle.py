"""What is killed at a commit or a send and started again issues nothing twice and gives the result of an undisturbed run."""

from __future__ import annotations

import asyncio
import shutil
import signal

import pytest

from tests.gateway.linkage_server.test_business_information import ndjson, record
from tests.support.linkage_world import build, start_process, write_role
from tests.support.resident_files import csv_bytes, person, put, through

PEOPLE = 9_000
SCOPES = ("addressees:register", "integrated-numbers:read")


@pytest.fixture(scope="module")
def file():
    return csv_bytes([person(nth) for nth in range(1, PEOPLE + 1)] + [person(1), person(2, name="")])


async def load_undisturbed(tmp_path, cluster, keys, file):
    """The result of the same file in another database under the same keys."""
    other = await build(tmp_path / "other", cluster)
    shutil.copy(keys, other.config.hosted["setagaya"].keys)
    await other.register(scopes=SCOPES)
    async with other.served():
        folder = put(other.config.spool, file, name="people.csv", count=PEOPLE + 2)
        return await through(folder, "people.csv")


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        ("linkage.commit.addressees.chunk.before", 2),
        ("linkage.commit.addressees.chunk.after", 2),
        ("linkage.commit.addressees.loaded.before", 1),
        ("linkage.commit.addressees.loaded.after", 1),
    ],
)
async def test_a_load_that_is_killed_gives_the_result_of_an_undisturbed_one(
    world, linkage_cluster, tmp_path, file, fault, passes
):
    await world.register(scopes=SCOPES)
    undisturbed = await load_undisturbed(tmp_path, linkage_cluster, world.config.hosted["setagaya"].keys, file)
    write_role(world, {})
    folder = put(world.config.spool, file, name="people.csv", count=PEOPLE + 2)
    killed = await start_process(world, fault, passes)
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert not (folder / "done" / "people.csv.result.csv").exists()
    async with world.served():
        result = await through(folder, "people.csv")
    [people] = await world.rows(
        "select count(*) as n, count(distinct individual_number_index) as different from person"
    )
    entries = await world.rows("select 1 from log_entry where kind = 'addressees.loaded'")
    assert result == undisturbed
    assert (people["n"], people["different"], len(entries)) == (PEOPLE, PEOPLE, 1)


@pytest.mark.parametrize(
    "fault",
    [
        "linkage.send.replicas.before",
        "linkage.send.replicas.after",
        "linkage.commit.business_information.chunk.before",
        "linkage.commit.business_information.chunk.after",
        "linkage.commit.business_information.answered.before",
        "linkage.commit.business_information.answered.after",
        "linkage.commit.business_information.registered.after",
    ],
)
async def test_business_information_that_is_killed_is_registered_once_by_record_id(world, fault):
    records = [record(nth) for nth in (1, 2)] + [record(9)]
    async with world.served():
        folder = put(world.config.spool, csv_bytes([person(1), person(2)]), name="people.csv", count=2)
        await through(folder, "people.csv")
    folder = put(world.config.spool, ndjson(records), name="b.ndjson", count=3, channel="business-information")
    async with world.neighbours.running(world.neighbour_identity) as url:
        write_role(world, {"intermediate/setagaya": url})
        killed = await start_process(world, fault)
        assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    async with world.served():
        result = await through(folder, "b.ndjson")
    assert result.splitlines()[1:] == [
        "1,registered,,",
        "2,registered,,",
        "3,rejected,addressee_unknown,addressee_number",
    ]
    assert sorted(world.neighbours.replicas) == ["kokuho/r1", "kokuho/r2"]
