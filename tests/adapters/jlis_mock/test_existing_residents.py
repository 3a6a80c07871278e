"""The simulated existing resident system reads request files strictly and answers by line."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from adapters.jlis_mock.resident_network.existing_residents import ExistingResidents, render

NUMBER = "P" + "0" * 26
LINE = f"{NUMBER},123456789018\n"
GOOD = f"acquisition_number,individual_number\n{LINE}{LINE}".encode()


def put(folder, content=GOOD, **changes):
    requests = folder / "setagaya" / "requests"
    requests.mkdir(parents=True, exist_ok=True)
    (requests / "codes-1.csv").write_bytes(content)
    manifest = {
        "file": "codes-1.csv",
        "kind": "code_requests",
        "count": max(content.count(b"\n") - 1, 0),
        "sha256": hashlib.sha256(content).hexdigest(),
        "encoding": "utf-8",
        **changes,
    }
    (requests / "codes-1.csv.manifest.json").write_text(json.dumps(manifest))


async def taken(folder, answering, suffix):
    """Run it until a result is there and the request is gone; the result's text."""
    result = folder / "setagaya" / "results" / f"codes-1.csv{suffix}"
    async with asyncio.TaskGroup() as group:
        working = group.create_task(
            ExistingResidents(folder=folder, agencies=lambda: ("setagaya",), answering=answering).run()
        )
        for _ in range(200):
            if result.exists() and not list((folder / "setagaya" / "requests").iterdir()):
                break
            await asyncio.sleep(0.02)
        working.cancel()
    return result.read_text()


async def test_a_file_is_answered_by_line_and_removed(tmp_path):
    asked = []

    async def answering(agency, asks):
        asked.append((agency, [(ask.acquisition_number, ask.individual_number) for ask in asks]))
        return [{"accepted": True}, {"refused": {"reason": "number_unknown"}}]

    put(tmp_path)
    text = await taken(tmp_path, answering, ".result.csv")
    assert text == "line,outcome,reason\n1,accepted,\n2,refused,number_unknown\n"
    assert asked == [("setagaya", [(NUMBER, "123456789018")] * 2)]


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        (GOOD, {"sha256": "0" * 64}, "sha256_differs"),
        (GOOD, {"count": 3}, "count_differs"),
        (GOOD, {"kind": "addressees"}, "manifest_malformed"),
        (GOOD, {"file": "other.csv"}, "manifest_malformed"),
        (GOOD, {"encoding": "cp932"}, "manifest_malformed"),
        (b"a,b\n", {}, "header_unknown"),
        (b"", {}, "header_unknown"),
        (b"\xff\n", {}, "file_malformed"),
        (b"acquisition_number,individual_number\n123456789018,123456789018\n", {}, "line_malformed"),
        (f"acquisition_number,individual_number\n{NUMBER}\n".encode(), {}, "line_malformed"),
        (f"acquisition_number,individual_number\n{NUMBER},{'1' * 10**6}\n".encode(), {}, "file_malformed"),
        (f"acquisition_number,individual_number\n{NUMBER},{'1' * 41}\n".encode(), {}, "line_malformed"),
        (b"x" * (1024 * 1024 + 1), {}, "sha256_differs"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_whole_and_as_documented_is_refused_as_a_file_and_removed(tmp_path, content, changes, reason):
    async def answering(_agency, _asks):
        raise AssertionError("nothing of it may be asked")

    put(tmp_path, content, **changes)
    told = json.loads(await taken(tmp_path, answering, ".reason.json"))
    assert told == {"file": "codes-1.csv", "reason": reason}


def test_every_kind_of_answer_has_its_line():
    answers = [{"accepted": True}, {"refused": {"reason": "x"}}, {"retry": "core_unreachable"}, {}]
    assert render(answers).decode().splitlines()[1:] == [
        "1,accepted,",
        "2,refused,x",
        "3,retry,core_unreachable",
        "4,retry,core_unreachable",
    ]
