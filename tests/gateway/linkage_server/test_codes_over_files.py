"""Codes over 既存住基 (LS-4): requests and their results lie in files, and nothing of them stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.jlis_mock.resident_network.existing_residents import ExistingResidents
from storage import sql
from tests.gateway.linkage_server.test_codes_continuous import BOUND, order, standing, ward
from tests.support.resident_files import individual_number, load, person

__all__ = ["ward"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "existing"


def over_files(folder):
    return {"code_requests_over": {"setagaya": "existing_residents"}, "existing_residents_folder": str(folder)}


async def residents(world, folder):
    """The simulated existing resident system; it answers from what the resident network knows."""

    async def answering(_agency, asks):
        return [
            world.neighbours._code_request(
                {"acquisition_number": ask.acquisition_number, "individual_number": ask.individual_number}
            )
            for ask in asks
        ]

    await ExistingResidents(folder=folder, agencies=lambda: ("setagaya",), answering=answering).run()


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_codes_come_over_files_and_no_file_stays(ward, folder):
    async with asyncio.TaskGroup() as group, ward.served(**over_files(folder)) as caller:
        working = group.create_task(residents(ward, folder))
        await load(ward.config.spool, [person(1), person(2), person(9), person(3, individual_number="")])
        answer = await caller.post("/v1/code-requests", {"wait_ms": 20000}, token=await caller.token(), key="c1")
        found = await standing(ward)
        working.cancel()
    assert answer.body["state"] == "done"
    assert found == {1: BOUND, 2: BOUND, 9: ("refused", "unknown_person"), 3: ("without_individual_number", None)}
    assert files(folder) == []
    assert not [one for one in ward.neighbours.lists if one[0] == "code-requests"]
    assert await ward.rows("select 1 from code_request_file") == []


async def test_a_request_file_holds_no_integrated_number_and_the_database_no_acquisition_number(ward, folder):
    async with ward.served(**over_files(folder)):
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: ("requested", None)})
        for _ in range(100):
            if any(name.endswith(".manifest.json") for name in files(folder)):
                break
            await asyncio.sleep(0.05)
    [text] = [path.read_text() for path in folder.rglob("*.csv")]
    [given] = ward.neighbours.acquisitions.values()
    assert text.splitlines() == ["acquisition_number,individual_number", f"{given},{individual_number(1)}"]
    tables = await ward.rows("select tablename from pg_tables where schemaname = current_schema()")
    rows = [str(dict(row)) for table in tables for row in await ward.rows(f"select * from {table['tablename']}")]
    assert not [row for row in rows if given in row]
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*.csv")} == {0}


async def test_sc_14_a_request_that_could_not_be_put_on_record_does_not_lie_there(ward, folder):
    """Its data file holds 個人番号; another is made under another name."""
    await ward.rows(
        "create function away() returns trigger language plpgsql as"
        " $$ begin raise exception using errcode = 'connection_failure'; end $$"
    )
    await ward.rows("create trigger away before insert on code_request_file for each row execute function away()")
    async with ward.served(**over_files(folder)):
        await load(ward.config.spool, [person(1)])
        while ward.neighbours.lists.count(("acquisition-numbers", 1)) < 3:
            await asyncio.sleep(0.05)
        await ward.rows("drop trigger away on code_request_file")
        assert await standing(ward, want := {1: ("requested", None)}) == want
        [row] = await ward.rows("select file_name from code_request_file")
        await asyncio.sleep(0.1)
    assert files(folder) == [row["file_name"], f"{row['file_name']}.manifest.json"]


@pytest.mark.parametrize(
    ("result", "left"),
    [
        ("line,outcome,reason\n1,accepted,\n", "requested"),
        ("line,outcome,reason\n1,refused,number_unknown\n", "refused"),
        ("line,outcome,reason\n1,retry,core_unreachable\n", "none"),
        ("line,outcome,reason\n", "none"),
        ("line,outcome,reason\n2,accepted,\n", "none"),
        ("line,outcome,reason\n1,accepted,\n1,accepted,\n", "none"),
        ("line,outcome,reason\n1,perhaps,\n", "none"),
        ("nonsense", "none"),
        ("", "none"),
        ("\x00\ufeff", "none"),
    ],
)
async def test_whatever_the_result_says_nobody_is_lost_and_the_file_goes(ward, folder, result, left):
    async with ward.served(**over_files(folder)):
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: ("requested", None)})
        ward.neighbours.away = {"acquisition-numbers", "code-status"}
        [row] = await ward.rows("select file_name from code_request_file")
        part = folder / "setagaya" / "results" / ".part"
        part.write_text(result)
        part.rename(folder / "setagaya" / "results" / f"{row['file_name']}.result.csv")
        for _ in range(200):
            if not await ward.rows("select 1 from code_request_file"):
                break
            await asyncio.sleep(0.05)
        found = await standing(ward)
        for _ in range(100):
            if not files(folder):
                break
            await asyncio.sleep(0.05)
    assert found[1][0] == left
    assert files(folder) == [], "also the request, which the other side has not removed"


async def test_the_end_of_a_code_does_not_wait_for_the_answer_to_a_file(ward, folder):
    """The request may be of a wrong number, and a code that comes of it another person's: it has to be good for nothing at once."""
    async with ward.served(**over_files(folder)) as caller:
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: ("requested", None)})
        token = await caller.token()
        answer = await order(caller, "cancel", token, "k1", 1, ground="moved_out")
        found = await standing(ward, {1: ("cancelled", "moved_out")}, seconds=5)
        [row] = await ward.rows("select file_name from code_request_file")
        part = folder / "setagaya" / "results" / ".part"
        part.write_text("line,outcome,reason\n1,accepted,\n")
        part.rename(folder / "setagaya" / "results" / f"{row['file_name']}.result.csv")
        for _ in range(200):
            if not await ward.rows("select 1 from code_request_file"):
                break
            await asyncio.sleep(0.05)
        after = await standing(ward)
    assert answer.body["items"] == [{"state": "cancelling", "refused": None}]
    assert found == after == {1: ("cancelled", "moved_out")}
    assert list(ward.neighbours.cancelled.values()) == ["moved_out"]


async def test_whoever_waits_for_a_file_is_not_due(ward, folder):
    """Staff ask again while the old request lies in its file: that is looked at with the folder, not twenty times a second."""
    async with ward.served(**over_files(folder)) as caller:
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: ("requested", None)})
        token = await caller.token()
        await order(caller, "cancel", token, "k1", 1, ground="moved_out")
        await standing(ward, {1: ("cancelled", "moved_out")}, seconds=5)
        await order(caller, "replace", token, "k2", 1, ground="resident_record_changed")
        await standing(ward, {1: ("none", None)})
        [due] = await ward.rows(sql.load("gateway.linkage_server.code_requests")["next_due"], datetime.now(UTC))
    assert due["min"] is None


@pytest.mark.parametrize("answered", [True, False])
async def test_whoever_lies_in_a_file_gets_a_code_also_when_requests_go_over_the_gateway_from_then_on(
    ward, folder, answered
):
    options = over_files(folder) | {"existing_residents_answer_s": 3600 if answered else 1}
    async with ward.served(**options):
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: ("requested", None)})
    async with asyncio.TaskGroup() as group, ward.served(**options | {"code_requests_over": "gateway"}):
        working = group.create_task(residents(ward, folder)) if answered else None
        found = await standing(ward, {1: BOUND})
        if working:
            working.cancel()
    assert found == {1: BOUND}
    assert files(folder) == []
    assert await ward.rows("select 1 from code_request_file") == []


async def test_an_answer_that_does_not_come_is_asked_for_anew(ward, folder):
    options = over_files(folder) | {"existing_residents_answer_s": 0.2}
    async with ward.served(**options):
        await load(ward.config.spool, [person(1)])
        for _ in range(200):
            if len(ward.neighbours.lists) >= 2:
                break
            await asyncio.sleep(0.05)
        [count] = await ward.rows("select tries from code_standing")
    asked = [one for one in ward.neighbours.lists if one[0] == "acquisition-numbers"]
    assert len(asked) >= 2
    assert count["tries"] >= 1
