"""The times that a log was opened anew, as a restore has written them and the server puts them on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage import sql
from storage.committer import Statement, Write
from storage.database import Database, StorageUnavailableError, as_away

_SQL = sql.load("storage.backups")
_RECORD: Final = Statement("record_opening", _SQL["record_opening"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """`size` entries of `year` were there. Where an origin was lost together with another one, each has its own."""

    times: int
    opened_at: datetime
    opened_by: str
    backup_id: str
    year: int
    size: int
    recorded: bool

    def record(self) -> Write:
        """It is on record with this commit."""
        return Write(_RECORD, (str(self.times),))


async def openings(database: Database, tenant: str) -> list[Opening]:
    """Every time that this log was opened anew, the first one first. Raises StorageUnavailableError."""
    with as_away("the log's openings could not be read"):
        async with database.inside(tenant) as connection:
            return [Opening(**dict(row)) for row in await connection.fetch(_SQL["openings"])]


async def check_recorded(database: Database, tenant: str) -> None:
    """For whoever appends beside the server: a restored log says first that it was opened anew. Raises StorageUnavailableError until it does."""
    async with database.inside(tenant) as connection:
        if not await connection.fetchval(_SQL["has_openings"]):
            return
    if any(not one.recorded for one in await openings(database, tenant)):
        raise StorageUnavailableError("a restored log is opened anew by its server first")
