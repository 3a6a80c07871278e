"""An inquiry file whose server dies anywhere comes to the result of an undisturbed run, and no line is two inquiries (LS-3.2)."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.support.bulk_world import SCOPES, answered, file_of, request, result_bytes, rows, said, send, with_agencies
from tests.support.linkage_world import start_process, write_role
from tests.support.resident_files import load, person

PEOPLE = 300
LINES = [request(nth) for nth in range(1, PEOPLE + 1)] + [request(PEOPLE + 1), request(1), "not a line"]
POINTS = [
    ("linkage.send.bulk_inquiries.before", 2),
    ("linkage.send.bulk_inquiries.after", 1),
    ("linkage.send.bulk_inquiries.after", 3),
    ("linkage.commit.inquiry_file.lines.before", 2),
    ("linkage.commit.inquiry_file.lines.after", 4),
    ("linkage.commit.inquiry.refused.after", 1),
    ("linkage.commit.inquiry_file.finished.before", 1),
    ("linkage.commit.inquiry_file.finished.after", 1),
]


def without_numbers(data):
    """Inquiry numbers are drawn where the inquiries are registered: two systems give two."""
    return [row[:18] + row[19:] for row in rows(data)]


@pytest.fixture
async def loaded(world):
    await world.register(scopes=SCOPES)
    with_agencies(world, bulk_lines_per_request=32)
    async with world.served():
        await load(world.config.spool, [person(nth) for nth in range(1, PEOPLE + 1)])
    return world


async def killed(world, folder, name, points):
    """Serve in a process that dies at each of these points in turn, then undisturbed; the result file."""
    async with world.neighbours.running(world.neighbour_identity) as url:
        write_role(world, {"intermediate/setagaya": url})
        for fault, passes in points:
            process = await start_process(world, fault, passes)
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
            assert not (folder / "done" / f"{name}.result.csv").exists()
    async with world.served():
        return await result_bytes(folder, name)


def expected():
    return ["answered"] * PEOPLE + ["addressee_unknown", "duplicate", "malformed"]


@pytest.mark.parametrize(("fault", "passes"), POINTS)
async def test_a_file_that_is_killed_comes_to_the_same_end_and_asks_nothing_twice(loaded, fault, passes):
    data = file_of(LINES)
    folder = send(loaded, data, "a.dat", count=len(LINES))
    result = await killed(loaded, folder, "a.dat", [(fault, passes)])
    send(loaded, data, "b.dat", count=len(LINES))
    async with loaded.served():
        again = await result_bytes(folder, "b.dat")
    seen = loaded.neighbours
    assert again == result
    assert [row[19] for row in rows(result)] == expected()
    assert len(seen.numbers) == PEOPLE
    assert all(len(questions) == 1 for questions in seen.questions.values())
    assert len(await loaded.rows("select 1 from log_entry where kind = 'inquiry.refused'")) == 1


async def test_a_file_that_is_killed_again_and_again_equals_one_that_never_was(loaded):
    loaded.neighbours.says = lambda _item: answered()
    folder = send(loaded, file_of(LINES), "a.dat", count=len(LINES))
    result = await killed(loaded, folder, "a.dat", [point for point in POINTS if point[1] > 1])
    seen = dict(loaded.neighbours.numbers)
    changed = [*LINES[:PEOPLE], *LINES[PEOPLE:]]
    changed[0] = request(1, department="0000000002")  # another file with the same answers, never disturbed
    send(loaded, file_of(changed), "c.dat", count=len(LINES))
    async with loaded.served():
        undisturbed = await result_bytes(folder, "c.dat")
    assert without_numbers(result)[1:] == without_numbers(undisturbed)[1:]
    assert len(seen) == PEOPLE
    assert len(loaded.neighbours.numbers) == 2 * PEOPLE


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_supplement_that_is_killed_is_brought_once(loaded, side):
    loaded.neighbours.says = lambda _item: said("held", "held")
    lines = [request(1), request(2)]
    folder = send(loaded, file_of(lines), "a.dat", count=2)
    async with loaded.served(inquiry_file_supplement_look_s=60):
        await result_bytes(folder, "a.dat")
    loaded.neighbours.ends = lambda answer: answer | answered()
    async with loaded.neighbours.running(loaded.neighbour_identity) as url:
        write_role(loaded, {"intermediate/setagaya": url})
        process = await start_process(loaded, f"linkage.commit.inquiry_file.supplement.{side}")
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    async with loaded.served():
        for _ in range(500):
            if [row["state"] for row in await loaded.rows("select state from inquiry_file")] == ["settled"]:
                break
            await asyncio.sleep(0.02)
    found = sorted(path.name for path in (folder / "done").glob("a.dat.supplement-*"))
    assert found == ["a.dat.supplement-1.csv"]
    assert [row[19] for row in rows((folder / "done" / found[0]).read_bytes())] == ["answered", "answered"]


async def test_an_intermediate_server_that_is_away_costs_time_and_nothing_else(loaded):
    loaded.neighbours.away = {"inquiries"}
    folder = send(loaded, file_of(LINES), "a.dat", count=len(LINES))
    async with loaded.served():
        await asyncio.sleep(1.5)
        assert loaded.neighbours.sent == {}
        loaded.neighbours.away = set()
        result = await result_bytes(folder, "a.dat")
    assert [row[19] for row in rows(result)] == expected()
    assert set(loaded.neighbours.sent.values()) == {1}


async def test_lines_that_the_server_wants_again_are_sent_again(loaded):
    refused = set()

    def says(item):
        first = item["message_id"] not in refused
        refused.add(item["message_id"])
        return {"retry": "not_yet"} if first else answered()

    loaded.neighbours.says = says
    folder = send(loaded, file_of(LINES[:40]), "a.dat", count=40)
    async with loaded.served():
        result = await result_bytes(folder, "a.dat")
    assert [row[19] for row in rows(result)] == ["answered"] * 40
    assert set(loaded.neighbours.sent.values()) == {2}


async def test_many_files_run_side_by_side_to_the_end(loaded):
    files = [file_of([request(nth, department=f"{number:010d}") for nth in range(1, 21)]) for number in range(12)]
    async with loaded.served():
        for number, data in enumerate(files):
            folder = send(loaded, data, f"f{number}.dat", count=20)
        results = [await result_bytes(folder, f"f{number}.dat") for number in range(12)]
    assert all([row[19] for row in rows(result)] == ["answered"] * 20 for result in results)
    assert set(loaded.neighbours.sent.values()) == {1}
    assert len(loaded.neighbours.sent) == 240
