from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.linkage_server.supervision import BROKE, supervised


async def test_a_loop_that_breaks_is_begun_again_and_says_type_and_place_alone():
    begun = []
    through = asyncio.Event()

    async def loop():
        begun.append(1)
        if len(begun) < 3:
            raise ValueError("123456789018")
        through.set()
        await asyncio.Event().wait()

    before = BROKE.labels("of_a_test")._value.get()
    with capture_logs() as logs:
        task = asyncio.ensure_future(supervised("of_a_test", "setagaya", loop, pause_s=0))
        await asyncio.wait_for(through.wait(), 5)
    task.cancel()
    [ended] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError)
    assert BROKE.labels("of_a_test")._value.get() - before == 2
    assert {(one["error"], one["place"].partition(":")[0]) for one in logs} == {("ValueError", "test_supervision.py")}
    assert "123456789018" not in str(logs)


async def test_the_failure_of_a_group_is_told_by_its_first():
    async def loop():
        async with asyncio.TaskGroup() as group:
            group.create_task(broken())

    async def broken():
        raise KeyError("x")

    with capture_logs() as logs:
        task = asyncio.ensure_future(supervised("of_a_test", "setagaya", loop, pause_s=60))
        while not logs:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert logs[0]["place"].startswith("test_supervision.py:")
