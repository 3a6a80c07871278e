"""全件照会 (LS-3.2): the whole ward asked about in 92 files, unattended, with both servers of the inquirer killed on the way.

`python -m benchmarks.whole_ward [FILES] [LINES] [KILLS]`: so many files of so many lines are put into the spool at once, 92 of 10,000 being the whole
ward. In the middle the linkage server and the intermediate server of the inquirer are killed (SIGKILL) in turn and started again. Nobody touches
anything else. At the end every line of every result file is answered, and the inquirer's server has registered each line once: nothing was asked twice.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from benchmarks.bulk_inquiry import SOCIETY, put, request_file, through, wrong
from benchmarks.machine import Watch, resident_mb
from benchmarks.online import ROLES, SEED, load, populate, topology
from gateway.demonstration.run import DEMO_DAY
from gateway.launcher import Running
from storage.postgres import discard
from synthetic.people import population

KILLED = ("neighbours-linkage", "neighbours-intermediate")
PATIENCE_S = 600.0
"""How long no file at all may be finished before the run is given up."""


def results_there(folder: Path) -> int:
    return sum(1 for _ in (folder / "done").glob("*.result.csv"))


async def registered(running: Running) -> tuple[int, int, int]:
    """Inquiries that the inquirer's server holds, lines (message ids) among them, and what the provider has provided: as many each, or one was asked twice."""
    admin = await asyncpg.connect(running.admin_dsn.replace("/postgres?", "/sekisho?"))
    try:
        row = await admin.fetchrow(
            "select count(*), count(distinct message_id), (select count(*) from a_setagaya_intermediate.provision) from a_kempo_001_intermediate.inquiry"
        )
        return row[0], row[1], row[2]
    finally:
        await admin.close()


def until(folder: Path, wanted: int, watch: Watch) -> None:
    """Wait until so many files are through, and say every ten how far it is."""
    there, since = results_there(folder), time.monotonic()
    while there < wanted:
        time.sleep(0.1)
        now = results_there(folder)
        if now > there:
            if now // 10 > there // 10:
                print(f"  {now} files after {watch.seconds():,.0f} s", flush=True)
            there, since = now, time.monotonic()
        refused = list((folder / "failed").glob("*.reason.json"))
        assert not refused, refused[0].read_text()
        assert time.monotonic() - since < PATIENCE_S, f"the files do not get on: {there} of {wanted} are through"


def kill_on_the_way(running: Running, folder: Path, files: int, kills: int, watch: Watch) -> list[str]:
    """Kill one server after the other, each time when so many more files are through."""
    killed: list[str] = []
    for nth in range(kills):
        until(folder, files * (nth + 1) // (kills + 1), watch)
        role = KILLED[nth % len(KILLED)]
        there = results_there(folder)
        running.kill(role)
        running.restart(role)
        killed.append(f"{role} after {there} files")
    return killed


async def all_through(folder: Path, names: list[str]) -> tuple[int, int]:
    """Lines that were answered, and lines that were not."""
    answered = missing = 0
    for name in names:
        rows = await through(folder, name)
        bad = len(wrong(rows))
        answered += len(rows) - bad
        missing += bad
    return answered, missing


def measure(files: int, lines: int, kills: int) -> None:
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    people = list(population(SEED, files * lines))
    try:
        with Running(
            data, roles=ROLES, ports="free", topology=topology(1), clock=DEMO_DAY, key_profile="cheapest"
        ) as running:
            asyncio.run(populate(running, people))
            asyncio.run(load(running, people, [SOCIETY]))
            names = [f"file-{nth:02d}.dat" for nth in range(files)]
            made = [request_file(people[nth * lines : (nth + 1) * lines]) for nth in range(files)]
            watch = Watch()
            for name, content in zip(names, made, strict=True):
                folder = put(running, name, content, lines)
            killed = kill_on_the_way(running, folder, files, kills, watch)
            until(folder, files, watch)
            seconds = watch.seconds()
            answered, missing = asyncio.run(all_through(folder, names))
            asked, ids, provided = asyncio.run(registered(running))
            print(
                f"{files} files of {lines} lines: {seconds:.1f} s, {files * lines / seconds:,.0f} lines/s; "
                f"{answered:,} lines answered, {missing} not; CPU steal {watch.steal_percent():.1f} %"
            )
            print(f"killed and started again: {', '.join(killed) or 'nobody'}")
            memory = ", ".join(f"{role} {resident_mb(running.pid(role)):.0f} MB" for role in ROLES)
            print(f"memory at the end: {memory}")
            print(f"inquiries registered {asked:,}, of {ids:,} lines, provided {provided:,}: nothing was asked twice")
            assert (answered, asked, ids, provided) == (files * lines,) * 4
    finally:
        discard(data)


def main() -> None:
    files, lines, kills = (int(text) for text in (*sys.argv[1:], *("92", "50", "4")[len(sys.argv) - 1 :]))
    measure(files, lines, kills)


if __name__ == "__main__":
    main()
