"""Registration of copies (副本) at a running intermediate server: format check, sealing, commit and record, list after list (IS-6).

`python -m benchmarks.replica_registration [RECORDS]`. Target: 10,000 records/s over 1,000,000 records. The linkage server's certificate sends lists of
1,000 to IF_DBM_90011, four on their way. Beside it, in the same run, the limit of the parts: as many rows of the same size by COPY into a table of the same indexes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from benchmarks.machine import Watch, cpu_seconds, database_seconds
from gateway.launcher import Running
from gateway.topology import parse
from storage.migrations import create_database
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE, Business
from synthetic.people import population
from transport import channel, tls

TARGET: Final = 10_000
AGENCY, TENANT = "setagaya", "a_setagaya_intermediate"
INFORMATION = MEDICAL_INSURANCE
AT_ONCE: Final = 1_000
ON_THEIR_WAY: Final = 4
TOPOLOGY = """
agencies:
  - {id: setagaya, code: "9999000000000001", name: 世田谷区長, systems: [{id: kokuho, name: 国保, individual_number: true, grants: []}]}
  - {id: suginami, code: "9999000000000002", name: 杉並区長}
roles:
  linkage: {program: linkage, hosts: [setagaya], port: 8441, metrics_port: 9461}
  intermediate: {program: intermediate, hosts: [setagaya], port: 8442, metrics_port: 9462}
  neighbours-intermediate: {program: intermediate, hosts: [suginami], port: 8444, metrics_port: 9464}
  network: {program: network, hosts: [network], port: 8445, metrics_port: 9465}
  resident-network: {program: resident-network, hosts: [resident-network], port: 8446, metrics_port: 9466}
"""


def record_items() -> list[dict[str, Any]]:
    """Some hundred records of synthetic people as IF_DBM_90011 takes them, but for whose they are."""
    business = Business(7)
    return [
        {
            "operation": "register", "information": one.information, "data_set": one.data_set, "version": one.version,
            "public_from": one.public_from.isoformat(), "public_to": None, "auto_response": one.auto_response, "items": one.wire_items(),
        }
        for person in population(7, 1_000)
        for one in business.medical_insurance(person, system="kokuho", addressee_number="1")
    ]  # fmt: skip


def records(count: int) -> Iterator[dict[str, Any]]:
    """So many records, two a person."""
    items = record_items()
    for nth in range(count):
        yield {**items[nth % len(items)], "record_id": f"r-{nth:031d}", "integrated_number": f"{1 + nth // 2:015d}"}


def lists(made: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Bodies of so many records each, made as they are wanted: nobody holds a million of them."""
    left = iter(made)
    while part := list(islice(left, AT_ONCE)):
        yield msgspec.json.encode({"checkpoint": None, "items": part})


async def register(running: Running, made: Iterable[dict[str, Any]]) -> float:
    """Send lists until all are registered; returns the seconds that it took, the making of the lists included."""
    identity = running.role("linkage").hosted[AGENCY].identity
    url = f"{running.url('intermediate')}/{AGENCY}/replicas"
    waiting = lists(made)
    async with channel.session(tls.client_context(identity, identity.ca), connections=ON_THEIR_WAY) as client:

        async def work() -> None:
            for body in waiting:
                answers = msgspec.json.decode(await channel.post(client, url, body, timeout_s=60))["items"]
                assert all(answer.get("registered") for answer in answers), answers[0]

        begun = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(ON_THEIR_WAY)))
        return time.perf_counter() - begun


async def copied(running: Running, count: int) -> float:
    """Seconds for the rows that are there now, copied into a table of the same indexes in transactions of one list each."""
    admin = await asyncpg.connect(await create_database(running.admin_dsn))
    await admin.execute("select set_config('search_path', $1, false)", TENANT)
    await admin.execute("create table bare (like replica including indexes)")
    rows = [tuple(row) for row in await admin.fetch("select * from replica limit $1", count)]
    begun = time.perf_counter()
    for start in range(0, len(rows), AT_ONCE):
        await admin.copy_records_to_table("bare", records=rows[start : start + AT_ONCE])
    seconds = time.perf_counter() - begun
    await admin.close()
    return seconds * count / len(rows)


async def measure(running: Running, count: int) -> None:
    pid, watch = running.pid("intermediate"), Watch()
    server, database = cpu_seconds([pid])[pid], database_seconds()
    seconds = await register(running, records(count))
    server, database = cpu_seconds([pid])[pid] - server, database_seconds() - database
    sample = min(count, 100_000)
    limit = sample / await copied(running, sample)
    per_s = count / seconds
    print(
        f"replica registration: {count:,} in {seconds:.1f} s, {per_s:,.0f} records/s (target {TARGET:,}: {'met' if per_s >= TARGET else 'MISSED'}), "
        f"rows by COPY {limit:,.0f}/s, ratio {per_s / limit:.2f}"
    )
    print(
        f"CPU per 1,000 records: server {1e6 * server / count:.1f} ms, database {1e6 * database / count:.1f} ms; steal {watch.steal_percent():.1f} %"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    try:
        with Running(
            data, roles=("intermediate",), ports="free", topology=parse(TOPOLOGY), key_profile="cheapest"
        ) as running:
            asyncio.run(measure(running, count))
    finally:
        with suppress(OSError):
            discard(data)


if __name__ == "__main__":
    main()
