"""A call that waits too long for what another holds is told to ask again: nothing was done, and it is nobody's fault (503, not 500)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from transport.problem import problem_for

HOLD = "select pg_advisory_xact_lock(7)"


async def test_a_call_that_waits_too_long_for_a_lock_is_to_be_asked_again(logs):
    database = logs[0].database
    async with database.inside(logs[0].tenant) as holding:
        await holding.execute(HOLD)
        async with database.inside(logs[0].tenant) as waiting:
            await waiting.execute("set local lock_timeout = '20ms'")
            with pytest.raises(asyncpg.LockNotAvailableError) as told:
                await waiting.execute(HOLD)
    assert (problem_for(told.value).status, problem_for(told.value).reason) == (503, "storage_unavailable")


async def test_of_two_that_wait_for_each_other_one_is_to_be_asked_again(logs):
    database = logs[0].database
    both = asyncio.Barrier(2)

    async def hold(first: int, second: int) -> None:
        async with database.inside(logs[0].tenant) as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", first)
            await both.wait()
            await connection.execute("select pg_advisory_xact_lock($1)", second)

    ends = await asyncio.gather(hold(1, 2), hold(2, 1), return_exceptions=True)
    (told,) = [end for end in ends if end is not None]
    assert isinstance(told, asyncpg.DeadlockDetectedError)
    assert problem_for(told).status == 503
