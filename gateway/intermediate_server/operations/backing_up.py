"""A backup of one agency's schema (SC-15): on command of an administrator with both factors, recorded before its first byte leaves, sealed to the backup key.

COPY of each table in one snapshot, streamed: memory stays flat, and traffic goes on. The key ring is no part of it, so what lies under a key that was
destroyed stays unreadable. Sessions, challenges and counts of attempts are left out: no restore may open one again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.operations import jobs
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.operating import Acting, Lasting
from gateway.intermediate_server.staff.rights import File, Function
from gateway.intermediate_server.staff.second_person import prove_for
from storage.backups import making
from storage.backups.form import BackedUp, Writer
from storage.backups.making import Send
from storage.committer import Commit, commit_step
from transport import backups
from transport.backups import Backup
from transport.problem import ProblemError

_BEGUN = commit_step("intermediate", "backup.begun")
_MADE = commit_step("intermediate", "backup.made")
LEFT_OUT: Final = frozenset({"staff_session", "staff_challenge", "staff_attempt"})
PURPOSE: Final = "backup"


class BackupItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90076: both factors anew, for the purpose `backup`."""

    proof: Proof


BACKUP_ITEM = msgspec.json.Decoder(BackupItem)


@asynccontextmanager
async def begun(acting: Acting, item: BackupItem, now: datetime) -> AsyncIterator[Writer]:
    """A backup that may be made, on record; its job ends with the block. Raises ProblemError 401, 403, 409."""
    agency = acting.desk.agency
    if not acting.may_on(Function.BACKUP, File.SYSTEM):
        raise ProblemError(403, "right_missing", "Your right to backups does not name this database's file.")
    await prove_for(acting, PURPOSE, item.proof, now)
    backup_id = agency.new_id("B", now)

    async def begin() -> None:
        entry = acting.entry(now, EntryKind.BACKUP_MADE, Function.BACKUP, event="begun", backup=backup_id)
        opening = jobs.opening(backups.KIND, backup_id, acting.staff_id, now)
        begun = Commit(step=_BEGUN, guard=opening, entries=(entry,))
        await acting.commit(begun, lambda grant: grant.names(Function.BACKUP, File.SYSTEM))

    backup = Backup(
        agency=agency.id,
        database=BackedUp.INTERMEDIATE,
        backup_id=backup_id,
        at=now,
        public=agency.backup_key(),
        signer=agency.keys.ring.signer("log"),
        journal=agency.erasures,
        clock=agency.clock,
        begin=begin,
        made=partial(_record_end, acting),
        end=partial(jobs.end, agency, backup_id),
    )
    async with backups.begun(backup) as writer:
        yield writer


async def watch(agency: HostedAgency) -> None:
    """Set the metric: when the latest backup was complete, as far as history is kept. Raises StorageUnavailableError."""
    backups.told(agency.id, BackedUp.INTERMEDIATE, await jobs.last_end(agency, backups.KIND))


async def _record_end(acting: Acting, writer: Writer) -> None:
    agency = acting.desk.agency
    entry = acting.entry(
        agency.clock(),
        EntryKind.BACKUP_MADE,
        Function.BACKUP,
        event="made",
        backup=writer.backup_id,
        bytes=writer.size,
        rows=sum(writer.counts.values()),
    )
    await agency.committer.apply(Commit(step=_MADE, entries=(entry,)))


async def write(acting: Acting, writer: Writer, send: Send) -> None:
    """Send a whole backup, while whoever makes it still may. Raises as `storage.backups.making.write`, and ProblemError 401, 403."""
    agency, lasting = acting.desk.agency, Lasting(acting)

    async def sending(part: bytes) -> None:
        await lasting.look()
        await send(part)

    async def told(done: int, total: int) -> None:
        await jobs.advance(agency, writer.backup_id, done, total, writer.counts)

    await making.write(agency.database, agency.tenant, writer, sending, left_out=LEFT_OUT, told=told)
