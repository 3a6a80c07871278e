"""Integrated numbers: issued once under any concurrency, crash or retry, and never one that an earlier system had issued (LS-1.3)."""

from __future__ import annotations

import asyncio
import random
from datetime import date

import asyncpg
import pytest

from codebook.issuing import has_check_digit, issue_many
from gateway.linkage_server.addressees import store
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.registration import ready_ring
from storage.database import Database
from storage.marks import Marks


class _CrashError(Exception):
    """What ends a transaction half-way in this test."""


@pytest.fixture
async def ward(world):
    database = await Database.open(world.config.dsn, connections=6)
    yield (
        world,
        database,
        world.config.hosted["setagaya"].tenant,
        PersonalKeys(ready_ring(world.config.open_keys("setagaya"))),
        Marks.beside(world.config.hosted["setagaya"].keys),
    )
    await database.close()


async def issue(database, tenant, keys, marks, count: int, *, crash: bool) -> list[int]:
    """Issue and keep numbers in one transaction, as a load does; a crash rolls it back."""
    async with database.inside(tenant) as connection:
        await store.lock_counter(connection)
        numbers = await store.issue_numbers(connection, keys, marks, count)
        await store.insert_persons(
            connection, [(number, None, None, b"sealed", date(2026, 4, 1), False) for number in numbers]
        )
        if crash:
            raise _CrashError
    return numbers


async def migrate_in(database, tenant, number: int) -> None:
    async with database.inside(tenant) as connection:
        await store.lock_counter(connection)
        await store.insert_persons(connection, [(number, None, None, b"sealed", date(2026, 4, 1), True)])


@pytest.mark.parametrize("seed", range(4))
async def test_no_number_is_given_twice_by_loads_that_run_crash_and_retry_side_by_side(ward, seed):
    world, database, tenant, keys, marks = ward
    draw = random.Random(seed)  # noqa: S311 (which load crashes when)
    to_come = issue_many(keys.issuing_key(), 0, 600)
    migrated = draw.sample(to_come, 60)

    async def loads() -> list[int]:
        kept: list[int] = []
        for _ in range(6):
            count = draw.randrange(1, 12)
            crash = draw.random() < 0.4
            while True:
                try:
                    kept += await issue(database, tenant, keys, marks, count, crash=crash)
                    break
                except _CrashError:
                    crash = False
        return kept

    refused: list[int] = []

    async def migrates(numbers: list[int]) -> list[int]:
        taken = []
        for number in numbers:
            try:
                await migrate_in(database, tenant, number)
                taken.append(number)
            except asyncpg.UniqueViolationError:
                refused.append(number)  # a load has given it by now; a file with it would be held
        return taken

    *issued, taken = await asyncio.gather(*(loads() for _ in range(5)), migrates(migrated))
    numbers = [number for one in issued for number in one] + taken
    held = {row["integrated_number"] for row in await world.rows("select integrated_number from person")}
    assert len(numbers) == len(set(numbers))
    assert held == set(numbers)
    assert all(has_check_digit(f"{number:015d}") for one in issued for number in one)
    assert sorted(taken + refused) == sorted(migrated)
    assert not set(refused) - held


async def test_a_reserved_number_that_was_migrated_meanwhile_is_not_given(world):
    """A file reserves its numbers before it writes; one of them may come in from an earlier system in between."""
    from tests.support.resident_files import load, person

    keys = PersonalKeys(ready_ring(world.config.open_keys("setagaya")))
    database = await Database.open(world.config.dsn, connections=1)
    tenant = world.config.hosted["setagaya"].tenant
    first = issue_many(keys.issuing_key(), 0, 10)
    for number in first[:5]:
        await migrate_in(database, tenant, number)
    await database.close()
    async with world.served():
        results = await load(world.config.spool, [person(nth) for nth in range(1, 11)])
    assert {result[1] for result in results} == {"issued"}
    rows = await world.rows("select integrated_number, migrated from person")
    assert len(rows) == 15
    assert {row["integrated_number"] for row in rows if row["migrated"]} == set(first[:5])
