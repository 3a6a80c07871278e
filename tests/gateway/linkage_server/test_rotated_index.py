"""IS-8: the key by which people are found changes while loads come in. Nobody is registered twice, nobody's number seems to have changed."""

from __future__ import annotations

import asyncpg

from gateway.linkage_server import personal_keys
from keys.ring import version_of_index
from storage.key_store import KeyStore
from tests.support.change_files import change, day, take
from tests.support.linkage_world import PASSPHRASE
from tests.support.resident_files import individual_number, load, person
from tests.support.running_system import until

PURPOSE = personal_keys.INDIVIDUAL_NUMBER_INDEX


def change_ring(world, change):
    store = KeyStore.open(world.config.hosted["setagaya"].keys, PASSPHRASE)
    with store.changing() as ring:
        change(ring)


async def versions(world, column="individual_number_index", table="person"):
    rows = await world.rows(f"select {column} as found from {table} order by integrated_number")
    return [version_of_index(row["found"]) for row in rows]


async def of_zeimu(world, *numbers):
    rows = [person(nth, system="zeimu", addressee_number=f"{70 + nth}") for nth in numbers]
    return [
        result[1]
        for result in await load(
            world.config.spool, rows, system="zeimu", name=f"people-{len(numbers)}-{numbers[0]}.csv"
        )
    ]


async def test_is_8_people_are_found_by_both_keys_while_loads_come_in_and_the_old_one_goes(world):
    await world.register("zeimu", system="zeimu")
    await world.register("moves", scopes=("persons:change",))
    holder = await asyncpg.connect(world.admin_dsn)
    try:
        async with world.served(reseal_settle_s=0):
            await load(world.config.spool, [person(nth) for nth in range(1, 4)])
            renumbered = change("n", 3, "individual_number_change", day(0), individual_number=individual_number(60))
            assert await take(world, [renumbered | {"system": "kokuho"}], name="1.csv", system="kokuho") == [
                ("applied", "")
            ]
            await world.rows(
                "insert into code_standing (integrated_number, state, number_index, next_at, changed_at)"
                " select integrated_number, 'bound', individual_number_index, now(), now() from person on conflict (integrated_number) do"
                " update set state = 'bound'"
            )
            await holder.execute("select set_config('search_path', $1, false)", world.config.hosted["setagaya"].tenant)
            async with holder.transaction():  # rows that somebody holds are left by the job
                await holder.fetch("select from person for no key update")
                change_ring(world, lambda ring: ring.rotate(PURPOSE))
                await until(lambda: world.rows("select from resealing where purpose = $1", PURPOSE), bool)
                assert await of_zeimu(world, 1, 9) == ["linked", "issued"]
                assert sorted(await versions(world)) == [1, 1, 1, 2]
                assert await of_zeimu(world, 2, 3) == ["linked", "held"]
            finished = "select * from resealing where purpose = $1 and finished_at is not null"
            [job] = await until(lambda: world.rows(finished, PURPOSE), bool)
            assert (job["done"], job["unreadable"], job["reason"]) == (5, 0, None)
            assert await versions(world) == [2] * 4
            assert await versions(world, table="former_individual_number") == [2]
            kept = "select c.state, c.number_index = p.individual_number_index as same from code_standing c join person p using (integrated_number)"
            standings = await world.rows(kept)
            assert len(standings) >= 3
            assert {row["same"] for row in standings} == {True}
            assert {row["state"] for row in standings} <= {"bound", "none"}
            change_ring(world, lambda ring: ring.destroy(PURPOSE, 1))
            assert await of_zeimu(world, 3, 9) == ["held", "unchanged"]
    finally:
        await holder.close()
    assert len(await world.rows("select from person")) == 4
