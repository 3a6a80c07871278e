"""A backup put into an empty schema (SC-15): all of it or nothing, without what was erased meanwhile, and its log opened anew.

Done by the administrator of the database while the server is stopped. What a server must not bring back beside that, it leaves out in the same
transaction (`filled`). What lay under a key that was destroyed is not readable: the ring is not in a backup.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

from evidence import checkpoint
from keys.masked import Secret
from keys.windows import PublicKeys
from storage import sql
from storage.backups.form import BackedUp, Checked, Part, Table, TableEnd, read, read_head
from storage.erasure_journal import ErasureJournal
from storage.fault_points import declare
from storage.marks import OPENINGS, Marks
from storage.migrations import Admin

_SQL = sql.load("storage.backups")
_FILLED: Final = declare("restore", "commit.restored")
_MIGRATION: Final = "migration"
COPY_S: Final = 3_600.0
"""Seconds for the rows of one table."""


class RestoreRefusedError(Exception):
    """Nothing was restored; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a restore goes, and with what its backup is read. `left_out`: tables that are never in a backup; `set_up`: those that an empty schema
    has rows in; `journal`: what was erased since.
    """

    agency: str
    database: BackedUp
    schema: str
    private: Secret
    log_keys: PublicKeys
    journal: ErasureJournal
    now: datetime
    left_out: frozenset[str]
    set_up: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A schema with the rows of a backup, in a transaction that is open. `tables`: rows by table; `made_at`: of the snapshot."""

    backup_id: str
    made_at: datetime
    tables: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`erased`: rows that were left out; `times`: how often the log has been opened anew."""

    backup_id: str
    tables: dict[str, int]
    erased: int
    times: int


def verify(file: IO[bytes], private: Secret, log_keys: PublicKeys) -> dict[str, int]:
    """Read a whole backup; rows by table. Raises BackupBrokenError."""
    checked = Checked()
    for _ in read(file, private, log_keys, checked):
        pass
    return checked.tables


@asynccontextmanager
async def filled(admin: Admin, file: IO[bytes], of: Target) -> AsyncIterator[Filled]:
    """Read the whole file first, then fill the schema; what the block does belongs to the same transaction.

    Raises BackupBrokenError, RestoreRefusedError, asyncpg's errors; then nothing is there.
    """
    head, _ = read_head(file)
    if head.agency != of.agency:
        raise RestoreRefusedError("backup_of_another_agency")
    if head.database is not of.database:
        raise RestoreRefusedError("backup_of_another_database")
    tables = verify(file, of.private, of.log_keys)
    async with admin.transaction():
        await admin.execute("select set_config('search_path', $1, true)", of.schema)
        here = {row["name"]: list(row["columns"]) for row in await admin.fetch(_SQL["tables"])}
        await _check_target(admin, here, set(tables), of)
        before = await _migrations(admin)
        for name in reversed([name for name in here if name in {*of.set_up, _MIGRATION}]):
            await admin.execute(await admin.fetchval(_SQL["empty_table"], name))
        await _fill(admin, read(file, of.private, of.log_keys, Checked()), here)
        if await _migrations(admin) != before:
            raise RestoreRefusedError("made_by_another_version")
        await admin.fetch(_SQL["restart_sequences"], int(of.now.timestamp() * 1_000_000))
        yield Filled(backup_id=head.backup_id, made_at=datetime.fromisoformat(head.made_at), tables=tables)
        _FILLED.before.reached()
    _FILLED.after.reached()


async def _migrations(admin: Admin) -> list[Any]:
    return [(row["name"], row["sha256"]) for row in await admin.fetch(_SQL["migrations"])]


async def _check_target(admin: Admin, here: Collection[str], named: set[str], of: Target) -> None:
    """The schema is that of the backup, and nothing stands in it but what set-up put there."""
    if named != set(here) - of.left_out:
        raise RestoreRefusedError("made_by_another_version")
    for name in set(here) - of.set_up - {_MIGRATION}:
        if not await admin.fetchval(await admin.fetchval(_SQL["is_empty"], name)):
            raise RestoreRefusedError("schema_not_empty")


async def _fill(admin: Admin, parts: Iterator[Part], here: dict[str, list[str]]) -> None:
    """The tables come in the order in which their references hold."""
    for part in parts:
        if not isinstance(part, Table):
            continue
        if part.columns != here.get(part.name):
            raise RestoreRefusedError("made_by_another_version")
        await _copy(admin, part, parts)


async def _copy(admin: Admin, table: Table, parts: Iterator[Part]) -> None:
    ended: list[TableEnd] = []

    async def rows() -> AsyncIterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            elif isinstance(part, TableEnd):
                ended.append(part)
                return

    copied = await admin.copy_to_table(table.name, source=rows(), columns=table.columns, timeout=COPY_S)
    if not ended or int(copied.rpartition(" ")[2]) != ended[0].rows:
        raise RestoreRefusedError("rows_differ")


async def erased_since(
    admin: Admin, of: Target, there: Filled, table: str, column: str, *, named: str | None = None
) -> list[Any]:
    """Keys of the restored rows of a table that were erased after the snapshot, or ended otherwise.

    `column`: the one that the journal knows them by; `named`: what they are called there, unless it is the table's name.
    """
    erased = of.journal.erased_since(there.made_at, there.backup_id)
    if not erased:
        return []
    keys = [row[0] for row in await admin.fetch(await admin.fetchval(_SQL["keys_of"], table, column))]
    return [key for key in keys if not erased.isdisjoint(of.journal.digests(named or table, _said(key)))]


def _said(key: Any) -> str | bytes:
    return key if isinstance(key, bytes) else str(key)


async def open_anew(admin: Admin, filled: Filled, marks: Marks, *, by: str, now: datetime) -> int:
    """The log goes on under an origin that it never had, since a second history under one would be a fork; the server records that as the first
    entries there, one for each origin whose end is lost: the one that was backed up, and those of restores from the same backup before.

    Returns how often it has been opened anew. Raises StorageUnavailableError.
    """
    head = await admin.fetchrow(_SQL["newest_head"])
    if head is None:
        raise RestoreRefusedError("backup_without_a_log")
    first, before = checkpoint.first_of(head["origin"])
    times = max(before, marks.read().get(OPENINGS, 0)) + 1
    marks.raise_to(OPENINGS, times)
    await admin.execute("alter table log_head disable trigger log_head_forward_only")
    await admin.execute(_SQL["next_origin"], head["year"], checkpoint.opened_anew(first, times))
    await admin.execute("alter table log_head enable trigger log_head_forward_only")
    for nth in range(before + 1, times + 1):
        await admin.execute(_SQL["log_opened_anew"], nth, now, by, filled.backup_id, head["year"], head["size"])
    return times
