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
from tests.support.change_files import change, day, take
from tests.support.resident_files import load, person


@pytest.fixture
async def intermediate(world):
    """An intermediate server that remembers, in a world whose register knows agencies; two hundred people are loaded by each test."""
    await world.register(scopes=SCOPES)
    return with_agencies(world)


async def test_a_file_twice_is_asked_once_and_gives_the_same_bytes_under_both_names(world, intermediate):
    lines = [request(nth) for nth in (1, 2, 9)] + ["x"]
    async with world.served():
        await load(world.config.spool, [person(1), person(2)])
        folder = send(world, file_of(lines), "a.dat", count=4)
        first = await result_bytes(folder, "a.dat")
        send(world, file_of(lines), "b.dat", count=4)
        second = await result_bytes(folder, "b.dat")
    assert first == second
    assert set(intermediate.sent.values()) == {1}
    assert len(await world.rows("select 1 from log_entry where kind = 'inquiry.refused'")) == 1


async def test_the_same_file_under_two_names_at_once_is_asked_once(world, intermediate):
    data = file_of([request(nth) for nth in range(1, 41)])
    async with world.served():
        await load(world.config.spool, [person(nth) for nth in range(1, 41)])
        folder = send(world, data, "a.dat", count=40)
        send(world, data, "b.dat", count=40)
        results = {await result_bytes(folder, name) for name in ("a.dat", "b.dat")}
    assert len(results) == 1
    assert set(intermediate.sent.values()) == {1}


async def test_another_file_under_the_same_name_waits_until_the_first_is_through(world, intermediate):
    """The first waits for its open line; neither takes the other's manifest, data or result."""
    intermediate.says = lambda _item: said("held", "held")
    first, second = file_of([request(1)]), file_of([request(2)])
    async with world.served(inquiry_file_patience_s=60):
        await load(world.config.spool, [person(1), person(2)])
        folder = send(world, first, "a.dat", count=1)
        while not await world.rows("select 1 from inquiry_file where asked_at is not null"):
            await asyncio.sleep(0.02)
        send(world, second, "a.dat", count=1)
        await asyncio.sleep(1)
        intermediate.ends = lambda answer: answer | answered()
        result = folder / "done" / "a.dat.result.csv"
        found = [rows(await until_there(result))]
        for _ in range(500):
            if (latest := rows(result.read_bytes())) != found[-1]:
                found.append(latest)
                break
            await asyncio.sleep(0.02)
        for _ in range(100):
            if not list((folder / "work").iterdir()):
                break
            await asyncio.sleep(0.02)
        states = {row["state"] for row in await world.rows("select state from inquiry_file")}
    assert [[row[1] for row in one] for one in found] == [["000000000000001"], ["000000000000002"]]
    assert list((folder / "failed").iterdir()) == []
    assert "asking" not in states


async def test_what_is_held_comes_with_a_supplement_and_the_result_stays_as_it_was(world, intermediate):
    intermediate.says = lambda _item: said("held", "held")
    async with world.served():
        await load(world.config.spool, [person(1), person(2)])
        folder = send(world, file_of([request(1), request(2)]), "a.dat", count=2)
        first = await result_bytes(folder, "a.dat")
        intermediate.ends = lambda answer: answer | answered() if answer["inquiry_number"].endswith("0") else answer
        one = rows(await until_there(folder / "done" / "a.dat.supplement-1.csv"))
        intermediate.ends = lambda answer: (
            answer | (said("aborted", "aborted", "deadline_passed") if answer["state"] == "held" else {})
        )
        two = rows(await until_there(folder / "done" / "a.dat.supplement-2.csv"))
        again = await until_there(folder / "done" / "a.supplement-2.again.dat")
        send(world, file_of([request(1), request(2)]), "b.dat", count=2)
        second = await result_bytes(folder, "b.dat")
    assert [row[19] for row in rows(first)] == ["held", "held"]
    assert second == first
    assert [(row[1], row[19]) for row in one] == [("000000000000001", "answered")]
    assert [(row[1], row[19]) for row in two] == [("000000000000002", "timed_out")]
    assert again == file_of([request(2, requested_at="20230601090000001")])
    assert [row["state"] for row in await world.rows("select state from inquiry_file")] == ["settled"]


@pytest.mark.parametrize(
    ("data", "count", "reason"),
    [
        (b"nothing of it is a line\r\n", 1, "form_unknown"),
        (file_of([request(1)]) * 10_001, 10_001, "too_many_lines"),
        (file_of([request(1)]), 2, "count_differs"),
    ],
    ids=["form", "lines", "count"],
)
async def test_a_file_that_is_none_is_refused_as_a_whole(world, intermediate, data, count, reason):
    async with world.served():
        folder = send(world, data, "a.dat", count=count)
        with pytest.raises(AssertionError, match=reason):
            await result_bytes(folder, "a.dat")
    assert intermediate.sent == {}


async def test_a_system_without_the_scope_sends_no_files(world):
    with_agencies(world)
    async with world.served():
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        with pytest.raises(AssertionError, match="scope_missing"):
            await result_bytes(folder, "a.dat")


async def allowed(world, state):
    await world.rows("update oauth_client set state = $1", state)


async def test_a_system_that_is_suspended_in_the_middle_of_a_file_asks_nothing_more_and_goes_on_when_it_may(
    world, intermediate
):
    data = file_of([request(nth) for nth in range(1, 11)])

    def says(_item):
        if len(intermediate.numbers) == 2:
            intermediate.away.add("inquiries")
        return answered()

    intermediate.says = says

    async def listed():
        answer = await caller.post("/v1/inquiry-files/status", {}, token=await caller.token())
        [file], left = answer.body["files"], answer.body["all_files"]["basis"]["lines_left"]
        return file["state"], file["stopped_because"], file["lines_done"], left

    async with world.served(bulk_lines_per_request=1, bulk_requests_in_flight=1) as caller:
        await load(world.config.spool, [person(nth) for nth in range(1, 11)])
        folder = send(world, data, "a.dat", count=10)
        while not intermediate.away:
            await asyncio.sleep(0.02)
        await allowed(world, "suspended")
        intermediate.away.clear()
        intermediate.says = lambda _item: answered()
        with pytest.raises(AssertionError, match="scope_missing"):
            await result_bytes(folder, "a.dat")
        assert len(intermediate.sent) <= 4
        facts = json.loads((folder / "failed" / "a.dat.reason.json").read_bytes())["facts"]
        await allowed(world, "active")
        assert await listed() == ("stopped", "scope_missing", facts["lines_done"], 0)
        send(world, data, "b.dat", count=10)
        found = rows(await result_bytes(folder, "b.dat"))
        assert (await listed())[1:] == (None, 10, 0)
    assert [row[19] for row in found] == ["answered"] * 10
    assert len(intermediate.numbers) == 10


async def test_who_is_frozen_in_the_middle_of_a_file_is_not_asked_about(world, intermediate):
    """Who stands behind a number is looked up with the list that asks, not with the file."""

    def says(_item):
        if len(intermediate.numbers) == 2:
            intermediate.away.add("inquiries")
        return answered()

    intermediate.says = says
    async with world.served(bulk_lines_per_request=1, bulk_requests_in_flight=1):
        await load(world.config.spool, [person(nth) for nth in range(1, 7)])
        folder = send(world, file_of([request(nth) for nth in range(1, 7)]), "a.dat", count=6)
        while not intermediate.away:
            await asyncio.sleep(0.02)
        await world.rows(
            "update person p set frozen = true from addressee a"
            " where a.integrated_number = p.integrated_number and a.addressee_number = $1",
            person(6)["addressee_number"],
        )
        intermediate.away.clear()
        intermediate.says = lambda _item: answered()
        found = rows(await result_bytes(folder, "a.dat"))
    assert [row[19] for row in found] == ["answered"] * 5 + ["person_frozen"]
    assert len(intermediate.numbers) == 5


async def test_a_suspended_system_is_brought_no_supplement_until_it_may_have_it(world, intermediate):
    intermediate.says = lambda _item: said("held", "held")
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        await result_bytes(folder, "a.dat")
        await allowed(world, "suspended")
        intermediate.ends = lambda answer: answer | answered()
        supplement = folder / "done" / "a.dat.supplement-1.csv"
        await asyncio.sleep(1)
        assert not supplement.exists()
        await allowed(world, "active")
        assert rows(await until_there(supplement))[0][19] == "answered"


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


async def test_lines_that_are_answered_late_are_not_lines_that_are_asked(world, intermediate):
    intermediate.says = lambda _item: said("held", "held")
    async with world.served(inquiry_file_supplement_look_s=0.2) as caller:
        await load(world.config.spool, [person(nth) for nth in range(1, 21)])
        folder = send(world, file_of([request(nth) for nth in range(1, 21)]), "a.dat", count=20)
        await result_bytes(folder, "a.dat")
        token = await caller.token()

        async def speed():
            return (await caller.post("/v1/inquiry-files/status", {}, token=token)).body["all_files"]["basis"]

        while (asked := await speed())["lines_per_second"] is None:
            await asyncio.sleep(0.05)
        intermediate.ends = lambda answer: answer | answered()
        await until_there(folder / "done" / "a.dat.supplement-1.csv")
        late = await speed()
    assert late["lines_that_wait_for_providers"] == 0
    assert 0 < late["lines_per_second"] <= asked["lines_per_second"] <= 20 / 2  # twenty, in two seconds or more


async def test_numbers_that_differ_in_leading_zeros_are_not_guessed_when_one_has_ended(world, intermediate):
    async with world.served():
        await load(world.config.spool, [person(1), person(2, addressee_number="1")])
        ends = change("e1", 1, "addressee_end", day(), system="kokuho") | {"addressee_number": "1"}
        assert await take(world, [ends], name="ends.csv", system="kokuho") == [("applied", "")]
        [found] = rows(await result_bytes(send(world, file_of([request(1)]), "a.dat", count=1), "a.dat"))
    assert (found[19], intermediate.sent) == ("addressee_ambiguous", {})


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
