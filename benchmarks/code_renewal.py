"""Renewal of an agency's codes to a new epoch (IS-1): codes a second through core, TLS and database, beside the same work bare.

`python -m benchmarks.code_renewal [CODES]`. The renewal leaves half of the time to the traffic. Bare, in the same run: opening, converting,
indexing and sealing each code in this process, without a socket or a commit.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from adapters.jlis_mock.core.codes import CodeBook, InUse, purpose_of
from benchmarks.machine import Watch
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.launcher import Running
from keys import labels
from keys.binding import bind
from keys.ring import Keyring
from storage.key_store import KeyStore
from storage.postgres import discard
from tests.support.running_system import quick_stage

ROLES: Final = ("intermediate", "network")
TENANT: Final = "a_setagaya_intermediate"
LONGEST_S: Final = 240.0


def ring_of(running: Running, role: str, agency: str) -> Keyring:
    config = running.role(role)
    return KeyStore.open(config.hosted[agency].keys, config.passphrase).ring


def made(running: Running, count: int) -> list[tuple[Any, ...]]:
    """Rows of `person_code`: codes that the core would have made, sealed as the server seals them."""
    book = CodeBook(ring_of(running, "network", "network"), [WARD])
    ring, now, rows = ring_of(running, "intermediate", WARD), DEMO_DAY, []
    for nth in range(count):
        number, code = f"{nth:015d}", book.code_of(WARD, nth.to_bytes(16))
        index = ring.index("codes", bind(labels.LINKAGE_CODE_INDEX, code))
        sealed = ring.encrypt("codes", code, bind(labels.LINKAGE_CODE, WARD, number))
        rows.append((number, nth.to_bytes(32), now + timedelta(days=1), index, sealed, now, 1))
    return rows


async def fill(running: Running, rows: list[tuple[Any, ...]]) -> None:
    columns = ["integrated_number", "acquisition_index", "expires_at", "code_index", "code_sealed", "bound_at", "epoch"]
    connection = await asyncpg.connect(running.admin_dsn.replace("/postgres?", "/sekisho?"))
    try:
        await connection.copy_records_to_table("person_code", schema_name=TENANT, columns=columns, records=rows)
        await connection.execute(f"analyze {TENANT}.person_code")
    finally:
        await connection.close()


async def renew(running: Running) -> float:
    """Seconds from the announcement until the agency has settled."""
    stage = quick_stage(running, 1)
    order = {"agency": WARD, "epoch": 2, "accept_s": 3600}
    async with stage.staff("network", "network") as staff:
        begun = time.monotonic()
        assert await staff.items("/code-epochs/announce", [order]) == [{"announced": True}]
        while time.monotonic() - begun < LONGEST_S:
            [answer] = await staff.items("/code-epochs", [{}])
            if next(one for one in answer["epochs"] if one["agency"] == WARD)["state"] == "settled":
                return time.monotonic() - begun
            await asyncio.sleep(0.1)
    raise TimeoutError


def bare(rows: list[tuple[Any, ...]], running: Running) -> float:
    """Seconds of the same cryptography in one process."""
    core, ring = Keyring.new(), ring_of(running, "intermediate", WARD)
    core.create(purpose_of(WARD))
    core.rotate(purpose_of(WARD))
    book = CodeBook(core, [WARD])
    codes = [book.code_of(WARD, nth.to_bytes(16)) for nth in range(len(rows))]
    book.take({WARD: InUse(issued=1, newest=2, accepted=frozenset({1, 2}))})
    begun = time.monotonic()
    for row, code in zip(rows, codes, strict=True):
        aad = bind(labels.LINKAGE_CODE, WARD, row[0])
        ring.decrypt("codes", row[4], aad)
        fresh = book.renewed(code, WARD)
        ring.index("codes", bind(labels.LINKAGE_CODE_INDEX, fresh))
        ring.encrypt("codes", fresh, aad)
    return time.monotonic() - begun


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    folder = Path(tempfile.mkdtemp(prefix="sekisho-renewal-"))
    options = {role: {"code_epochs_poll_s": 0.5} for role in ROLES}
    try:
        with Running(
            folder, roles=ROLES, ports="free", options=options, key_profile="cheapest", clock=DEMO_DAY
        ) as running:
            rows = made(running, count)
            asyncio.run(fill(running, rows))
            watch = Watch()
            took = asyncio.run(renew(running))
            steal = watch.steal_percent()
            alone = bare(rows, running)
    finally:
        discard(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{count} codes renewed in {took:.1f} s: {count / took:.0f}/s, half of the time left to the traffic; "
        f"cryptography alone {count / alone:.0f}/s; steal {steal:.0f} %"
    )


if __name__ == "__main__":
    main()
