"""An inquiry file as a whole (LS-3.2): taken once whatever its name, finished, supplemented, counted, and forgotten in time."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.bulk_world import (
    SCOPES,
    answered,
    file_of,
    request,
    result_bytes,
    rows,
    said,
    send,
    until_there,
    with_agencies,
)
from tests.support.resident_files import load, person


async def test_a_name_stands_for_one_file_until_its_last_supplement_is_there(world, intermediate):
    """Another file's supplement would lie over this one's, and that is written once."""
    intermediate.says = lambda _item: said("held", "held")
    async with world.served():
        await load(world.config.spool, [person(1), person(2)])
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        await result_bytes(folder, "a.dat")
        send(world, file_of([request(2)]), "a.dat", count=1)
        refused = json.loads(await until_there(folder / "failed" / "a.dat.reason.json"))
        intermediate.ends = lambda answer: answer | answered()
        await until_there(folder / "done" / "a.dat.supplement-1.csv")
        while [row["state"] for row in await world.rows("select state from inquiry_file")] != ["settled"]:
            await asyncio.sleep(0.02)
        send(world, file_of([request(2)]), "a.dat", count=1)
        while len(await world.rows("select 1 from inquiry_file")) < 2:
            await asyncio.sleep(0.02)
    assert refused["reason"] == "file_name_in_use"


async def test_what_is_past_its_time_is_forgotten_and_never_asked_again(world, intermediate):
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        await result_bytes(folder, "a.dat")
    async with world.served(inquiry_file_keep_s=0):
        for _ in range(300):
            if [row["state"] for row in await world.rows("select state from inquiry_file")] == ["forgotten"]:
                break
            await asyncio.sleep(0.02)
        assert await world.rows("select 1 from inquiry_file_line where sealed is not null") == []
        assert not (folder / "done" / "a.dat.result.csv").exists()
        send(world, file_of([request(1)]), "b.dat", count=1)
        with pytest.raises(AssertionError, match="answers_deleted"):
            await result_bytes(folder, "b.dat")
    assert set(intermediate.sent.values()) == {1}


async def test_the_status_counts_lines_and_says_on_what_the_estimate_rests(world, intermediate):
    intermediate.says = lambda item: said("held", "held") if item["integrated_number"][-1] in "02468" else answered()
    await world.register("zeimu", system="zeimu", scopes=("inquiry-files:spool",))
    async with world.served(inquiry_file_supplement_look_s=60, inquiry_file_patience_s=1) as caller:
        await load(world.config.spool, [person(nth) for nth in range(1, 21)])
        folder = send(world, file_of([request(nth) for nth in range(1, 21)]), "a.dat", count=20)
        while not await world.rows("select 1 from inquiry_file where asked_at is not null"):
            await asyncio.sleep(0.02)
        asked = await caller.post("/v1/inquiry-files/status", {}, token=await caller.token("zeimu"))
        found = rows(await result_bytes(folder, "a.dat"))
        token = await caller.token()
        answer = await caller.post("/v1/inquiry-files/status", {}, token=token)
        held = sum(row[19] == "held" for row in found)
    [file] = answer.body["files"]
    assert (file["file"], file["lines"], file["lines_done"], file["lines_open"]) == ("a.dat", 20, 20 - held, held)
    assert file["state"] == "finished"
    assert sum(file["classes"].values()) == 20
    assert asked.body["files"] == []
    for left in (
        asked.body["all_files"],
        answer.body["all_files"],
    ):  # of the agency, also while a file waits for its held lines
        assert (left["seconds_left"], left["basis"]["lines_left"]) == (0, 0)
        assert left["basis"]["lines_that_wait_for_providers"] == held


async def test_another_system_sees_nothing_of_a_file(world, intermediate):
    await world.register("zeimu", system="zeimu", scopes=("inquiry-files:spool",))
    async with world.served() as caller:
        folder = send(world, file_of(["x" * 220]), "a.dat", count=1)
        await result_bytes(folder, "a.dat")
        answer = await caller.post("/v1/inquiry-files/status", {}, token=await caller.token("zeimu"))
    assert answer.body["files"] == []


async def test_what_is_kept_of_a_line_is_sealed(world, intermediate):
    intermediate.says = lambda _item: answered(口座番号={"value": "7654321"})
    async with world.served():
        await load(world.config.spool, [person(1)])
        await result_bytes(send(world, file_of([request(1)]), "a.dat", count=1), "a.dat")
    stored = [
        str(dict(row))
        for table in ("inquiry_file", "inquiry_file_line")
        for row in await world.rows(f"select * from {table}")
    ]
    assert not [text for text in stored if "7654321" in text or "0000000001" in text]
