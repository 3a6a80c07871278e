"""Log append: entries/s through the committer, durable, with tree, checkpoint and index — beside plain grouped inserts of the same bytes.

`python -m benchmarks.log_append [ENTRIES] [RUNS] [plain]`. 64 callers wait for their own entry to be durable before they send the next one.
Every entry is an exchange record with a row to be found by; `plain` leaves those rows out, which shows what they cost.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg

from benchmarks.machine import Watch, median
from evidence.canonical import encode
from keys.signing import Signer, generate_seed
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.committing import commit
from storage.database import Database
from storage.found_by import FoundBy
from storage.migrations import Login, Tenant, migrate
from storage.postgres import EmbeddedPostgres, discard, dsn

TENANT = "a_bench_log"
CALLERS = 64
STEP = commit_step("bench", "entry")
SEARCHABLE = "plain" not in sys.argv


def entry() -> NewEntry:
    now = datetime.now(UTC)
    entry_id = secrets.token_hex(13)
    body = encode({"id": entry_id, "at": now.isoformat(), "kind": "bench", "filler": "x" * 440})
    found_by = FoundBy(
        partner=f"a-{secrets.randbelow(1700)}",
        item=str(secrets.randbelow(120)),
        information="i",
        actor=f"juki/t-{secrets.randbelow(400)}",
        subject=secrets.token_bytes(16),
    )
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind="bench",
        inquiry_number=entry_id,
        body=body,
        personal=secrets.token_bytes(90),
        found_by=found_by if SEARCHABLE else None,
    )


async def append(database: Database, entries: list[NewEntry]) -> float:
    committer = Committer(
        database,
        TENANT,
        origin="sekisho.example/bench",
        signer=partial(Signer, generate_seed()),
        clock=lambda: datetime.now(UTC),
    )
    waiting = iter(entries)

    async def caller() -> None:
        for one in waiting:
            await committer.apply(Commit(step=STEP, entries=(one,)))

    async with asyncio.TaskGroup() as group:
        work = group.create_task(commit([committer]))
        watch = Watch()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        seconds = watch.seconds()
        work.cancel()
    return len(entries) / seconds


async def plain(login: str, entries: list[NewEntry]) -> float:
    """The limit: the same bytes into a table of the same two indexes, 64 rows a transaction."""
    connection = await asyncpg.connect(login)
    await connection.execute(f"set role {TENANT}")
    watch = Watch()
    for start in range(0, len(entries), CALLERS):
        part = entries[start : start + CALLERS]
        await connection.execute(
            f"insert into {TENANT}.plain select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bytea[], $5::bytea[])",
            [one.entry_id for one in part], [one.at for one in part], [one.inquiry_number for one in part], [one.body for one in part], [one.personal for one in part],
        )  # fmt: skip
    seconds = watch.seconds()
    await connection.close()
    return len(entries) / seconds


async def measure(server: EmbeddedPostgres, admin: str, count: int, runs: int) -> None:
    tenants = [Tenant(schema=TENANT, packages=("storage.evidence_log",))]
    await migrate(admin, tenants, [Login(name="bench", password="bench", tenants=(TENANT,))])
    connection = await asyncpg.connect(admin.replace("/postgres?", "/sekisho?"))
    await connection.execute(
        f"create table {TENANT}.plain (id text primary key, at timestamptz, number text, body bytea, personal bytea)"
    )
    await connection.execute(f"create index on {TENANT}.plain (number); grant all on {TENANT}.plain to {TENANT}")
    await connection.close()
    login = dsn(server.socket, "bench", "bench")
    database = await Database.open(login)
    appended, limit, steal = [], [], Watch()
    for _ in range(runs):
        appended.append(await append(database, [entry() for _ in range(count)]))
        limit.append(await plain(login, [entry() for _ in range(count)]))
    await database.close()
    print(
        f"log append: {median(appended):,.0f} entries/s (target 8,000), plain grouped insert {median(limit):,.0f} rows/s, "
        f"ratio {median([a / b for a, b in zip(appended, limit, strict=True)]):.2f}, {CALLERS} callers, {runs} runs, steal {steal.steal_percent():.1f} %"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    server = EmbeddedPostgres(data)
    try:
        asyncio.run(measure(server, server.start(secrets.token_hex(8)), count, runs))
    finally:
        server.stop()
        discard(data)


if __name__ == "__main__":
    main()
