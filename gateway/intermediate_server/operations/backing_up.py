"""A backup of one agency's schema (SC-15): on command of an administrator with both factors, recorded before its first byte leaves, sealed to the backup key.

COPY of each table in one snapshot, streamed: memory stays flat, and traffic goes on. The key ring is no part of it, so what lies under a key that was
destroyed stays unreadable. Sessions, challenges and counts of attempts are left out: no restore may open one again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg
import msgspec
from prometheus_client import Gauge

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.operations import jobs
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import File, Function
from gateway.intermediate_server.staff.second_person import prove_for
from storage.backups import making
from storage.backups.form import BackedUp, Writer
from storage.backups.making import Send
from storage.committer import Commit, commit_step
from storage.database import StorageUnavailableError
from transport.problem import ProblemError

_BEGUN = commit_step("intermediate", "backup.begun")
_MADE = commit_step("intermediate", "backup.made")
LEFT_OUT: Final = frozenset({"staff_session", "staff_challenge", "staff_attempt"})
PURPOSE: Final = "backup"
LAST_BACKUP: Final = Gauge(
    "sekisho_backup_made_at", "When the latest backup was complete, in seconds of the epoch", ["agency"]
)
_busy: set[str] = set()


class BackupItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90076: both factors anew, for the purpose `backup`."""

    proof: Proof


BACKUP_ITEM = msgspec.json.Decoder(BackupItem)


@asynccontextmanager
async def begun(acting: Acting, item: BackupItem, now: datetime) -> AsyncIterator[Writer]:
    """A backup that may be made, on record; its job ends with the block. Raises ProblemError 401, 403, 409."""
    agency = acting.desk.agency
    if agency.backup_key is None:
        raise ProblemError(409, "backup_key_missing", "No backup key is set up for this agency; see `sekisho backup`.")
    if not acting.may_on(Function.BACKUP, File.SYSTEM):
        raise ProblemError(403, "right_missing", "Your right to backups does not name this database's file.")
    await prove_for(acting, PURPOSE, item.proof, now)
    if agency.id in _busy:
        raise ProblemError(409, "backup_running", "A backup of this agency is being made; wait for its end.")
    _busy.add(agency.id)
    backup_id = agency.new_id("B", now)
    try:
        writer = Writer(
            agency.backup_key,
            backup_id=backup_id,
            agency=agency.id,
            database=BackedUp.INTERMEDIATE,
            made_at=timestamp(now),
            signer=agency.keys.ring.signer("log"),
        )
        entry = acting.entry(now, EntryKind.BACKUP_MADE, Function.BACKUP, event="begun", backup=backup_id)
        opening = jobs.opening("backup", backup_id, acting.staff_id, now)
        await agency.committer.apply(Commit(step=_BEGUN, guard=opening, entries=(entry,)))
        async with _ending(agency, backup_id):
            yield writer
            await _record_end(acting, writer, backup_id)
    finally:
        _busy.discard(agency.id)


@asynccontextmanager
async def _ending(agency: HostedAgency, backup_id: str) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as failure:
        known = isinstance(failure, StorageUnavailableError | asyncpg.PostgresError)
        reason = "storage_unavailable" if known else "interrupted"
        await asyncio.shield(jobs.end(agency, backup_id, reason))
        raise
    await jobs.end(agency, backup_id, None)


async def watch(agency: HostedAgency) -> None:
    """Set the metric: when the latest backup was complete, as far as history is kept. Raises StorageUnavailableError."""
    made = await jobs.last_end(agency, "backup")
    if made is not None:
        LAST_BACKUP.labels(agency.id).set(made.timestamp())


async def _record_end(acting: Acting, writer: Writer, backup_id: str) -> None:
    agency = acting.desk.agency
    now = agency.clock()
    entry = acting.entry(
        now,
        EntryKind.BACKUP_MADE,
        Function.BACKUP,
        event="made",
        backup=backup_id,
        bytes=writer.size,
        rows=sum(writer.counts.values()),
    )
    await agency.committer.apply(Commit(step=_MADE, entries=(entry,)))
    LAST_BACKUP.labels(agency.id).set(now.timestamp())


async def write(agency: HostedAgency, writer: Writer, send: Send) -> None:
    """Send a whole backup. Raises as `storage.backups.making.write`."""

    async def told(done: int, total: int) -> None:
        await jobs.advance(agency, writer.backup_id, done, total, writer.counts)

    await making.write(agency.database, agency.tenant, writer, send, left_out=LEFT_OUT, told=told)
