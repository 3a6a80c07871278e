"""How fast a log is verified: stored bytes, whole exports, and what hashing alone would allow in the same run.

    python benchmarks/evidence_speed.py [entries]

Target: 200,000 entries/s over stored bytes (leaf hash compared, tree derived, root compared).
Prints medians of five runs and their ratio to the limit, which is the leaf and node hashes alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from statistics import median
from time import perf_counter

from evidence.canonical import decode
from evidence.checkpoint import format_vkey, sign
from evidence.entry import EntryKind, encode_entry, exchange_entry
from evidence.export import Header, LogParty, StoredEntry, write
from evidence.merkle import Frontier, leaf_hash
from evidence.verify import Export, verify
from keys.masked import Secret
from keys.signing import Signer

RUNS = 5
TARGET = 200_000
BATCH = 1024
EVERY = 1000
ORIGIN = "sekisho.test/asahi/intermediate/2026"


def body(number: int) -> bytes:
    return encode_entry(
        exchange_entry(
            id=f"E{number:026}",
            at=datetime(2026, 11, 24, tzinfo=UTC) + timedelta(milliseconds=number),
            kind=EntryKind.INQUIRY_REGISTERED,
            inquiry_number=f"Q{number:026}",
            inquirer="asahi",
            provider="midori",
            basis="l-8-16",
            item="r-12-3",
            information="tax.resident",
            items=["income", "amount"],
            list_digest="a" * 64,
            request_digest="b" * 64,
            subject="c" * 64,
        )
    )


def hashes_alone(bodies: list[bytes], _leaves: list[bytes], _root: bytes) -> None:
    """As many SHA-256 calls of the same lengths as the tree needs, and nothing else."""
    pair = bytes(65)
    for data in bodies:
        sha256(data).digest()
        sha256(pair).digest()


def stored_bytes(bodies: list[bytes], leaves: list[bytes], root: bytes) -> None:
    tree = Frontier()
    for at in range(0, len(bodies), BATCH):
        again = [leaf_hash(data) for data in bodies[at : at + BATCH]]
        assert again == leaves[at : at + BATCH]
        tree = tree.extend(again).frontier
    assert tree.root() == root


def stored_and_parsed(bodies: list[bytes], leaves: list[bytes], root: bytes) -> None:
    stored_bytes(bodies, leaves, root)
    for data in bodies:
        decode(data)


def rate(work: Callable[[], None], count: int) -> float:
    runs = []
    for _ in range(RUNS):
        start = perf_counter()
        work()
        runs.append(perf_counter() - start)
    return count / median(runs)


def export_lines(bodies: list[bytes], leaves: list[bytes]) -> list[bytes]:
    signer = Signer(Secret(bytes(range(32))))
    notes, tree = [], Frontier()
    for at in range(0, len(leaves), EVERY):
        tree = tree.extend(leaves[at : at + EVERY]).frontier
        notes.append(sign(ORIGIN, tree.size, tree.root(), signer))
    header = Header(
        agency="asahi",
        origin=ORIGIN,
        party=LogParty.INTERMEDIATE,
        size=len(bodies),
        vkey=format_vkey(ORIGIN, signer.public_key),
    )
    entries = (StoredEntry(index=i, leaf=leaves[i], body=data) for i, data in enumerate(bodies))
    return list(write(header, entries=entries, checkpoints=notes, peers=[]))


def main(count: int) -> None:
    bodies = [body(number) for number in range(count)]
    leaves = [leaf_hash(data) for data in bodies]
    root = Frontier().extend(leaves).frontier.root()
    export = Export("asahi", export_lines(bodies, leaves))
    assert verify([export]).clean

    limit = rate(lambda: hashes_alone(bodies, leaves, root), count)
    figures = [
        ("hashes alone (limit)", limit),
        ("stored bytes: leaves, tree, root", rate(lambda: stored_bytes(bodies, leaves, root), count)),
        ("the same, each entry parsed again", rate(lambda: stored_and_parsed(bodies, leaves, root), count)),
        (f"export: lines, checkpoints every {EVERY}", rate(lambda: verify([export]), count)),
    ]
    print(f"{count:,} entries of {len(bodies[0])} bytes, medians of {RUNS}")
    for name, figure in figures:
        print(f"{name:40} {figure:12,.0f} entries/s   {figure / limit:6.2f} of the limit")
    print(f"target over stored bytes: {TARGET:,} entries/s: {'met' if figures[1][1] >= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
