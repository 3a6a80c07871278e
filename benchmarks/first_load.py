"""First load with numbering and encryption (LS-1.1), beside a plain COPY of the same rows into the same tables in the same run.

`python -m benchmarks.first_load [PEOPLE] [RUNS]`. The server's own code takes the file: manifest, check digits, blind index, look-ups, issuing,
sealing, results, log entry. Without the resident network's comparison. Prints medians, the ratio, and CPU steal of the machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg

from codebook.check_digits import individual_number_check_digit
from gateway.api.clients import ClientStore
from gateway.batch import spool
from gateway.batch.run import SpoolChannel, run_file
from gateway.linkage_server.addressees import run as addressee_files
from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.registration import ready_ring
from gateway.linkage_server.tenant import Agency
from keys.masked import Secret
from storage.committer import Committer
from storage.database import Database
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant, migrate
from storage.postgres import EmbeddedPostgres, dsn
from storage.reference_data import read_layouts

SCHEMA = "a_bench_linkage"
PASSWORD = secrets.token_hex(8)
TABLES = {
    "person": ("integrated_number", "individual_number_index", "individual_number_sealed", "four_items_sealed"),
    "addressee": ("business_system_id", "addressee_number", "integrated_number", "resident_kind", "intake_id"),
}

READ_BACK = {
    "person": "select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed from a_bench_linkage.person order by ctid",
    "addressee": "select business_system_id, addressee_number, integrated_number, resident_kind, intake_id from a_bench_linkage.addressee order by ctid",
}


def steal() -> float:
    fields = [float(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return fields[7] if len(fields) > 7 else 0.0


def lines(people: int) -> bytes:
    out = ["system,addressee_number,individual_number,name,kana,sex,birth_date,address,resident_kind"]
    for nth in range(people):
        digits = f"9{nth * 7919 % 10_000_000_000:010d}"
        number = f"{digits}{individual_number_check_digit(digits)}"
        out.append(
            f"kokuho,{nth:010d},{number},模擬　{nth}号,モギ　ゴウ,1,1980-01-31,東京都世田谷区架空{nth % 9}丁目{nth}番地,住民"
        )
    return ("\n".join(out) + "\n").encode()


@asynccontextmanager
async def agency_on(database: Database, folder: Path):
    store = KeyStore.create(folder / f"{secrets.token_hex(4)}.json", Secret(b"bench"), profile="cheapest")
    store.ensure("log")
    ring = ready_ring(store)
    committer = Committer(
        database,
        SCHEMA,
        origin="sekisho.example/bench/linkage",
        signer=ring.signer("log"),
        clock=lambda: datetime.now(UTC),
    )
    clients = ClientStore(database, SCHEMA, "bench", ring)
    scopes = frozenset({"kokuho:addressees:register"})
    await clients.register("kokuho", Secret(b"s"), system="kokuho", scopes=scopes, may_use_individual_number=True)
    agency = Agency(
        id="bench",
        tenant=SCHEMA,
        database=database,
        committer=committer,
        clients=clients,
        keys=PersonalKeys(ring),
        outbound=Outbound(None, "bench", {}, checkpoint=lambda: None, keep_note=lambda _note: None),
        layouts=read_layouts(),
        clock=lambda: datetime.now(UTC),
        compare_with_resident_network=False,
        log_key=ring.signer("log").public_key,
    )
    committing = asyncio.ensure_future(committer.run())
    yield agency
    committing.cancel()


async def load(database: Database, folder: Path, data: bytes, people: int) -> float:
    async with agency_on(database, folder) as agency:
        spool.prepare(folder / "spool", "bench", "kokuho", ["addressees"])
        waiting = folder / "spool" / "bench" / "kokuho" / "addressees" / "in"
        (waiting / "people.csv").write_bytes(data)
        manifest = {
            "file": "people.csv",
            "kind": "addressees",
            "count": people,
            "sha256": hashlib.sha256(data).hexdigest(),
            "encoding": "utf-8",
        }
        (waiting / "people.csv.manifest.json").write_text(json.dumps(manifest))
        started = time.perf_counter()
        file = spool.claim_next(folder / "spool", "bench", ["addressees"])
        reason = await run_file(file, SpoolChannel(header_lines=1, run=partial(addressee_files.load_file, agency)))
        assert reason is None, reason
        return time.perf_counter() - started


async def copy(database: Database, rows: dict[str, list[tuple]]) -> float:
    started = time.perf_counter()
    for at in range(0, len(rows["person"]), 4_000):
        async with database.inside(SCHEMA) as connection:
            for table, columns in TABLES.items():
                await connection.copy_records_to_table(table, records=rows[table][at : at + 4_000], columns=columns)
    return time.perf_counter() - started


async def empty(admin: asyncpg.Connection) -> None:
    await admin.execute(f"truncate {SCHEMA}.addressee, {SCHEMA}.person, {SCHEMA}.intake, {SCHEMA}.intake_result")
    await admin.execute("checkpoint")


async def measure(admin_dsn: str, folder: Path, socket: Path, people: int, runs: int) -> None:
    await migrate(
        admin_dsn,
        [Tenant(schema=SCHEMA, packages=("storage.evidence_log", "gateway.linkage_server"))],
        [Login(name="bench", password=PASSWORD, tenants=(SCHEMA,))],
    )
    admin = await asyncpg.connect(admin_dsn.replace("/postgres?", "/sekisho?"))
    database = await Database.open(dsn(socket, "bench", PASSWORD))
    data = lines(people)
    loaded, copied = [], []
    stolen = steal()
    for _ in range(runs):
        await empty(admin)
        loaded.append(await load(database, folder, data, people))
        rows = {table: [tuple(row) for row in await admin.fetch(READ_BACK[table])] for table in TABLES}
        assert len(rows["person"]) == people
        await empty(admin)
        copied.append(await copy(database, rows))
    await database.close()
    await admin.close()
    fast, plain = people / statistics.median(loaded), people / statistics.median(copied)
    print(
        f"first load, {people:,} people, median of {runs}: {fast:,.0f} people/s; plain COPY into the same tables: {plain:,.0f} rows/s"
    )
    print(f"ratio {fast / plain:.2f}; CPU steal {steal() - stolen:.0f} ticks")


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name))
        admin_dsn = server.start(secrets.token_hex(8))
        try:
            asyncio.run(measure(admin_dsn, Path(name), server.socket, people, runs))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
