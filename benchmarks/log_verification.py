"""A whole log written, exported and verified: seconds, entries/s and memory, beside hashing alone in the same run (IS-5).

`python -m benchmarks.log_verification [ENTRIES] [ENTRIES OF WHICH THE BYTES ALONE]`. Target: 10,000,000 entries' bytes verified in under 60 s, with flat memory. The log is built by
COPY, exported by the server's own code into a file, and verified from the file as `sekisho verify` does.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.evidence_speed import BATCH, body
from evidence.checkpoint import sign
from evidence.export import LogParty
from evidence.merkle import Frontier, leaf_hash
from evidence.verify import Export, verify
from gateway.verify_command import FileLines
from storage.evidence_log import store
from storage.postgres import EmbeddedPostgres, discard
from tests.support.records_world import AGENCY, ORIGIN, Records, records_world

TARGET_S: Final = 60
WHOLE: Final = 10_000_000
_YEAR: Final = 2026
_EVERY: Final = 1_000
_COPIED: Final = 100_000
_COLUMNS: Final = ("year", "idx", "entry_id", "at", "kind", "body", "leaf")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def build(world: Records, count: int) -> None:
    """Entries by COPY, a checkpoint every thousand, and the head."""
    tree, notes, signer = Frontier(), [], world.agency.keys.ring.signer("log")
    origin = f"{ORIGIN}/{_YEAR}"
    async with world.administrator() as admin:
        await admin.execute("insert into log_head values ($1, $2, 0, '', '')", _YEAR, origin)
        for start in range(0, count, _COPIED):
            bodies = [body(number) for number in range(start, min(start + _COPIED, count))]
            leaves = [leaf_hash(data) for data in bodies]
            rows = [
                (_YEAR, start + at, f"E{start + at:026}", world.clock(), "inquiry.registered", data, leaf)
                for at, (data, leaf) in enumerate(zip(bodies, leaves, strict=True))
            ]
            await admin.copy_records_to_table(
                "log_entry", records=rows, columns=_COLUMNS, schema_name=world.agency.tenant
            )
            for at in range(0, len(leaves), _EVERY):
                tree = tree.extend(leaves[at : at + _EVERY]).frontier
                notes.append((_YEAR, tree.size, tree.root(), sign(origin, tree.size, tree.root(), signer)))
        await admin.copy_records_to_table("log_checkpoint", records=notes, schema_name=world.agency.tenant)
        await admin.execute(
            "update log_head set size = $1, peaks = $2, note = $3", tree.size, tree.to_bytes(), notes[-1][3]
        )


async def export(world: Records, target: Path) -> None:
    key = world.agency.keys.ring.signer("log").public_key
    with target.open("wb") as file:
        async for block in store.export(
            world.agency.database,
            world.agency.tenant,
            agency=AGENCY,
            party=LogParty.INTERMEDIATE,
            public_key=key,
            year=_YEAR,
        ):
            file.write(block)


def stored_bytes(count: int) -> float:
    """Seconds for the bytes alone: every body hashed, the tree derived. The bodies are made outside the time that is taken, a batch at a time."""
    tree, seconds = Frontier(), 0.0
    for start in range(0, count, BATCH):
        bodies = [body(number) for number in range(start, min(start + BATCH, count))]
        begun = perf_counter()
        tree = tree.extend([leaf_hash(data) for data in bodies]).frontier
        seconds += perf_counter() - begun
    assert tree.size == count
    return seconds


def bytes_verified(count: int) -> None:
    """All of them, beside hashing alone and the memory that it took."""
    stored_bytes(BATCH)
    before = peak_mb()
    seconds = stored_bytes(count)
    memory = peak_mb()
    sample = [body(number) for number in range(min(count, 200_000))]
    start = perf_counter()
    for data in sample:
        sha256(data).digest()
        sha256(data[:65]).digest()
    limit = (perf_counter() - start) * count / len(sample)
    print(
        f"verify the bytes of {count:,} entries: {seconds:.1f} s, {count / seconds:,.0f} entries/s, {seconds / limit:.2f} of hashing alone ({limit:.1f} s); memory +{memory - before:.0f} MB"
    )
    scaled = seconds * WHOLE / count
    print(
        f"target: {WHOLE:,} entries' bytes under {TARGET_S} s: {scaled:.0f} s, {'met' if scaled < TARGET_S else 'MISSED'}"
    )


async def measure(count: int, folder: Path, dsn: str) -> None:
    target = folder / "export.ndjson"
    async with records_world(folder, dsn) as world:
        start = perf_counter()
        await build(world, count)
        print(f"built {count:,} entries in {perf_counter() - start:.0f} s, peak so far {peak_mb():.0f} MB")
        start, before = perf_counter(), peak_mb()
        await export(world, target)
        seconds = perf_counter() - start
        print(
            f"export: {seconds:.1f} s, {count / seconds:,.0f} entries/s, {target.stat().st_size / 1e6:.0f} MB, memory +{peak_mb() - before:.0f} MB"
        )
        trusted = world.trusted()
    start, before = perf_counter(), peak_mb()
    report = verify([Export("export", FileLines(target))], trusted)
    seconds = perf_counter() - start
    assert report.clean
    assert report.logs[0].entries == count
    print(f"verify the export: {seconds:.1f} s, {count / seconds:,.0f} entries/s, memory +{peak_mb() - before:.0f} MB")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    bytes_verified(int(sys.argv[2]) if len(sys.argv) > 2 else count)
    if not count:
        return
    data = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    server = EmbeddedPostgres(data / "pg")
    try:
        asyncio.run(measure(count, data, server.start("bench")))
    finally:
        server.stop()
        discard(data)


if __name__ == "__main__":
    main()
