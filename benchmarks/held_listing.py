"""2,000 held provisions listed by staff over HTTPS (SC-4), beside the bare query of the same rows in the same run.

`python -m benchmarks.held_listing [HELD] [CALLS]`. The table is filled by COPY; then a member of staff who has logged in asks the real
intermediate server for all of them: right, record of the call in the evidence log, rows, rendering. Prints median and p95 of one page of
all, and of pages of 500 until the end.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from rich.console import Console

from benchmarks.machine import Watch, quantile, thrown_away
from codebook.identifiers import new_sortable_id
from gateway.demonstration.callers import Staff
from gateway.demonstration.stage import Stage
from gateway.intermediate_server.provision import grounds
from gateway.launcher import Running
from gateway.topology import parse
from keys.ring import Keyring
from permission_lists.barring import HoldGround
from storage.database import Database
from storage.migrations import create_database
from storage.sql import load
from transport.clock import Clock

AGENCY = "setagaya"
TENANT = "a_setagaya_intermediate"
TOPOLOGY = """
agencies:
  - {id: setagaya, code: "9999000000000001", name: 世田谷区長}
roles:
  intermediate: {program: intermediate, hosts: [setagaya], port: 8442, metrics_port: 9462}
  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}
"""
COLUMNS = (
    "permit_id", "inquiry_number", "inquirer", "basis", "item", "information", "items", "list_digest", "state", "exchange_digest", "permit",
    "request", "public_key", "integrated_number", "ground_sealed", "outcome", "signature", "received_at", "answer_by",
)  # fmt: skip


def row(ring: Keyring, nth: int, now: datetime) -> tuple[Any, ...]:
    """One held provision; permit, request and outcome are as long as real ones."""
    permit_id, number = (new_sortable_id(prefix, nth, secrets.token_bytes(10)) for prefix in "KQ")
    kept: dict[str, Any] = {
        "permit_id": permit_id, "inquiry_number": number, "inquirer": "suginami", "basis": "beppyo2-2022", "item": "27",
        "information": "医療保険給付関係情報", "items": "", "list_digest": "0" * 64, "state": "held", "exchange_digest": secrets.token_bytes(32),
        "permit": "p" * 1300, "request": b"r" * 400, "public_key": b"k" * 1216, "integrated_number": f"{nth:015d}", "outcome": b"o" * 500,
        "signature": b"s" * 64, "received_at": now, "answer_by": now + timedelta(days=2, seconds=nth),
    }  # fmt: skip
    kept["ground_sealed"] = grounds.seal(ring, AGENCY, kept, HoldGround.PERSON_BARRED)
    return tuple(kept[name] for name in COLUMNS)


async def fill(running: Running, count: int) -> None:
    ring = running.role("intermediate").open_keys(AGENCY).ring
    admin = await asyncpg.connect(await create_database(running.admin_dsn))
    try:
        await admin.execute("select set_config('search_path', $1, false)", TENANT)
        now = Clock()()
        await admin.copy_records_to_table(
            "provision", records=[row(ring, nth, now) for nth in range(count)], columns=COLUMNS
        )
        await admin.execute("analyze provision")
    finally:
        await admin.close()


async def timed(call: Callable[[], Awaitable[object]], calls: int) -> list[float]:
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        await call()
        took.append(time.perf_counter() - begun)
    return took


async def measure(running: Running, count: int, calls: int) -> None:
    await fill(running, count)
    query = load("gateway.intermediate_server.provision", "queries.sql")["held"]
    database = await Database.open(running.role("intermediate").dsn, connections=1)

    whole_list = (datetime(1, 1, 2, tzinfo=UTC), "", count, False, ["*/*"])

    async def bare() -> None:
        async with database.inside(TENANT) as connection:
            found = await connection.fetch(query, *whole_list)
        assert len(found) == count

    stage = Stage(running=running, residents=0, console=Console(quiet=True))
    async with stage.staff(AGENCY, "intermediate") as staff:
        watch = Watch()
        alone = await timed(bare, calls)
        one_page = await timed(lambda: pages(staff, count, count), calls)
        several = await timed(lambda: pages(staff, count, 500), calls)
    await database.close()
    limit = quantile(alone, 0.5)
    print(f"{'the rows alone, one query':32} median {ms(limit)}")
    for name, took in ((f"one page of {count:,}", one_page), ("pages of 500", several)):
        median = quantile(took, 0.5)
        print(f"{name:32} median {ms(median)}, p95 {ms(quantile(took, 0.95))}; {median / limit:.1f} times the query")
    print(f"steal {watch.steal_percent():.1f} %")


async def pages(staff: Staff, count: int, limit: int) -> None:
    after, found = None, 0
    while True:
        page = (await staff.items(f"/{AGENCY}/held-provisions/page", [{"after": after, "limit": limit}]))[0]
        found += len(page["held"])
        after = page["next"]
        if after is None or found >= count:
            break
    assert found == count


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with (
        thrown_away("sekisho-held-") as data,
        Running(
            data, roles=("intermediate",), ports="free", topology=parse(TOPOLOGY), key_profile="cheapest"
        ) as running,
    ):
        print(f"{count:,} held provisions, {calls} calls of each kind")
        asyncio.run(measure(running, count, calls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
