"""A day's changes (LS-1.2): a file of address changes, name changes, deaths and moves for people of a loaded ward, with history and the
resident network's comparison over the socket. `python -m benchmarks.daily_changes [CHANGES] [PEOPLE]`; 20,000 are to take less than 10 s.
The day begins when the search has caught up with the load.

Beside it: the same questions asked and nothing else, which is what the comparison alone would cost.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from benchmarks.first_load import only_ask, peak_mb, populate, resident, write_file
from benchmarks.machine import Watch, cpu_seconds
from gateway.launcher import Running
from gateway.linkage_server.file_layouts import CHANGE_COLUMNS
from storage.postgres import discard

KINDS = ("address_change", "address_change", "name_change", "death", "move_out")


def changed(nth: int) -> dict[str, str]:
    """What the change of this person says."""
    kind = KINDS[nth % len(KINDS)]
    said = {"kind": kind}
    if kind == "address_change":
        said["address"] = f"東京都世田谷区架空新{nth % 9}丁目{nth}番地"
    if kind == "name_change":
        said["name"] = f"模擬　改{nth}号"
    return said


async def move_residents(running: Running, changes: int) -> None:
    """The resident network knows of the changes first."""
    database = running.admin_dsn.replace("/postgres?", "/sekisho?")
    admin = await asyncpg.connect(database)
    await admin.execute("truncate resident_network.resident")
    await admin.close()
    await populate(
        running,
        changes,
        lambda nth: resident(nth) | {name: text for name, text in changed(nth).items() if name in {"name", "address"}},
    )


def write_changes(path: Path, changes: int) -> None:
    today = (datetime.now(UTC) + timedelta(hours=9)).date().isoformat()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CHANGE_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for nth in range(changes):
            row = {
                "event_id": f"e{nth}",
                "system": "juki",
                "addressee_number": f"{nth:010d}",
                "effective_on": today,
            }
            writer.writerow(row | changed(nth))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = {
        "file": path.name,
        "kind": "person-changes",
        "count": changes,
        "sha256": digest,
        "encoding": "utf-8",
    }
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(manifest))
    part.rename(path.with_name(f"{path.name}.manifest.json"))


async def caught_up(running: Running) -> None:
    """The search knows everybody of the load: what is left of that is no part of a day's changes."""
    admin = await asyncpg.connect(running.admin_dsn.replace("/postgres?", "/sekisho?"))
    progress = "select (select revision from a_setagaya_linkage.search_progress) >= (select max(revision) from a_setagaya_linkage.person)"
    for _ in range(1_200):
        if await admin.fetchval(progress):
            break
        await asyncio.sleep(0.1)
    await admin.close()


def wait(folder: Path, name: str) -> float:
    started = time.perf_counter()
    while not (folder / "done" / f"{name}.manifest.json").exists():
        failed = folder / "failed" / f"{name}.reason.json"
        assert not failed.exists(), failed.read_text()
        time.sleep(0.02)
    return time.perf_counter() - started


def measure(changes: int, people: int) -> None:
    data = Path(tempfile.mkdtemp(prefix="sekisho-changes-"))
    options = {"resident-network": {"asks_per_minute": 10_000_000}}
    running = Running(
        data, roles=("resident-network", "linkage"), ports="free", key_profile="cheapest", options=options
    )
    try:
        running.start()
        asyncio.run(populate(running, people))
        juki = running.role("linkage").spool / "setagaya" / "juki"
        write_file(juki / "addressees" / "in" / "people.csv", people, "juki")
        wait(juki / "addressees", "people.csv")
        asyncio.run(move_residents(running, changes))
        asyncio.run(caught_up(running))
        pids = [running.pid("linkage"), running.pid("resident-network")]
        cpu = cpu_seconds(pids)
        watch = Watch()
        write_changes(juki / "person-changes" / "in" / "day.csv", changes)
        seconds = wait(juki / "person-changes", "day.csv")
        used = [after - cpu[pid] for pid, after in cpu_seconds(pids).items()]
        results = (juki / "person-changes" / "done" / "day.csv.result.csv").read_text()
        applied = results.count(",applied,")
        assert applied == changes, applied
        asking = asyncio.run(only_ask(running, changes))
        print(
            f"{changes:,} changes of {people:,} people, compared and kept with history: {seconds:.1f} s, {changes / seconds:,.0f}/s"
        )
        print(f"the same questions and nothing else: {asking:.1f} s; ratio {asking / seconds:.2f}")
        print(
            f"CPU a change: linkage {1e6 * used[0] / changes:.0f} µs, resident network {1e6 * used[1] / changes:.0f} µs; linkage at most {peak_mb(pids[0]):.0f} MB; CPU steal {watch.steal_percent():.1f} %"
        )
    finally:
        running.stop()
        discard(data)


def main() -> None:
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    measure(changes, int(sys.argv[2]) if len(sys.argv) > 2 else max(changes, 50_000))


if __name__ == "__main__":
    main()
