from __future__ import annotations

import asyncio

from gateway.linkage_server.ways_of_writing import counts_of, folds_of


async def test_others_are_served_while_the_folds_of_many_rows_are_found():
    begun: list[str] = []

    def row() -> tuple[str, ...]:
        begun.append("row")
        return ("name:spaces",)

    async def other() -> None:
        for _ in range(1_000):
            begun.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        told = group.create_task(folds_of([row] * 1_000))
        group.create_task(other())
    assert told.result() == [("name:spaces",)] * 1_000
    rows_at_once = "".join("r" if one == "row" else " " for one in begun).split()
    assert max(map(len, rows_at_once)) <= 200
    assert counts_of(told.result()) == {"fold:name:spaces": 1_000}
