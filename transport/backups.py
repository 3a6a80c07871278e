"""What the making of a backup is at every server of an agency (SC-15): one at a time, sealed to the agency's key, in the journal of erasures before its
snapshot, on record before its first byte leaves and once more when it is complete; a job (IS-10) that ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
from prometheus_client import Gauge

from evidence.canonical import timestamp
from keys.signing import Signer
from storage.backups.form import BackedUp, Writer
from storage.database import StorageUnavailableError
from storage.erasure_journal import ErasureJournal
from transport.clock import Clock
from transport.problem import ProblemError

KIND: Final = "backup"
"""Of its job."""
LAST_BACKUP: Final = Gauge(
    "sekisho_backup_made_at", "When the latest backup was complete, in seconds of the epoch", ["agency", "database"]
)
_busy: set[tuple[str, BackedUp]] = set()


def public_key(folder: Path, agency: str) -> bytes | None:
    """The public half of the key that backups of this agency are sealed to, as it lies in the role's folder now; None where there is none."""
    try:
        return (folder / "backup" / f"{agency}.public").read_bytes()
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup that is to be made. `public`: what it is sealed to; `signer`: of the agency's log; `at`: of its id and its head; `journal`: of what is
    erased here.

    `begin` and `made` put it on record, the first with its job; `end` ends the job: why it failed, None when it did not.
    """

    agency: str
    database: BackedUp
    backup_id: str
    at: datetime
    public: bytes | None
    signer: Signer
    journal: ErasureJournal
    clock: Clock
    begin: Callable[[], Awaitable[None]]
    made: Callable[[Writer], Awaitable[None]]
    end: Callable[[str | None], Awaitable[None]]


@asynccontextmanager
async def begun(backup: Backup) -> AsyncIterator[Writer]:
    """A backup that may be made, on record; its job ends with the block. Raises ProblemError 409, StorageUnavailableError."""
    if backup.public is None:
        raise ProblemError(409, "backup_key_missing", "No backup key is set up for this agency; see `sekisho backup`.")
    which = (backup.agency, backup.database)
    if which in _busy:
        raise ProblemError(409, "backup_running", "A backup of this agency is being made; wait for its end.")
    _busy.add(which)
    try:
        writer = Writer(
            backup.public,
            backup_id=backup.backup_id,
            agency=backup.agency,
            database=backup.database,
            made_at=timestamp(backup.at),
            signer=backup.signer,
        )
        await asyncio.to_thread(backup.journal.begin_backup, backup.backup_id, backup.at)
        await backup.begin()
        async with _ending(backup):
            yield writer
            await backup.made(writer)
            told(backup.agency, backup.database, backup.clock())
    finally:
        _busy.discard(which)


@asynccontextmanager
async def _ending(backup: Backup) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as failure:
        known = isinstance(failure, StorageUnavailableError | asyncpg.PostgresError)
        await asyncio.shield(backup.end("storage_unavailable" if known else "interrupted"))
        raise
    await backup.end(None)


def told(agency: str, database: BackedUp, made_at: datetime | None) -> None:
    """Set the metric; None: no backup was complete as far as history is kept."""
    if made_at is not None:
        LAST_BACKUP.labels(agency, database.value).set(made_at.timestamp())
