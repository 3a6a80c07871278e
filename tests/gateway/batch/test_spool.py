from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from gateway.batch import spool
from gateway.batch.refusal_texts import TEXTS
from gateway.batch.run import Rejected, SpoolChannel, run_spool
from transport.channel import ChannelError

CHANNEL = "addressees"


@pytest.fixture
def folder(tmp_path):
    spool.prepare(tmp_path, "setagaya", "kokuho", [CHANNEL])
    return tmp_path / "setagaya" / "kokuho" / CHANNEL


def put(folder, name="a.csv", data=b"h\n1\n2\n", **changes):
    (folder / "in" / name).write_bytes(data)
    manifest = {
        "file": name,
        "kind": CHANNEL,
        "count": 2,
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "utf-8",
    } | changes
    (folder / "in" / f"{name}.manifest.json").write_text(json.dumps(manifest))


async def run(tmp_path, taken, until):
    """Run the spool with a slice that answers with the file's own bytes, until a file is there."""

    async def take(file, _manifest):
        taken.append(file.name)
        return file.data.read_bytes()

    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", {CHANNEL: SpoolChannel(header_lines=1, run=take)}))
    for _ in range(500):
        if until.exists() and not list((until.parents[1] / "work").iterdir()):
            break
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def appears(path):
    for _ in range(1_000):
        if path.exists():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path.name} does not appear")


async def test_a_good_file_is_taken_and_only_manifest_and_result_stay(tmp_path, folder):
    put(folder)
    taken = []
    await run(tmp_path, taken, folder / "done" / "a.csv.result.csv")
    assert taken == ["a.csv"]
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "a.csv.manifest.json",
        "a.csv.result.csv",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": "0" * 64}, {"reason": "sha256_differs"}),
        ({"count": 3}, {"reason": "count_differs", "where": "count", "facts": {"lines": 2, "count": 3}}),
        ({"count": "2"}, {"reason": "manifest_malformed", "where": "count"}),
        ({"kind": "another"}, {"reason": "manifest_kind_differs", "where": "kind"}),
        ({"encoding": "utf-7"}, {"reason": "encoding_not_offered", "where": "encoding"}),
        ({"as_of": "today"}, {"reason": "manifest_malformed", "where": "as_of"}),
        ({"file": "b.csv"}, {"reason": "manifest_names_another_file", "where": "file"}),
        ({"more": 1}, {"reason": "manifest_malformed"}),
    ],
)
async def test_a_bad_manifest_fails_the_file_before_a_line_is_read(tmp_path, folder, changes, told):
    put(folder, **changes)
    taken = []
    await run(tmp_path, taken, folder / "failed" / "a.csv.reason.json")
    assert taken == []
    said = json.loads((folder / "failed" / "a.csv.reason.json").read_text())
    assert said == {"file": "a.csv", "message": TEXTS[told["reason"]], **told}


async def test_a_file_that_failed_and_comes_again_under_its_name_leaves_no_reason_behind(tmp_path, folder):
    put(folder, count=3)
    await run(tmp_path, [], folder / "failed" / "a.csv.reason.json")
    put(folder)
    await run(tmp_path, [], folder / "done" / "a.csv.result.csv")
    assert list((folder / "failed").iterdir()) == []
    assert spool.failed(tmp_path, "setagaya", [CHANNEL]) == []


def test_every_reason_of_a_whole_file_is_told_in_words():
    """By the list in docs/architecture.md."""
    lines = (Path(__file__).parents[3] / "docs/architecture.md").read_text(encoding="utf-8").splitlines()
    listed = next(line for line in lines if line.startswith("Reasons for a whole file:"))
    assert set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", listed)) == set(TEXTS)
    assert all(" / " in text for text in TEXTS.values())


async def test_a_manifest_without_its_file_fails(tmp_path, folder):
    put(folder)
    (folder / "in" / "a.csv").unlink()
    await run(tmp_path, [], folder / "failed" / "a.csv.reason.json")
    assert json.loads((folder / "failed" / "a.csv.reason.json").read_text())["reason"] == "file_missing"


async def test_a_file_without_manifest_is_left_alone(tmp_path, folder):
    (folder / "in" / "early.csv").write_bytes(b"h\n")
    put(folder)
    await run(tmp_path, [], folder / "done" / "a.csv.result.csv")
    assert (folder / "in" / "early.csv").exists()


async def test_a_claim_that_a_crash_cut_in_two_is_taken_up_again(tmp_path, folder):
    put(folder)
    (folder / "in" / "a.csv.manifest.json").rename(folder / "work" / "a.csv.manifest.json")
    taken = []
    await run(tmp_path, taken, folder / "done" / "a.csv.result.csv")
    assert taken == ["a.csv"]


async def test_a_file_in_work_is_taken_again_at_the_start(tmp_path, folder):
    put(folder)
    claimed = spool.claim_next(tmp_path, "setagaya", [CHANNEL])
    assert claimed is not None
    assert claimed.data.exists()
    taken = []
    await run(tmp_path, taken, folder / "done" / "a.csv.result.csv")
    assert taken == ["a.csv"]


async def test_data_that_a_crash_left_after_the_result_is_removed(tmp_path, folder):
    (folder / "work" / "old.csv").write_bytes(b"h\n1\n")
    put(folder)
    taken = []
    await run(tmp_path, taken, folder / "done" / "a.csv.result.csv")
    assert taken == ["a.csv"]
    assert list((folder / "work").iterdir()) == []


async def test_two_processes_claim_a_file_once(tmp_path, folder):
    put(folder)
    claims = await asyncio.gather(
        *(asyncio.to_thread(spool.claim_next, tmp_path, "setagaya", [CHANNEL]) for _ in range(8))
    )
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_a_file_that_breaks_its_slice_fails_and_the_next_one_is_taken(tmp_path, folder):
    put(folder)
    put(folder, "b.csv")

    async def take(file, _manifest):
        if file.name == "a.csv":
            raise ZeroDivisionError
        return Rejected(reason="not_today")

    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", {CHANNEL: SpoolChannel(header_lines=1, run=take)}))
    for _ in range(500):
        if (folder / "failed" / "b.csv.manifest.json").exists():
            break
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    reasons = {path.name: json.loads(path.read_text())["reason"] for path in (folder / "failed").glob("*.reason.json")}
    assert reasons == {"a.csv.reason.json": "internal_error", "b.csv.reason.json": "not_today"}


STRANGE = (
    "名簿.csv".encode("cp932"),
    "名簿.csv".encode(),
    b".." + b"x" * 20,
    b"-a.csv",
    b"a b.csv",
    b"a\n.csv",
    b"a" * 200,
    b"a" * 241,
)


def put_raw(folder, name, data=b"h\n1\n2\n"):
    """A file and its manifest under any bytes that a file system takes."""
    place = os.fsencode(folder / "in") + b"/"
    for path, content in ((place + name, data), (place + name + b".manifest.json", b"{}")):
        with open(path, "wb") as file:  # noqa: PTH123 (bytes are no Path)
            file.write(content)


async def running_beside(tmp_path, folder, *, until="good.csv", **options):
    """Run the spool until a good file is through and `in/` is empty; hand back whether it was still running then."""

    async def take(file, _manifest):
        return file.data.read_bytes()

    channels = {CHANNEL: SpoolChannel(header_lines=1, run=take)}
    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", channels, **options))
    for _ in range(500):
        through = (folder / "done" / f"{until}.manifest.json").exists()
        if (through and not list((folder / "in").glob("[!.]*"))) or running.done():
            break
        await asyncio.sleep(0.01)
    alive = not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return alive and (folder / "done" / f"{until}.result.csv").exists()


@pytest.mark.parametrize("name", STRANGE)
async def test_a_file_under_a_strange_name_is_turned_away_and_the_next_is_taken(tmp_path, folder, name):
    put_raw(folder, name)
    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder)
    reasons = [json.loads(path.read_text())["reason"] for path in (folder / "failed").glob("refused-*.reason.json")]
    hidden = name.startswith(b".")
    assert reasons == ([] if hidden else ["file_name_not_allowed"])
    assert len(list((folder / "failed").glob("refused-*.manifest.json"))) == len(reasons)
    assert len(list((folder / "in").iterdir())) == (2 if hidden else 0)


@pytest.mark.parametrize("name", STRANGE)
async def test_a_strange_name_in_work_does_not_keep_the_server_from_starting(tmp_path, folder, name):
    put_raw(folder, name)
    for entry in list((folder / "in").iterdir()):
        entry.rename(folder / "work" / entry.name)
    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder)


async def test_a_folder_where_a_data_file_should_be_fails_and_is_left_to_the_operator(tmp_path, folder):
    put(folder)
    (folder / "in" / "a.csv").unlink()
    (folder / "in" / "a.csv").mkdir()
    (folder / "in" / "a.csv" / "inside").write_bytes(b"x")
    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder)
    assert json.loads((folder / "failed" / "a.csv.reason.json").read_text())["reason"] == "not_a_file"
    assert [path.read_bytes() for path in (folder / "failed").glob("not-a-file-*/inside")] == [b"x"]


async def test_folders_in_the_place_of_manifests_and_reasons_stop_nobody(tmp_path, folder):
    (folder / "in" / "dir.csv.manifest.json").mkdir()
    put(folder, "b.csv", sha256="0" * 64)
    (folder / "failed" / "b.csv.reason.json").mkdir()
    put(folder, "c.csv", sha256="0" * 64)
    (folder / "failed" / "c.csv.manifest.json").mkdir()
    put(folder, "d.csv")
    (folder / "work" / "d.csv.manifest.json").mkdir()
    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder)
    assert json.loads((folder / "failed" / "c.csv.reason.json").read_text())["reason"] == "sha256_differs"


async def test_what_cannot_be_removed_from_work_stops_neither_start_nor_work(tmp_path, folder):
    stuck = folder / "work" / "stuck"
    stuck.mkdir()
    (stuck / "inside").write_bytes(b"x")
    (folder / "failed").rmdir()
    (folder / "failed").write_bytes(b"no folder")  # nothing can be moved here
    put(folder, "bad.csv", sha256="0" * 64)
    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder)
    assert (stuck / "inside").exists()
    put(folder, "later.csv")
    assert await running_beside(tmp_path, folder, until="later.csv")


async def test_a_name_that_is_refused_leaves_nothing_of_itself(tmp_path, folder):
    put(folder, "1234-5678-9018.csv")
    claim = spool.claim_next(tmp_path, "setagaya", [CHANNEL], name_is_refused=lambda name: name.startswith("1234"))
    assert claim is None
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert [json.loads(path.read_text())["reason"] for path in left] == ["file_name_not_allowed"]
    assert not [path for path in left if "5678" in path.name or b"5678" in path.read_bytes()]


async def test_the_loop_outlives_a_failure_that_nobody_foresaw(tmp_path, folder):
    asked = []

    def name_is_refused(name):
        asked.append(name)
        if len(asked) == 1:
            raise ZeroDivisionError
        return False

    put(folder, "good.csv")
    assert await running_beside(tmp_path, folder, name_is_refused=name_is_refused)
    assert len(asked) > 1


async def test_one_business_system_s_waiting_file_holds_up_no_other_system(tmp_path, folder):
    spool.prepare(tmp_path, "setagaya", "nenkin", [CHANNEL])
    other = tmp_path / "setagaya" / "nenkin" / CHANNEL
    there, taken = asyncio.Event(), []

    async def take(file, _manifest):
        if file.system == "kokuho" and not there.is_set():
            raise ChannelError("unreachable")
        taken.append((file.system, file.name))
        return file.data.read_bytes()

    for name in ("a.csv", "b.csv"):
        put(folder, name)
        put(other, name)
    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", {CHANNEL: SpoolChannel(header_lines=1, run=take)}))
    await appears(other / "done" / "b.csv.result.csv")
    assert taken == [("nenkin", "a.csv"), ("nenkin", "b.csv")]
    assert (folder / "work" / "a.csv").exists()
    assert (folder / "in" / "b.csv").exists(), "a system's own files go in their order"
    there.set()
    await appears(folder / "done" / "b.csv.result.csv")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert taken[2:] == [("kokuho", "a.csv"), ("kokuho", "b.csv")]


async def test_files_in_work_of_two_systems_are_taken_up_in_each_system_s_order(tmp_path, folder):
    spool.prepare(tmp_path, "setagaya", "nenkin", [CHANNEL])
    other = tmp_path / "setagaya" / "nenkin" / CHANNEL
    for name in ("a.csv", "b.csv"):
        for place in (folder, other):
            put(place, name)
            spool.claim_next(tmp_path, "setagaya", [CHANNEL])
    taken, tries = [], []

    async def take(file, _manifest):
        if file.system == "kokuho" and not tries:
            tries.append(file.name)
            raise ChannelError("unreachable")
        taken.append((file.system, file.name))
        return file.data.read_bytes()

    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", {CHANNEL: SpoolChannel(header_lines=1, run=take)}))
    await appears(folder / "done" / "b.csv.result.csv")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert tries == ["a.csv"]
    assert taken == [("nenkin", "a.csv"), ("nenkin", "b.csv"), ("kokuho", "a.csv"), ("kokuho", "b.csv")]


def test_what_waits_is_counted_by_manifests_that_can_be_believed(tmp_path, folder):
    put(folder, "a.csv", count=200)
    put(folder, "b.csv", count=9_000)
    put(folder, "c.csv", count=10_001)
    put(folder, "d.csv", count=-1)
    put(folder, "e.csv", kind="another")
    (folder / "in" / "f.csv.manifest.json").mkdir()
    (folder / "in" / "g.csv.manifest.json").write_bytes(b" " * 100_000)
    assert spool.promised(tmp_path, "setagaya", CHANNEL, longest=10_000) == (9_200, 5)


@pytest.mark.parametrize(("ending", "reason"), [(ValueError("no"), "internal_error"), (Rejected(reason="x"), "x")])
async def test_that_a_file_ended_on_the_way_is_kept_before_it_is_given_back(tmp_path, folder, ending, reason):
    put(folder)
    kept = []

    async def take(_file, _manifest):
        if isinstance(ending, Exception):
            raise ending
        return ending

    async def ended(file, manifest, why):
        kept.append((file.name, manifest.count, why, (folder / "failed" / "a.csv").exists()))
        return {"last_line": 2}

    channels = {CHANNEL: SpoolChannel(header_lines=1, run=take, ended=ended)}
    running = asyncio.ensure_future(run_spool(tmp_path, "setagaya", channels))
    await appears(folder / "failed" / "a.csv.manifest.json")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert kept == [("a.csv", 2, reason, False)]
    told = json.loads((folder / "failed" / "a.csv.reason.json").read_text())
    assert (told["reason"], told.get("facts", {})) == (reason, {} if reason == "internal_error" else {"last_line": 2})
