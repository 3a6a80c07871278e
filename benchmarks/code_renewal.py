"""Renewal of an agency's codes to a new epoch (IS-1) beside traffic: codes a second, p99 of provisions before and meanwhile, and the same work bare.

`python -m benchmarks.code_renewal [CODES] [PER_SECOND]`. Provisions are offered at a steady rate, each about another person under the code of before, for
a while before the announcement and then as long as the renewal runs. Target: p99 during it less than doubled. Bare, in the same run: opening,
converting, indexing and sealing each code in this process, without a socket or a commit.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from adapters.jlis_mock.core.codes import CodeBook, InUse, purpose_of
from benchmarks.machine import Watch, quantile
from benchmarks.provision import INQUIRER, MOST_ON_THEIR_WAY, Parties, offered
from benchmarks.replica_registration import AGENCY, TENANT, TOPOLOGY, record_items, register
from gateway.launcher import Running
from gateway.topology import parse
from keys import labels
from keys.binding import bind
from keys.ring import Keyring
from storage.migrations import create_database
from storage.postgres import discard
from tests.support.running_system import quick_stage
from transport import channel, tls

ROLES: Final = ("intermediate", "network")
LONGEST_S: Final = 240.0
ASKED_ABOUT: Final = 2_000
BEFORE_S: Final = 15
STEP_S: Final = 2
COLUMNS: Final = (
    "integrated_number",
    "acquisition_index",
    "expires_at",
    "code_index",
    "code_sealed",
    "bound_at",
    "epoch",
)


def ring_of(running: Running, role: str, agency: str) -> Keyring:
    return running.role(role).open_keys(agency).ring


def made(running: Running, count: int) -> tuple[list[bytes], list[tuple[Any, ...]]]:
    """Codes that the core would have made, and their rows of `person_code`, sealed as the server seals them."""
    book = CodeBook(ring_of(running, "network", "network"), [AGENCY])
    ring, now, codes, rows = ring_of(running, "intermediate", AGENCY), datetime.now(UTC), [], []
    for nth in range(1, count + 1):
        number, code = f"{nth:015d}", book.code_of(AGENCY, nth.to_bytes(16))
        index = ring.index("codes", bind(labels.LINKAGE_CODE_INDEX, code))
        sealed = ring.encrypt("codes", code, bind(labels.LINKAGE_CODE, AGENCY, number))
        rows.append((number, nth.to_bytes(32), now + timedelta(days=1), index, sealed, now, 1))
        codes.append(code)
    return codes, rows


async def standing(admin: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Record | None:
    return await admin.fetchrow("select begun_at, settled_at, renewed, refused from code_renewal where epoch = 2")


async def announce(running: Running) -> None:
    async with quick_stage(running, 1).staff("network", "network") as staff:
        order = {"agency": AGENCY, "epoch": 2, "accept_s": 3600}
        assert await staff.items("/code-epochs/announce", [order]) == [{"announced": True}]


def bare(rows: list[tuple[Any, ...]], running: Running) -> float:
    """Seconds of the same cryptography in one process."""
    core, ring = Keyring.new(), ring_of(running, "intermediate", AGENCY)
    core.create(purpose_of(AGENCY))
    core.rotate(purpose_of(AGENCY))
    book = CodeBook(core, [AGENCY])
    codes = [book.code_of(AGENCY, nth.to_bytes(16)) for nth in range(len(rows))]
    book.take({AGENCY: InUse(issued=1, newest=2, accepted=frozenset({1, 2}))})
    begun = time.monotonic()
    for row, code in zip(rows, codes, strict=True):
        aad = bind(labels.LINKAGE_CODE, AGENCY, row[0])
        ring.decrypt("codes", row[4], aad)
        fresh = book.renewed(code, AGENCY)
        ring.index("codes", bind(labels.LINKAGE_CODE_INDEX, fresh))
        ring.encrypt("codes", fresh, aad)
    return time.monotonic() - begun


async def measure(running: Running, count: int, per_s: int) -> None:
    items, people = record_items(), range(1, min(count, ASKED_ABOUT) + 1)
    await register(running, ({**items[nth % len(items)], "record_id": f"r-{nth}", "integrated_number": f"{nth:015d}", "auto_response": "allowed"} for nth in people))  # fmt: skip
    codes, rows = made(running, count)
    admin = await asyncpg.connect(await create_database(running.admin_dsn))
    await admin.execute("select set_config('search_path', $1, false)", TENANT)
    await admin.copy_records_to_table("person_code", columns=COLUMNS, records=rows)
    await admin.execute("analyze person_code")
    parties = Parties(
        core=running.role("network").open_keys("network").ring.signer("permit"),
        inquirer=running.role("neighbours-intermediate").open_keys(INQUIRER).ring.signer("signing"),
    )
    identity = running.role("network").hosted["network"].identity
    url = f"{running.url('intermediate')}/{AGENCY}/provisions"
    whose = itertools.cycle(codes[: len(people)])
    async with channel.session(tls.client_context(identity, identity.ca), connections=MOST_ON_THEIR_WAY) as client:

        async def traffic(seconds: int) -> list[float]:
            now = datetime.now(UTC)
            bodies = [parties.arriving(code, now)[0] for code in itertools.islice(whose, per_s * seconds)]
            return await offered(client, url, bodies, per_s)

        await traffic(3)
        quiet = await traffic(BEFORE_S)
        watch, during = Watch(), []
        await announce(running)
        until = time.monotonic() + LONGEST_S
        while (found := await standing(admin)) is None or found["settled_at"] is None:
            during += await traffic(STEP_S)
            assert time.monotonic() < until, found
        steal = watch.steal_percent()
    await admin.close()
    assert (found["renewed"], found["refused"]) == (count, 0)
    took = (found["settled_at"] - found["begun_at"]).total_seconds()
    alone = bare(rows, running)
    print(
        f"{count:,} codes renewed in {took:.1f} s: {count / took:,.0f}/s beside {per_s} provisions/s; cryptography alone {count / alone:,.0f}/s; steal {steal:.0f} %"
    )
    told = [[round(1000 * quantile(some, q), 1) for q in (0.5, 0.99)] for some in (quiet, during)]
    times = told[1][1] / told[0][1]
    print(
        f"provisions, p50 and p99 in ms: {told[0]} before ({len(quiet)}), {told[1]} during it ({len(during)}): {times:.2f} times (target: less than 2: {'met' if times < 2 else 'MISSED'})"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    per_s = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    options = {role: {"code_epochs_poll_s": 0.5} for role in ROLES}
    try:
        with Running(
            data, roles=ROLES, ports="free", topology=parse(TOPOLOGY), options=options, key_profile="cheapest"
        ) as running:
            asyncio.run(measure(running, count, per_s))
    finally:
        with suppress(OSError):
            discard(data)


if __name__ == "__main__":
    main()
