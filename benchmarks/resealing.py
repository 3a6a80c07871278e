"""Key rotation of sealed rows without stopping traffic (IS-8): copies under new keys while provisions are made, beside a plain UPDATE of the same bytes.

`python -m benchmarks.resealing [ROWS] [PER_SECOND]`. The rows are sealed as the server seals them and laid down by COPY. Provisions are offered at a
steady rate, each about another person, for a while before the rotation and then as long as the job runs. Target: p99 during it less than
doubled, over 1,000,000 rows. The limit, in the same run: one UPDATE that writes the same bytes into a table of the same indexes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from benchmarks.machine import Watch, cpu_seconds, quantile
from benchmarks.provision import INQUIRER, MOST_ON_THEIR_WAY, Parties, bind_codes, offered
from benchmarks.replica_registration import AGENCY, TENANT, TOPOLOGY, record_items
from gateway.__main__ import main as sekisho
from gateway.exit_codes import OK
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import PURPOSE, ReplicaItem
from gateway.launcher import Running
from gateway.topology import parse
from keys.box import Box, new_box_key
from keys.ring import Keyring
from storage.migrations import create_database
from storage.postgres import discard
from storage.resealing.rows import UNDER
from transport import channel, tls

EACH: Final = 4
"""Copies of one person."""
AT_ONCE: Final = 5_000
BEFORE_S: Final = 30
STEP_S: Final = 5
COLUMNS: Final = (
    "record_id", "revision", "integrated_number", "information", "data_set", "version", "public_from", "public_to", "content_index",
    "sealed",
)  # fmt: skip
"""Columns of a copy that this benchmark fills."""


def people(ring: Keyring, rows: int) -> Iterator[tuple[tuple[str, bytes], list[tuple[Any, ...]]]]:
    """Everybody's wrapped key and sealed copies, as a registration writes them."""
    items = [msgspec.convert(dict(one, record_id="", integrated_number=""), ReplicaItem) for one in record_items()]
    kinds = itertools.cycle(items)
    for nth in range(1, rows // EACH + 1):
        number, key = f"{nth:015d}", new_box_key()
        box = Box(key)
        copies = []
        for place in range(EACH):
            kind = next(kinds)
            record = msgspec.structs.replace(
                kind, record_id=f"r-{nth}-{place}", integrated_number=number, auto_response="allowed"
            )
            said = msgspec.structs.asdict(record)
            made = {
                "content_index": registration.content_index(ring, record),
                "sealed": registration.seal_said(AGENCY, record, box),
            }
            copies.append(tuple({**said, **made}[name] for name in COLUMNS))
        # reveal: wrapped under the agency's ring
        wrapped = ring.encrypt(PURPOSE, key.reveal(), registration.person_key_aad(AGENCY, number))
        yield (number, wrapped), copies


async def fill(admin: asyncpg.Connection[asyncpg.Record], ring: Keyring, rows: int) -> None:
    made = people(ring, rows)
    while part := list(itertools.islice(made, AT_ONCE)):
        await admin.copy_records_to_table(
            "person_key", records=[key for key, _ in part], columns=("integrated_number", "wrapped")
        )
        copies = [copy for _, found in part for copy in found]
        await admin.copy_records_to_table("replica", records=copies, columns=COLUMNS)
    await admin.execute("analyze person_key")
    await admin.execute("analyze replica")


async def plain_update(admin: asyncpg.Connection[asyncpg.Record], sample: int) -> float:
    """Rows a second of one UPDATE of what a re-sealing writes."""
    await admin.execute(
        f"create table bare_replica (like replica including indexes); insert into bare_replica select * from replica limit {sample}"
    )
    await admin.execute("analyze bare_replica")
    begun = time.perf_counter()
    await admin.execute(
        "update bare_replica set content_index = sha256(content_index), sealed = substring(sealed from 2) || '\\x00'",
        timeout=600,
    )
    return sample / (time.perf_counter() - begun)


async def rotated(running: Running) -> None:
    """A new version while the server runs."""
    words = ["keys", "rotate", PURPOSE, "--role", "intermediate", "--agency", AGENCY, "--data", str(running.data.root)]
    assert await asyncio.to_thread(sekisho, words) == OK


async def standing(admin: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Record | None:
    return await admin.fetchrow(
        "select done, total, unreadable, started_at, finished_at from resealing order by version desc limit 1"
    )


async def measure(running: Running, rows: int, per_s: int) -> None:
    admin = await asyncpg.connect(await create_database(running.admin_dsn))
    await admin.execute("select set_config('search_path', $1, false)", TENANT)
    config = running.role("intermediate")
    begun = time.perf_counter()
    await fill(admin, config.open_keys(AGENCY).ring, rows)
    asked_about = [f"{nth:015d}" for nth in range(1, rows // EACH + 1)][: 60 * 10 * per_s]
    codes = await bind_codes(running, asked_about)
    print(f"{rows:,} rows of {rows // EACH:,} people laid down in {time.perf_counter() - begun:.0f} s", flush=True)
    limit = await plain_update(admin, min(rows, 200_000))
    parties = Parties(
        core=running.role("network").open_keys("network").ring.signer("permit"),
        inquirer=running.role("neighbours-intermediate").open_keys(INQUIRER).ring.signer("signing"),
    )
    identity = running.role("network").hosted["network"].identity
    url = f"{running.url('intermediate')}/{AGENCY}/provisions"
    whose = itertools.cycle(codes)
    async with channel.session(tls.client_context(identity, identity.ca), connections=MOST_ON_THEIR_WAY) as client:

        async def traffic(seconds: int) -> list[float]:
            now = datetime.now(UTC)
            bodies = [parties.arriving(code, now)[0] for code in itertools.islice(whose, per_s * seconds)]
            return await offered(client, url, bodies, per_s)

        await traffic(3)
        quiet = await traffic(BEFORE_S)
        await rotated(running)
        pid, watch = running.pid("intermediate"), Watch()
        cpu = cpu_seconds([pid])[pid]
        during: list[float] = []
        while (found := await standing(admin)) is None or found["done"] < found["total"]:
            during += await traffic(STEP_S)
        used = cpu_seconds([pid])[pid] - cpu
        steal = watch.steal_percent()
    seconds = watch.seconds()
    assert (found["done"], found["unreadable"]) == (rows // EACH, 0)
    old = await admin.fetchval(
        registration.sql.load("gateway.intermediate_server.replica")["count_person_keys"], 1, UNDER
    )
    assert old == 0
    result = {
        "rows": rows, "rows_per_s": round(rows / seconds), "plain_update_per_s": round(limit), "ratio": round(rows / seconds / limit, 3),
        "p50_ms": [round(1000 * quantile(took, 0.5), 1) for took in (quiet, during)],
        "p99_ms": [round(1000 * quantile(took, 0.99), 1) for took in (quiet, during)],
        "provisions": [len(quiet), len(during)], "server_cpu_s": round(used, 1), "seconds": round(seconds, 1), "steal_percent": round(steal, 1),
    }  # fmt: skip
    print(json.dumps(result))
    times = quantile(during, 0.99) / quantile(quiet, 0.99)
    print(
        f"p99 of provisions {times:.2f} times that of before (target: less than 2: {'met' if times < 2 else 'MISSED'})"
    )
    await admin.close()


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    per_s = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    try:
        with Running(
            data, roles=("intermediate",), ports="free", topology=parse(TOPOLOGY), key_profile="cheapest"
        ) as running:
            asyncio.run(measure(running, rows, per_s))
    finally:
        with suppress(OSError):
            discard(data)


if __name__ == "__main__":
    main()
