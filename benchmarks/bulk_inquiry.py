"""Inquiries in bulk: a file in the spool → a result line for every line, over the real servers; and what is left of the online path meanwhile.

`python -m benchmarks.bulk_inquiry [LINES] [ONLINE]`. Two files of so many lines about distinct people, every line answered by the ward, no cached
answers, durable records at all three parties; timed from the claim being possible to the last result file being there, with what the server said
meanwhile of the time left. What a file costs does not depend on how many came before it, so 92 of them take 46 times as long. Then a file while
somebody asks online (10 a second) — bulk has to step back — and in the same minute the bare round trip (benchmarks/bare.py).
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import bare
from benchmarks.machine import Watch, cpu_seconds, quantile
from benchmarks.online import AT_ONCE, ROLES, SEED, load, populate, system, topology
from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import Running
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE
from synthetic.people import Person, population
from synthetic.rows import Addressees

FILES = 2
SOCIETY = "kempo-001"
CLIENT = f"{SOCIETY}-gyomu"
_FIELDS = "01,{number:0>15},{blank:15},20230601090000000,{department:20},{blank:20},9999000000000002,1,JM99000000000003,JT99000000000003,{blank:16},{blank:16},9999000000000001,TM00000000090001,0,0,{blank:8},{blank:8}\r\n"


def request_file(people: list[Person]) -> bytes:
    numbers = Addressees(SEED, CLIENT)
    lines = [_FIELDS.format(number=numbers.number(person), blank="", department="0000000001") for person in people]
    return "".join(lines).encode("cp932")


def put(running: Running, name: str, data: bytes, lines: int) -> Path:
    folder = running.role("neighbours-linkage").spool / SOCIETY / CLIENT / "inquiries"
    (folder / "in" / name).write_bytes(data)
    manifest = {
        "file": name,
        "kind": "inquiries",
        "count": lines,
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "cp932",
        "form": "fixed_width",
    }
    part = folder / f".{name}.part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / "in" / f"{name}.manifest.json")
    return folder


async def through(folder: Path, name: str) -> list[list[str]]:
    done, failed = folder / "done" / f"{name}.result.csv", folder / "failed" / f"{name}.reason.json"
    while not done.exists():
        assert not failed.exists(), failed.read_text()
        await asyncio.sleep(0.02)
    return list(csv.reader(done.read_text(encoding="cp932").splitlines()))


def wrong(rows: list[list[str]]) -> list[str]:
    return [f"{row[19]}/{row[20]}" for row in rows if (row[23], row[25]) != ("09", "01")]


async def bulk(running: Running, files: dict[str, list[Person]]) -> dict[str, Any]:
    """Files by name, put in at once."""
    lines = sum(map(len, files.values()))
    pids = [running.pid(role) for role in ROLES]
    data = {name: request_file(people) for name, people in files.items()}
    before, watch = cpu_seconds(pids), Watch()
    folders = {name: put(running, name, data[name], len(people)) for name, people in files.items()}
    said: list[tuple[float, float]] = []
    async with system(running, CLIENT) as caller:
        waiting = asyncio.gather(*(through(folder, name) for name, folder in folders.items()))
        while not waiting.done():
            await asyncio.sleep(0.5)
            left = (await caller.post("/v1/inquiry-files/status", {}))["all_files"]["seconds_left"]
            if left:
                said.append((watch.seconds(), left))
    seconds = watch.seconds()
    after = cpu_seconds(pids)
    for rows, people in zip(waiting.result(), files.values(), strict=True):
        assert len(rows) == len(people)
        assert not wrong(rows), f"{len(wrong(rows))} lines are not answered, e.g. {wrong(rows)[0]}"
    for role, pid in zip(ROLES, pids, strict=True):
        print(f"      {role:26s} {1000 * (after[pid] - before[pid]) / lines:6.2f} ms CPU per line")
    if said:
        off = sorted(abs(at + left - seconds) / seconds for at, left in said)
        print(
            f"    said of the time left, {len(said)} times: first after {said[0][0]:.1f} s {said[0][1]} s; it took {seconds - said[0][0]:.1f} s; "
            f"the end it told was off by {100 * off[len(off) // 2]:.0f} % of the whole in the median, {100 * off[-1]:.0f} % at worst"
        )
    return {"per_second": lines / seconds, "seconds": seconds, "steal": watch.steal_percent()}


async def ask_online(running: Running, people: list[Person], stop: asyncio.Event) -> dict[str, float]:
    """One inquiry after the other, ten a second, until told to stop."""
    latencies: list[float] = []
    numbers = Addressees(SEED, CLIENT)
    async with system(running, CLIENT) as caller:
        for person in people:
            if stop.is_set():
                break
            begun = time.perf_counter()
            question = {
                "addressee_number": numbers.number(person),
                "provider": "setagaya",
                "item": "3",
                "information": MEDICAL_INSURANCE,
                "items": [],
                "purpose": "bench",
                "staff": "bench-1",
            }
            answers = await caller.inquire([question])
            latencies.append(time.perf_counter() - begun)
            assert answers[0]["outcome"] == "answered"
            await asyncio.sleep(max(0.0, 0.1 - latencies[-1]))
    return {
        "online_p50_ms": 1000 * quantile(latencies, 0.5),
        "online_p99_ms": 1000 * quantile(latencies, 0.99),
        "asked": len(latencies),
    }


async def beside_online(running: Running, people: list[Person], asked: list[Person]) -> dict[str, float]:
    quiet, never = asked[:20], asyncio.Event()
    alone = await ask_online(running, quiet, never)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        online = group.create_task(ask_online(running, asked[20:], stop))
        await asyncio.sleep(1.0)
        found = await bulk(running, {"beside.dat": people})
        stop.set()
    return {
        "alone_p50_ms": alone["online_p50_ms"],
        **online.result(),
        "bulk_per_second": found["per_second"],
    }


def measure(lines: int, online: int) -> dict[str, Any]:
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    people = list(population(SEED, FILES * lines + 2 * online))
    try:
        with Running(
            data, roles=ROLES, ports="free", topology=topology(1), clock=DEMO_DAY, key_profile="cheapest"
        ) as running:
            asyncio.run(populate(running, people))
            asyncio.run(load(running, people, [SOCIETY]))
            files = {f"file-{nth}.dat": people[nth * lines : (nth + 1) * lines] for nth in range(FILES)}
            result = asyncio.run(bulk(running, files))
            print(f"    bulk alone {result['per_second']:.0f} lines/s", flush=True)
            if online:
                rest = people[FILES * lines :]
                result |= asyncio.run(beside_online(running, rest[:online], rest[online:]))
    finally:
        discard(data)
    result["bare_per_second"] = bare.measure(2_000, AT_ONCE)["per_second"]
    result["ratio"] = result["per_second"] / result["bare_per_second"]
    return result


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    online = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    print(f"bulk inquiry, {FILES} files of {lines} lines to one provider; then {online} lines beside online inquiries")
    print(json.dumps({name: round(value, 2) for name, value in measure(lines, online).items()}))


if __name__ == "__main__":
    main()
