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


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({}, ["registered", ""]),
        ({"items": record(1)["items"] | {"口座番号": {"value": "2222222"}}}, ["rejected", "record_id_reused"]),
        ({"operation": "change", "record_id": "other"}, ["rejected", "record_unknown"]),
        ({"operation": "delete", "record_id": "other"}, ["rejected", "record_unknown"]),
        ({"operation": "delete", "addressee_number": "0000000002"}, ["rejected", "addressee_differs"]),
        ({"operation": "change", "parent_record_id": "r1"}, ["rejected", "parent_not_expected"]),
        ({"operation": "change", "public_to": "2020-01-01"}, ["rejected", "public_window_reversed"]),
        ({"operation": "change", "changed_at": "2999-01-01T00:00:00+09:00"}, ["rejected", "changed_at_in_the_future"]),
        ({"operation": "change", "version": "9999"}, ["rejected", "layout_version_not_in_force"]),
    ],
)
async def test_ls_2_2_a_second_line_about_a_record(both, change, result):
    async with both.standing(), both.served():
        await load(both.spool, [person(1), person(2)])
        await send(both, [record(1)])
        [found] = await send(both, [record(1, **change)], "again.ndjson")
    assert found[1:3] == result
    [row] = await both.linkage.rows("select edition from original")
    assert row["edition"] == 1


async def test_ls_2_2_lines_of_one_file_work_in_their_order(both):
    lines = [
        record(1),
        record(1, operation="change", items=item(1, "2222222")),
        record(1, operation="delete"),
        record(1),
    ]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        results = await send(both, lines)
    assert [result[1] for result in results] == ["superseded", "superseded", "superseded", "registered"]
    past = await both.linkage.rows("select edition, deleted from original_past order by edition")
    assert [tuple(row) for row in past] == [(1, False), (2, False), (3, True)]
    assert len(await both.replicas()) == 1


async def test_ls_2_2_an_older_change_that_comes_late_changes_nothing(both):
    newer = record(1, operation="change", items=item(1, "2222222"), changed_at="2026-10-02T09:00:00+09:00")
    older = record(1, operation="change", items=item(1, "3333333"), changed_at="2026-10-01T09:00:00+09:00")
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        await send(both, [record(1, changed_at="2026-09-01T09:00:00+09:00")])
        await send(both, [newer], "newer.ndjson")
        before = await both.replicas()
        assert await send(both, [older], "older.ndjson") == [["1", "unchanged", "overtaken", ""]]
    assert await both.replicas() == before


async def test_ls_2_2_a_replay_changes_nothing_twice_and_says_the_same(both):
    lines = [record(1), record(1, operation="change", items=item(1, "2222222")), {"nothing": 1}]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        first = await send(both, lines)
        before = await both.linkage.rows("select * from original")
        assert await send(both, lines, "again.ndjson") == first
    assert await both.linkage.rows("select * from original") == before


async def test_ls_2_5_what_was_just_taken_in_is_sent_as_it_was_committed_and_read_again_after_an_outage(both):
    """Rows that nobody can open any more from the moment of their writing: only what is in memory can be sent."""
    await both.linkage.rows(
        "create function spoilt() returns trigger language plpgsql as $$ begin new.sealed = 'x'; return new; end $$"
    )
    await both.linkage.rows("create trigger spoilt before insert on original for each row execute function spoilt()")
    async with both.served():
        await load(both.spool, [person(1), person(2)])
        await until(lambda: both.linkage.rows(FOLLOWED), bool)
        async with both.standing():
            online = await send(both, [record(1)])
        folder = put_records(both, [record(2)], "c.ndjson")
        await until(lambda: states(both), lambda found: found.get("r2") == "due")
        await asyncio.sleep(0.2)
        async with both.standing():
            late = [line.split(",") for line in (await through(folder, "c.ndjson")).splitlines()[1:]]
    assert online == [["1", "registered", "", ""]]
    assert late == [["1", "rejected", "original_unreadable", ""]]


async def test_ls_2_5_an_outage_in_the_middle_of_a_transfer_loses_nothing(both):
    people = [person(nth) for nth in range(1, 41)]
    records = [record(nth % 40 + 1, record_id=f"r{nth}") for nth in range(6_000)]
    async with both.served():
        async with both.standing():
            await load(both.spool, people)
            folder = put_records(both, records, "big.ndjson")
            await until(lambda: both.replicas("select 1 from replica limit 1"), bool)
        await until(lambda: states(both), lambda found: len(found) == len(records))  # taken in all the same
        assert "due" in (await states(both)).values()
        assert not (folder / "done" / "big.ndjson.result.csv").exists()
        async with both.standing():
            result = await through(folder, "big.ndjson")
    assert result.splitlines()[1:] == [f"{nth},registered,," for nth in range(1, len(records) + 1)]
    replicas = await both.replicas("select record_id from replica")
    assert {row["record_id"] for row in replicas} == {f"kokuho/r{nth}" for nth in range(6_000)}


async def test_ls_2_5_what_changed_during_an_outage_is_sent_once_in_its_last_state(both):
    async with both.served() as caller:
        async with both.standing():
            await load(both.spool, [person(1)])
            await send(both, [record(1)])
        token = await caller.token()
        for nth in range(3):
            items = [record(1, operation="change", items=item(1, f"{nth}" * 7))]
            answer = await caller.post(PATH, {**STATED, "items": items}, token=token, key=f"k{nth}")
            assert answer.body["items"][0]["transfer"]["state"] == "due"
        async with both.standing():
            await until(lambda: states(both), settled)
            copies = await caller.post(f"{PATH}/copies", STATED, token=token)
    assert [copy["items"]["口座番号"] for copy in copies.body["items"]] == [{"value": "2222222"}]


async def test_ls_2_4_on_command_nothing_goes_before_the_first_full_transfer(both):
    async with both.standing(), both.served(first_transfer="on_command") as caller:
        await load(both.spool, [person(1), person(2, individual_number="")])
        results = await send(both, [record(1), record(1, record_id="r9"), record(2)])
        token = await caller.token()
        assert [result[1:3] for result in results] == [["kept", "awaits_first_transfer"]] * 3
        assert await both.replicas() == []
        assert await first_transfers(caller, token) == [False]
        run = await caller.post(f"{PATH}/transfers", {"per_part": 1, "wait_ms": 20_000}, token=token, key="k")
        assert run.body["counts"] == {"registered": 2, "withheld": 1}
        assert run.body["parts"] == 3
        assert await first_transfers(caller, token) == [True]
        assert await send(both, [record(1, operation="delete", record_id="r9")], "d.ndjson") == [
            ["1", "deleted", "", ""]
        ]
        report = await download(caller, f"{PATH}/run-report?run_id={run.body['run_id']}", token)
    assert report.splitlines() == [
        "record_id,outcome,reason,item",
        "kokuho/r1,registered,,",
        "kokuho/r2,withheld,no_individual_number,",
        "kokuho/r9,registered,,",
    ]
    assert [row["record_id"] for row in await both.replicas()] == ["kokuho/r1"]


async def test_ls_2_4_what_waited_for_a_command_goes_by_itself_once_none_is_asked_for(both):
    async with both.standing():
        async with both.served(first_transfer="on_command"):
            await load(both.spool, [person(1)])
            assert (await send(both, [record(1)]))[0][1] == "kept"
        async with both.served():
            await until(both.replicas, lambda found: [row["record_id"] for row in found] == ["kokuho/r1"])


async def first_transfers(caller, token):
    headers = {"Authorization": f"Bearer {token}"}
    async with caller.client.get(f"{caller.world.url}{PATH}/first-transfers", headers=headers) as answer:
        return [one["transferred_at"] is not None for one in (await answer.json())["items"]]


async def download(caller, path, token):
    headers = {"Authorization": f"Bearer {token}"}
    async with caller.client.get(f"{caller.world.url}{path}", headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_ls_2_4_a_window_takes_what_changed_within_it_and_is_no_first_transfer(both):
    days = ["2026-09-01", "2026-10-01", "2026-11-01"]
    async with both.standing(), both.served(first_transfer="on_command") as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1, record_id=f"r{day}", changed_at=f"{day}T00:00:00+09:00") for day in days])
        token = await caller.token()
        window = {"changed_from": "2026-10-01T00:00:00+09:00", "changed_to": "2026-11-01T00:00:00+09:00"}
        run = await caller.post(f"{PATH}/transfers", {**window, "wait_ms": 20_000}, token=token, key="k")
        assert run.body["counts"] == {"registered": 1}
        turned = dict(zip(window, reversed(window.values()), strict=True))
        for nth, (wanted, reason) in enumerate(
            [
                (turned, "window_reversed"),
                (
                    {"changed_from": days[0] + "T00:00:00Z", "changed_to": days[0] + "T09:00:00+09:00"},
                    "window_reversed",
                ),
                ({"information": "健康診断の結果"}, "nothing_of_this_kind"),
                ({"information": record(1)["information"], "version": "9999"}, "nothing_of_this_kind"),
            ]
        ):
            answer = await caller.post(f"{PATH}/transfers", wanted, token=token, key=f"w{nth}")
            assert (answer.status, answer.body["reason"]) == (400, reason)
        assert await first_transfers(caller, token) == [False]
    assert [row["record_id"] for row in await both.replicas()] == ["kokuho/r2026-10-01"]


async def test_ls_2_4_a_full_transfer_waits_for_the_intermediate_server_and_goes_on(both):
    async with both.served(first_transfer="on_command") as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1, record_id=f"r{nth}") for nth in range(30)])
        token = await caller.token()
        begun = await caller.post(f"{PATH}/transfers", {"per_part": 10}, token=token, key="k")
        assert (begun.status, begun.body["left"]) == (202, 30)
        async with both.standing():
            again = await caller.post(f"{PATH}/transfers", {"per_part": 10, "wait_ms": 20_000}, token=token, key="k")
    assert again.body["run_id"] == begun.body["run_id"]
    assert (again.body["counts"], again.body["parts"], again.body["left"]) == ({"registered": 30}, 3, 0)
    assert len(await both.replicas()) == 30


async def test_ls_2_4_a_full_transfer_brings_back_no_copy_whose_last_public_day_is_over(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1), record(1, record_id="r9", public_to="2026-06-30")])
        await until(both.replicas, lambda found: [row["record_id"] for row in found] == ["kokuho/r1"])  # erased
        before = await both.linkage.rows("select record_id, revision from original")
        run = await caller.post(f"{PATH}/transfers", {"wait_ms": 20_000}, token=await caller.token(), key="k")
        assert run.body["counts"] == {"registered": 1}
        await until(lambda: states(both), settled)
        assert await both.linkage.rows("select record_id, revision from original") == before


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
