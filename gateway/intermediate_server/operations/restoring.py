"""A backup put into an empty schema (SC-15): all of it or nothing, without what was erased meanwhile, and its log opened anew.

Done by the administrator of the database for an administrator of the agency, whose two factors are examined against what the backup itself says of
them; the role is stopped. What a restore must not bring back:

1. rows that were erased after the snapshot (storage.erasure_journal);
2. what lay under a key that was destroyed: the ring is not in a backup;
3. sessions and challenges: they are not in a backup;
4. rights that may have been revoked since: every grant but those of administration is asked for anew and takes a second person again (SC-11);
5. the log's origin: a second history under it would be a fork (records.standing);
6. answers without a bar that was set since, or from copies that have changed since: use is suspended until two of the staff end that (SC-4, SC-27).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

from evidence import checkpoint
from gateway.intermediate_server.operations.backing_up import LEFT_OUT
from gateway.intermediate_server.operations.backup_file import Checked, Part, Table, TableEnd, read, read_head
from gateway.intermediate_server.staff.factors import card_id_of, password_fits
from gateway.intermediate_server.staff.rights import Function
from keys.masked import Secret
from keys.windows import PublicKeys
from storage import sql
from storage.erasure_journal import ErasureJournal
from storage.migrations import Admin

_SQL = sql.load("gateway.intermediate_server.operations")
_ERASABLE: Final = {"replica": "record_id", "person_code": "acquisition_index"}
"""Tables whose rows are erased one by one, with the column that the journal knows them by."""
KEPT_GRANTS: Final = [
    Function.STAFF_ADMINISTER.value, Function.STAFF_APPROVE.value, Function.STAFF_ANALYSE.value, Function.BACKUP.value
]  # fmt: skip


class RestoreRefusedError(Exception):
    """Nothing was restored; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """What a restore is about. `password` and `card`: what the administrator has shown; the card's key has signed in this process."""

    agency: str
    schema: str
    staff_id: str
    password: str
    card: bytes
    private: Secret
    log_keys: PublicKeys
    journal: ErasureJournal
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`tables`: rows by table; `erased`: rows that were left out; `times`: how often the log has been opened anew."""

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


async def restore(admin: Admin, file: IO[bytes], of: Restoring) -> Restored:
    """Read the whole file first, then fill the schema in one transaction. Raises BackupBrokenError, RestoreRefusedError, asyncpg's errors."""
    head, _ = read_head(file)
    if head.agency != of.agency:
        raise RestoreRefusedError("backup_of_another_agency")
    tables = verify(file, of.private, of.log_keys)
    async with admin.transaction():
        await admin.execute("select set_config('search_path', $1, true)", of.schema)
        here = {row["name"]: list(row["columns"]) for row in await admin.fetch(_SQL["tables"])}
        await _check_target(admin, here, set(tables))
        before = await _migrations(admin)
        await _fill(admin, read(file, of.private, of.log_keys, Checked()), here)
        if await _migrations(admin) != before:
            raise RestoreRefusedError("made_by_another_version")
        made_at = datetime.fromisoformat(head.made_at)
        erased = await _leave_out(admin, of.journal, made_at)
        await _examine(admin, of)
        await admin.execute(_SQL["ask_grants_anew"], KEPT_GRANTS)
        await admin.execute(_SQL["complete_job"], head.backup_id, made_at, len(tables), json.dumps(tables))
        await admin.execute(_SQL["suspend_use"], head.backup_id, of.staff_id, of.now)
        times = await _open_anew(admin, of, head.backup_id)
    return Restored(backup_id=head.backup_id, tables=tables, erased=erased, times=times)


async def _migrations(admin: Admin) -> list[Any]:
    rows = await admin.fetch("select name, sha256 from migration order by name")
    return [(row["name"], row["sha256"]) for row in rows]


async def _check_target(admin: Admin, here: dict[str, list[str]], named: set[str]) -> None:
    """The schema is that of the backup, and nothing stands in it."""
    if named != set(here) - LEFT_OUT:
        raise RestoreRefusedError("made_by_another_version")
    for name in here:
        empty = await admin.fetchval("select format('select not exists (select from %I)', $1::text)", name)
        if name != "migration" and not await admin.fetchval(empty):
            raise RestoreRefusedError("schema_not_empty")


async def _fill(admin: Admin, parts: Iterator[Part], here: dict[str, list[str]]) -> None:
    """The tables come in the order in which their references hold."""
    for part in parts:
        if not isinstance(part, Table):
            continue
        if part.columns != here.get(part.name):
            raise RestoreRefusedError("made_by_another_version")
        if part.name == "migration":
            await admin.execute(_SQL["empty_migration"])
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

    copied = await admin.copy_to_table(table.name, source=rows(), columns=table.columns, timeout=3_600)
    if not ended or int(copied.rpartition(" ")[2]) != ended[0].rows:
        raise RestoreRefusedError("rows_differ")


async def _leave_out(admin: Admin, journal: ErasureJournal, made_at: datetime) -> int:
    """1."""
    erased = journal.erased_since(made_at)
    left = 0
    for table, column in _ERASABLE.items() if erased else ():
        rows = await admin.fetch(_SQL[f"keys_of_{table}"])
        gone = [row[column] for row in rows if not erased.isdisjoint(journal.digests(table, row[column]))]
        await admin.execute(_SQL[f"leave_out_of_{table}"], gone)
        left += len(gone)
    return left


async def _examine(admin: Admin, of: Restoring) -> None:
    """Both factors of the administrator, and the right, as the backup has them."""
    row = await admin.fetchrow(_SQL["administrator"], of.staff_id, card_id_of(of.card), Function.BACKUP.value, of.now)
    stored = row["password_hash"] if row is not None else ""
    if not password_fits(stored, of.password) or row is None:
        raise RestoreRefusedError("restore_not_allowed")


async def _open_anew(admin: Admin, of: Restoring, backup_id: str) -> int:
    """5. The log goes on under its next origin; the server records that as the first entry there."""
    head = await admin.fetchrow(_SQL["newest_head"])
    if head is None:
        raise RestoreRefusedError("backup_without_a_log")
    first, times = checkpoint.first_of(head["origin"])
    origin = checkpoint.opened_anew(first, times + 1)
    await admin.execute("alter table log_head disable trigger log_head_forward_only")
    await admin.execute(_SQL["next_origin"], head["year"], origin)
    await admin.execute("alter table log_head enable trigger log_head_forward_only")
    await admin.execute(_SQL["log_opened_anew"], times + 1, of.now, of.staff_id, backup_id, head["year"], head["size"])
    return times + 1
