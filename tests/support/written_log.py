"""Exchange records put into a running agency's log by a second process with its keys, as another of its servers would: a past to count and to look at."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from evidence.entry import EntryKind, encode_entry, exchange_entry
from gateway.launcher import Running
from storage.committer import Commit, Committer, NewEntry, commit_step
from storage.committing import commit
from storage.database import Database

STEP = commit_step("test", "past")


@asynccontextmanager
async def log_of(running: Running, role: str = "intermediate", agency: str = "setagaya") -> AsyncIterator[Committer]:
    config = running.role(role)
    database = await Database.open(config.dsn, connections=2)
    committer = Committer(
        database,
        config.hosted[agency].tenant,
        origin=f"sekisho.example/{agency}/intermediate",
        signer=partial(config.open_keys(agency).ring.signer, "log"),
        clock=config.clock,
    )
    working = asyncio.get_running_loop().create_task(commit([committer]))
    try:
        yield committer
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await database.close()


def ended(kind: EntryKind, at: datetime, **more: str | None) -> NewEntry:
    """One step of an exchange between the ward and a neighbour."""
    entry_id = secrets.token_hex(13)
    said = {
        "inquiry_number": f"Q{secrets.token_hex(13).upper()}", "inquirer": "suginami", "provider": "setagaya", "basis": "beppyo2-2022", "item": "27",
        "information": "医療保険給付関係情報", **more,
    }  # fmt: skip
    body = encode_entry(exchange_entry(id=entry_id, at=at, kind=kind, **said))
    return NewEntry(
        entry_id=entry_id, at=at, kind=kind.value, inquiry_number=said["inquiry_number"], body=body, personal=None
    )


async def append(committer: Committer, entries: Sequence[NewEntry]) -> None:
    """In batches, as many entries a commit as a server would never have: it is a past."""
    for start in range(0, len(entries), 2_000):
        await committer.apply(Commit(step=STEP, entries=tuple(entries[start : start + 2_000])))
