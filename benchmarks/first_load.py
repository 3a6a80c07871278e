"""First load with numbering and encryption (LS-1.1), each figure beside a limit measured in the same run.

`python -m benchmarks.first_load [PEOPLE] [RUNS]`: the server's own code takes a file (examination of the whole, check digits, blind index, look-ups,
issuing, sealing, results, log entry) beside a plain COPY of the same rows into the same tables. First 10,000 people by themselves: what a person
costs and how far the memory grows must not depend on how many there are.
`python -m benchmarks.first_load compared [PEOPLE]`: linkage server and resident network as processes of their own, the comparison over the socket;
beside it the same questions asked and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import pickle
import resource
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg

from adapters.jlis_mock.resident_network.residents import Resident, Residents
from benchmarks.machine import Watch, cpu_seconds, database_seconds
from codebook.check_digits import individual_number_check_digit
from codebook.four_items import FourItems
from codebook.individual_number import IndividualNumber, ResidentRecordCode
from gateway.api.clients import ClientStore
from gateway.batch import spool
from gateway.batch.run import SpoolChannel, run_file
from gateway.launcher import Running
from gateway.linkage_server.addressees import run as addressee_files
from gateway.linkage_server.addressees import store
from gateway.linkage_server.affairs import read_affairs
from gateway.linkage_server.outbound import SEND_FOUR_ITEMS, Outbound
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.registration import ready_ring
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import WaitingWork
from gateway.serve_command import collect_rarely
from keys.masked import Secret
from storage.committer import Committer
from storage.committing import commit
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStore
from storage.marks import Marks
from storage.migrations import Login, Tenant, migrate
from storage.postgres import EmbeddedPostgres, discard, dsn
from storage.reference_data import read_layouts
from transport import channel, tls

SCHEMA = "a_bench_linkage"
PASSWORD = secrets.token_hex(8)
TABLES = {"person": store.PERSON_COLUMNS, "addressee": store.ADDRESSEE_COLUMNS}
HEADER = "system,addressee_number,individual_number,name,kana,sex,birth_date,address,resident_kind"
ASKED_AT_ONCE = 4
LIST = 1_000
CHUNK = 4_000
FEW = 10_000
FEW_RUNS = 3


def resident(nth: int) -> dict[str, str]:
    digits = f"9{nth * 7919 % 10_000_000_000:010d}"
    return {
        "individual_number": f"{digits}{individual_number_check_digit(digits)}",
        "name": f"模擬　{nth}号",
        "kana": "モギ　ゴウ",
        "sex": "1",
        "birth_date": "1980-01-31",
        "address": f"東京都世田谷区架空{nth % 9}丁目{nth}番地",
    }


def write_file(path: Path, people: int, system: str = "kokuho") -> None:
    """The file line by line, and its manifest beside it."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for nth in range(-1, people):
            if nth < 0:
                line = HEADER + "\n"
            else:
                one = resident(nth)
                line = f"{system},{nth:010d},{one['individual_number']},{one['name']},{one['kana']},{one['sex']},{one['birth_date']},{one['address']},住民\n"
            encoded = line.encode()
            digest.update(encoded)
            file.write(encoded)
    manifest = {
        "file": path.name,
        "kind": "addressees",
        "count": people,
        "sha256": digest.hexdigest(),
        "encoding": "utf-8",
    }
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(manifest))
    part.rename(path.with_name(f"{path.name}.manifest.json"))


@asynccontextmanager
async def agency_on(database: Database, folder: Path):
    store = KeyStore.create(folder / f"{secrets.token_hex(4)}.json", Secret(b"bench"), profile="cheapest")
    store.ensure("log")
    ring = ready_ring(store)
    committer = Committer(
        database,
        SCHEMA,
        origin="sekisho.example/bench/linkage",
        signer=partial(ring.signer, "log"),
        clock=lambda: datetime.now(UTC),
    )
    clients = ClientStore(database, SCHEMA, "bench", ring, clock=lambda: datetime.now(UTC))
    scopes = frozenset({"kokuho:addressees:register", "kokuho:persons:change"})
    await clients.register("kokuho", Secret(b"s"), system="kokuho", scopes=scopes, may_use_individual_number=True)
    agency = Agency(
        id="bench",
        tenant=SCHEMA,
        database=database,
        committer=committer,
        clients=clients,
        work=WaitingWork(SCHEMA),
        keys=PersonalKeys(ring),
        outbound=Outbound(None, "bench", {}, checkpoint=lambda: None, keep_note=lambda _note: None),
        layouts=read_layouts(),
        affairs=read_affairs(),
        clock=lambda: datetime.now(UTC),
        compare_with_resident_network=False,
        log_key=lambda: ring.signer("log").public_key,
        erasures=ErasureJournal(folder / "bench.erased", ring),
        marks=Marks(folder / f"{secrets.token_hex(4)}.marks"),
    )
    committing = asyncio.ensure_future(commit([committer]))
    yield agency
    committing.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Seconds by the wall, by our own CPU, by the database's, and by whatever else ran on the machine."""

    people: int
    wall: float
    own: float
    database: float
    others: float

    def cost_us(self) -> float:
        """CPU a person, ours and the database's."""
        return 1e6 * (self.own + self.database) / self.people


async def load(agency: Agency, folder: Path, people: int) -> Loaded:
    spool.prepare(folder / "spool", "bench", "kokuho", ["addressees"])
    write_file(folder / "spool" / "bench" / "kokuho" / "addressees" / "in" / f"people-{people}.csv", people)
    watch, own, database = Watch(), time.process_time(), database_seconds()
    file = spool.claim_next(folder / "spool", "bench", ["addressees"])
    reason = await run_file(file, SpoolChannel(header_lines=1, run=partial(addressee_files.load_file, agency)))
    assert reason is None, reason
    wall, own, database = watch.seconds(), time.process_time() - own, database_seconds() - database
    return Loaded(
        people=people, wall=wall, own=own, database=database, others=max(0.0, watch.busy_seconds() - own - database)
    )


async def put_aside(admin: asyncpg.Connection, path: Path) -> None:
    """The rows of both tables in the order in which they were written, chunk by chunk in a file: a whole ward's are too many for memory."""
    with path.open("wb") as file:
        async with admin.transaction():
            cursors = {
                table: await admin.cursor(f"select {', '.join(columns)} from {SCHEMA}.{table} order by revision")
                for table, columns in TABLES.items()
            }
            while rows := {table: list(map(tuple, await cursor.fetch(CHUNK))) for table, cursor in cursors.items()}:
                if not any(rows.values()):
                    return
                pickle.dump(rows, file)


async def copy(database: Database, path: Path) -> float:
    """Seconds of the copying alone."""
    seconds = 0.0
    with path.open("rb") as file:
        while True:
            try:
                rows = pickle.load(file)  # noqa: S301 (written by this process a moment ago)
            except EOFError:
                return seconds
            begun = time.perf_counter()
            async with database.inside(SCHEMA) as connection:
                for table, columns in TABLES.items():
                    await connection.copy_records_to_table(table, records=rows[table], columns=columns)
            seconds += time.perf_counter() - begun


async def empty(admin: asyncpg.Connection) -> None:
    await admin.execute(f"truncate {SCHEMA}.person, {SCHEMA}.intake, {SCHEMA}.oauth_client cascade")
    await admin.execute("checkpoint")


def most_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def open_bench(admin_dsn: str, socket: Path) -> tuple[asyncpg.Connection, Database]:
    await migrate(
        admin_dsn,
        [Tenant(schema=SCHEMA, packages=("storage.evidence_log", "gateway.linkage_server"))],
        [Login(name="bench", password=PASSWORD, tenants=(SCHEMA,))],
    )
    admin = await asyncpg.connect(admin_dsn.replace("/postgres?", "/sekisho?"))
    return admin, await Database.open(dsn(socket, "bench", PASSWORD))


async def measure(admin_dsn: str, folder: Path, socket: Path, people: int, runs: int) -> None:
    admin, database = await open_bench(admin_dsn, socket)
    watch = Watch()

    async def once(count: int) -> Loaded:
        await empty(admin)
        async with agency_on(database, folder) as agency:
            found = await load(agency, folder, count)
        assert await admin.fetchval(f"select count(*) from {SCHEMA}.person") == count
        return found

    few = [await once(FEW) for _ in range(FEW_RUNS)]
    memory = most_memory_mb()
    loaded, copied = [], []
    for _ in range(runs):
        loaded.append(await once(people))
        grown = most_memory_mb()  # what follows is the benchmark's own
        await put_aside(admin, folder / "rows")
        await empty(admin)
        copied.append(await copy(database, folder / "rows"))
    await database.close()
    await admin.close()
    fast = people / statistics.median(one.wall for one in loaded)
    plain = people / statistics.median(copied)
    print(f"first load, {people:,} people, median of {runs}: {fast:,.0f} people/s")
    print(f"plain COPY into the same tables and indexes: {plain:,.0f} rows/s; ratio {fast / plain:.2f}")
    cost, cost_of_few = (statistics.median(one.cost_us() for one in some) for some in (loaded, few))
    per_person = [
        1e6 * statistics.median(some) / people for some in zip(*((o.own, o.database) for o in loaded), strict=True)
    ]
    print(f"CPU a person: {per_person[0]:.1f} µs of this process, {per_person[1]:.1f} µs of the database")
    print(f"{FEW:,} people: {cost_of_few:.1f} µs of CPU a person; ratio {cost / cost_of_few:.2f}")
    print(f"most memory of this process: {memory:.0f} MB after {FEW:,}, {grown:.0f} MB after {people:,}")
    others = 100 * sum(one.others for one in loaded) / sum(one.wall for one in loaded)
    print(f"meanwhile others used {others:.0f} % of one CPU; CPU steal {watch.steal_percent():.1f} %")


# --- with the resident network's comparison


async def populate(running: Running, people: int, known: Callable[[int], dict[str, str]] = resident) -> None:
    config = running.role("resident-network")
    database = await Database.open(config.dsn)
    residents = Residents(database, config.hosted["resident-network"].tenant, config.open_keys("resident-network"))
    for start in range(0, people, 5_000):
        await residents.load(
            [
                Resident(
                    individual_number=IndividualNumber.parse(one["individual_number"]),
                    resident_record_code=ResidentRecordCode.parse(f"{nth:011d}"),
                    four_items=FourItems.parse(one),
                )
                for nth in range(start, min(start + 5_000, people))
                if (one := known(nth))
            ]
        )
    await database.close()


async def only_ask(running: Running, people: int) -> float:
    """The questions of the load and nothing else."""
    config = running.role("linkage")
    identity = config.hosted["setagaya"].identity
    async with channel.session(tls.client_context(identity, identity.ca), connections=ASKED_AT_ONCE) as client:
        outbound = Outbound(client, "setagaya", config.peers, checkpoint=lambda: None, keep_note=lambda _note: None)
        starts = iter(range(0, people, LIST))

        async def some() -> None:
            for start in starts:
                items = [
                    {"individual_number": resident(nth)["individual_number"]}
                    for nth in range(start, min(start + LIST, people))
                ]
                await outbound.ask_list(outbound.resident_network("four-items"), items, step=SEND_FOUR_ITEMS)

        started = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(ASKED_AT_ONCE)))
        return time.perf_counter() - started


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def compared(people: int) -> None:
    data = Path(tempfile.mkdtemp(prefix="sekisho-load-"))
    options = {"resident-network": {"asks_per_minute": 10_000_000}}
    running = Running(
        data, roles=("resident-network", "linkage"), ports="free", key_profile="cheapest", options=options
    )
    try:
        running.start()
        asyncio.run(populate(running, people))
        pids = [running.pid("linkage"), running.pid("resident-network")]
        before = [peak_mb(pid) for pid in pids]
        cpu = cpu_seconds(pids)
        watch = Watch()
        folder = running.role("linkage").spool / "setagaya" / "kokuho" / "addressees"
        write_file(folder / "in" / "people.csv", people)
        started = time.perf_counter()
        done, failed = folder / "done" / "people.csv.manifest.json", folder / "failed" / "people.csv.reason.json"
        while not done.exists():
            assert not failed.exists(), failed.read_text()
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        used = [after - cpu[pid] for pid, after in cpu_seconds(pids).items()]
        peaks = [peak_mb(pid) for pid in pids]
        issued = (folder / "done" / "people.csv.result.csv").read_text().count(",issued,")
        assert issued == people, issued
        asking = asyncio.run(only_ask(running, people))
        print(f"first load with the comparison over the socket, {people:,} people: {people / seconds:,.0f} people/s")
        print(f"the same questions and nothing else: {people / asking:,.0f} people/s; ratio {asking / seconds:.2f}")
        for name, start, peak, own in zip(("linkage", "resident network"), before, peaks, used, strict=True):
            print(f"{name}: {start:.0f} → {peak:.0f} MB at most, {1e6 * own / people:.1f} µs CPU a person")
        print(f"CPU steal {watch.steal_percent():.1f} %")
    finally:
        running.stop()
        discard(data)


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "compared":
        compared(int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
        return
    collect_rarely()  # as every role does
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 920_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name))
        admin_dsn = server.start(secrets.token_hex(8))
        try:
            asyncio.run(measure(admin_dsn, Path(name), server.socket, people, runs))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
