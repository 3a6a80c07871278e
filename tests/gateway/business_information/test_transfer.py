"""LS-2.1 to LS-2.6: lines become originals, originals become copies, whatever is away or comes twice in between."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.linkage_server.test_business_information import ndjson, record
from tests.support.resident_files import load, person, put, through

STATED = {"staff": "s-01", "affair": "insurance-qualification", "reason": "窓口での申出"}
PATH = "/v1/business-information"
FOLLOWED = (
    "select 1 from business_cursor where person_revision = (select max(revision) from person)"
    " and addressee_revision = (select max(revision) from addressee)"
)


def put_records(both, records, name):
    return put(both.spool, ndjson(records), name=name, count=len(records), channel="business-information")


async def send(both, records, name="b.ndjson"):
    folder = put_records(both, records, name)
    return [line.split(",") for line in (await through(folder, name)).splitlines()[1:]]


async def until(look, right):
    for _ in range(1000):
        if right(found := await look()):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


async def states(both):
    rows = await both.linkage.rows("select record_id, transfer from original order by record_id")
    return {row["record_id"].removeprefix("kokuho/"): row["transfer"] for row in rows}


def settled(found):
    return bool(found) and "due" not in found.values()


def item(nth, value):
    return record(nth)["items"] | {"口座番号": {"value": value}}


async def test_ls_2_1_what_is_taken_in_lies_sealed(both):
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        await send(both, [record(1, items=item(1, "7654321"))])
    [row] = await both.linkage.rows("select * from original")
    assert row["edition"] == 1
    assert b"7654321" not in row["sealed"]
    assert "7654321" not in str(dict(row))


async def test_ls_2_2_a_change_replaces_the_copy_and_a_deletion_takes_it_away(both):
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        assert await send(both, [record(1), record(1, record_id="r9")]) == [
            ["1", "registered", "", ""],
            ["2", "registered", "", ""],
        ]
        before = {row["record_id"]: row for row in await both.replicas()}
        changes = [
            record(1, operation="change", items=item(1, "2222222")),
            record(1, record_id="r9", operation="delete"),
        ]
        results = await send(both, changes, "c.ndjson")
    [after] = await both.replicas()
    assert results == [["1", "registered", "", ""], ["2", "deleted", "", ""]]
    assert after["record_id"] == "kokuho/r1"
    assert after["sealed"] != before["kokuho/r1"]["sealed"]
    assert after["revision"] > before["kokuho/r1"]["revision"]


async def test_ls_2_4_the_same_request_again_is_the_same_run(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1)])
        token = await caller.token()
        wanted = {"wait_ms": 20_000}
        runs = [await caller.post(f"{PATH}/transfers", wanted, token=token, key="same") for _ in range(2)]
    assert runs[0].body["run_id"] == runs[1].body["run_id"]
    assert len(await both.linkage.rows("select 1 from business_run")) == 1


async def test_ls_2_4_a_full_transfer_of_what_lies_there_already_writes_nothing(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1)])
        before = await both.replicas("select *, xmin::text from replica")
        run = await caller.post(f"{PATH}/transfers", {"wait_ms": 20_000}, token=await caller.token(), key="k")
    assert run.body["counts"] == {"registered": 1}
    assert await both.replicas("select *, xmin::text from replica") == before
