"""Jobs of the intermediate server that somebody does again, at a bad moment (IS-10)."""

from __future__ import annotations

import asyncio

from gateway.batch import jobs as batch
from gateway.intermediate_server.operations import jobs, statistics
from gateway.terminal import operations as screen


async def counted(records) -> int:
    assert await statistics.count(records.agency)
    [row] = await records.inside("select coalesce(sum(exchanges), 0)::integer as found from exchange_count")
    return row["found"]


async def again(records) -> None:
    named = batch.JobNamed(kind="statistics", id="log")
    await batch.again(jobs._sources(records.agency), named, records.clock(), "J")


async def waits(records) -> None:
    """Until a statement of this tenant waits for another one's lock."""
    async with asyncio.timeout(10), records.administrator() as admin:
        while not await admin.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"):
            await asyncio.sleep(0.02)


async def test_is_10_statistics_that_are_made_anew_while_a_stretch_is_counted_count_it_once(records):
    for _ in range(3):
        await records.put(None)
    assert await counted(records) == 3
    await records.put(None, inquirer="kyokai-kenpo")
    async with records.agency.database.inside(records.agency.tenant) as counting:
        row = await counting.fetchrow(statistics._SQL["uncounted"])
        stretch = (row["year"], row["counted"], row["size"])
        assert await counting.fetchval(statistics._SQL["advance_counting"], *stretch) == row["year"]
        await counting.execute(statistics._SQL["count_exchanges"], *stretch, *statistics._ENDED)
        made_anew = asyncio.create_task(again(records))
        await waits(records)
    await made_anew
    assert await counted(records) == 4


async def test_is_10_made_anew_twice_at_once_they_are_what_they_were(records):
    for _ in range(5):
        await records.put(None)
    assert await counted(records) == 5
    await asyncio.gather(again(records), again(records))
    assert await counted(records) == 5


async def test_every_kind_of_job_has_a_word_at_the_terminal(records):
    assert {source.kind for source in jobs._sources(records.agency)} <= set(screen._KINDS)
