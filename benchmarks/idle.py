"""CPU at rest: what a linkage server and its database use while nobody asks anything, with one agency and with many.

`python -m benchmarks.idle [AGENCIES] [SECONDS]`. Beside it, in the same run, one bare statement for each agency at the pace of the loops: what
looking for every agency once a second costs by itself.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from benchmarks.machine import cpu_seconds, database_seconds
from benchmarks.online import topology
from gateway.launcher import Running
from storage.postgres import discard

ROLE = "neighbours-linkage"
SETTLING_S = 10.0


def at_rest(running: Running, seconds: float) -> tuple[float, float]:
    """Percent of one CPU: of the linkage server, and of the database."""
    pid = running.pid(ROLE)
    time.sleep(SETTLING_S)
    before, database, begun = cpu_seconds([pid])[pid], database_seconds(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    return 100 * (cpu_seconds([pid])[pid] - before) / took, 100 * (database_seconds() - database) / took


async def bare(admin_dsn: str, tenants: list[str], seconds: float) -> float:
    """Percent of one CPU, of the database alone: each tenant entered and one row read by its key, once a second."""
    connection = await asyncpg.connect(admin_dsn.replace("/postgres?", "/sekisho?"))
    before, begun = database_seconds(), time.monotonic()
    while time.monotonic() - begun < seconds:
        round_begun = time.monotonic()
        for tenant in tenants:
            async with connection.transaction():
                await connection.execute(
                    "select set_config('role', $1, true), set_config('search_path', $1, true)", tenant
                )
                await connection.fetchval("select next from number_counter")
        await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - round_begun)))
    used = database_seconds() - before
    await connection.close()
    return 100 * used / (time.monotonic() - begun)


def measure(agencies: int, seconds: float) -> None:
    data = Path(tempfile.mkdtemp(prefix="sekisho-idle-"))
    try:
        with Running(data, roles=(ROLE,), ports="free", topology=topology(agencies), key_profile="cheapest") as running:
            server, database = at_rest(running, seconds)
            tenants = [hosted.tenant for hosted in running.role(ROLE).hosted.values()]
            looks = asyncio.run(bare(running.admin_dsn, tenants, seconds / 2)) - database
    finally:
        discard(data)
    print(
        f"{agencies} agencies at rest: linkage server {server:.1f} %, database {database:.1f} % of one CPU; "
        f"one bare look a second for each: {looks:.1f} % of the database"
    )


def main() -> None:
    agencies = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    for count in sorted({1, agencies}):
        measure(count, seconds)


if __name__ == "__main__":
    main()
