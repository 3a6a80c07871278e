"""Business information through the linkage server to the copies (LS-2, IS-6): file → originals → intermediate server → result file, real processes.

`python -m benchmarks.business_information [RECORDS] [RUNS]`. After each run the same records go straight to IF_DBM_90011 under new ids with the
linkage server's certificate, list after list: what the intermediate server alone takes. Prints medians, the ratio, CPU steal, and the CPU seconds of each process per 1,000 records from file to result.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import Watch, cpu_seconds, database_seconds, median
from gateway.demonstration.callers import Staff
from gateway.demonstration.loading import result_of
from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import Running
from storage.postgres import discard
from synthetic.business import Business, BusinessRecord
from synthetic.files import write_business_file, write_resident_file
from synthetic.people import Person, population
from synthetic.rows import Addressees, resident_rows, unharmed

SEED = 7
SYSTEM = "kokuho"
ROLES = ("linkage", "intermediate")
PEOPLE = 2_500
AT_ONCE = 1_000


def records_of(people: list[Person], count: int, run: int) -> list[BusinessRecord]:
    """So many records of these people, with ids of their own in each run."""
    business, numbers = Business(SEED), Addressees(SEED, SYSTEM)
    found: list[BusinessRecord] = []
    while len(found) < count:
        nth = len(found)
        for person in people:
            for one in business.medical_insurance(person, system=SYSTEM, addressee_number=numbers.number(person)):
                identity = hashlib.sha256(f"{run}/{nth}/{len(found)}".encode()).hexdigest()[:32]
                found.append(replace(one, record_id=identity))
    return found[:count]


async def load(running: Running, people: list[Person]) -> None:
    folder = running.role("linkage").spool / "setagaya" / SYSTEM / "addressees"
    rows = unharmed(resident_rows(people, Addressees(SEED, SYSTEM)))
    written = write_resident_file(folder / "in" / "people.csv", rows)
    await result_of(folder, written.file.name)


async def through_the_linkage_server(running: Running, records: list[BusinessRecord], run: int) -> float:
    folder = running.role("linkage").spool / "setagaya" / SYSTEM / "business-information"
    written = write_business_file(folder / "in" / f"run{run}.ndjson", records)
    begun = time.perf_counter()
    results = await result_of(folder, written.file.name)
    assert [row["outcome"] for row in results] == ["registered"] * len(records)
    return time.perf_counter() - begun


async def straight(running: Running, records: list[BusinessRecord], run: int) -> float:
    """The same lists, made beforehand, to the intermediate server."""
    items = [
        {
            "record_id": f"bare-{run}/{one.record_id}", "operation": "register", "integrated_number": f"{int(one.addressee_number):015d}",
            "information": one.information, "data_set": one.data_set, "version": one.version, "public_from": one.public_from.isoformat(),
            "public_to": None, "auto_response": one.auto_response, "items": one.wire_items(),
        }
        for one in records
    ]  # fmt: skip
    identity = running.role("linkage").hosted["setagaya"].identity
    async with Staff(running.url("intermediate"), identity) as caller:
        begun = time.perf_counter()
        for start in range(0, len(items), AT_ONCE):
            answers = await caller.items("/setagaya/replicas", items[start : start + AT_ONCE])
            assert all(answer.get("registered") for answer in answers)
        return time.perf_counter() - begun


def measure(count: int, runs: int) -> None:
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    everybody = population(SEED, PEOPLE * 6)
    business = Business(SEED)
    people = [person for person in everybody if business.is_insured(person)][:PEOPLE]
    options = {"linkage": {"compare_with_resident_network": False}}
    found, bare = [], []
    used: list[dict[str, float]] = []
    watch = Watch()
    try:
        with Running(
            data, roles=ROLES, ports="free", options=options, key_profile="cheapest", clock=DEMO_DAY
        ) as running:
            asyncio.run(load(running, people))
            for run in range(runs):
                records = records_of(people, count, run)
                before = _cpu(running)
                found.append(count / asyncio.run(through_the_linkage_server(running, records, run)))
                used += [{role: seconds - before[role] for role, seconds in _cpu(running).items()}]
                bare.append(count / asyncio.run(straight(running, records, run)))
                print(f"    {found[-1]:,.0f} records/s; straight {bare[-1]:,.0f}/s", flush=True)
    finally:
        discard(data)
    result = {
        "records_per_second": median(found),
        "straight_per_second": median(bare),
        "ratio": median([one / other for one, other in zip(found, bare, strict=True)]),
        "steal_percent": watch.steal_percent(),
        **{f"cpu_{name}_per_1000": median([one[name] for one in used]) * 1000 / count for name in used[0]},
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


def _cpu(running: Running) -> dict[str, float]:
    """CPU seconds so far: of each role, and of the database with all its processes."""
    pids = {role: running.pid(role) for role in ROLES}
    seconds = cpu_seconds(list(pids.values()))
    return {**{role: seconds[pid] for role, pid in pids.items()}, "database": database_seconds()}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(f"business information, {count:,} records of {PEOPLE:,} people, {runs} runs")
    measure(count, runs)


if __name__ == "__main__":
    main()
