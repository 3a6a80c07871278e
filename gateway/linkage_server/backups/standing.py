"""What a start finds of a restore: a log that does not say yet that it was opened anew, data that may not leave yet, counters that were never marked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from evidence.entry import EntryKind, other_entry
from gateway.linkage_server import numbers
from gateway.linkage_server.backups import history
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from storage import sql
from storage.committer import NewEntry, commit_step
from storage.database import StorageUnavailableError
from transport.channel import ChannelError
from transport.log_standing import LogStanding
from transport.register import Register

_LOG = structlog.get_logger()
_SQL = sql.load("gateway.linkage_server.backups")
_AWAY_S: Final = 1.0
_REOPENED: Final = commit_step("founding", "linkage.log.reopened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A restore that nobody has lifted yet."""

    backup_id: str
    restored_at: datetime
    restored_by: str


def log_standing(agency: Agency, register: Callable[[], Register]) -> LogStanding:
    """The agency's intermediate server holds what it was shown of the linkage server's log."""

    async def ask(item: Mapping[str, str]) -> Any:
        url = agency.outbound.intermediate("held-checkpoints")
        [answer] = await agency.outbound.ask_list(url, [item], step=None)
        return answer

    def note(now: datetime, by: str, said: Mapping[str, str | int]) -> NewEntry:
        return new_entry(
            other_entry(id=new_entry_id(now), at=now, kind=EntryKind.LOG_REOPENED, actor=by, facts=said), now
        )

    return LogStanding(
        agency=agency.id,
        committer=agency.committer,
        ask=ask,
        keys=lambda origin: register().log_keys(origin),
        note=note,
        step=_REOPENED,
        clock=agency.clock,
    )


async def not_lifted(agency: Agency) -> Restore | None:
    """Raises StorageUnavailableError."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["not_lifted"])
    return None if row is None else Restore(**dict(row))


async def insist(agency: Agency, act: Callable[[], Awaitable[None]], *, waits: str) -> None:
    """Do it, however often the intermediate server or the database is away. `waits`: the event that is logged then."""
    while True:
        try:
            await act()
        except (ChannelError, StorageUnavailableError) as failure:
            _LOG.warning(waits, agency=agency.id, reason=getattr(failure, "reason", "storage_unavailable"))
            await asyncio.sleep(_AWAY_S)
        else:
            return


async def begin(agency: Agency, standing: LogStanding) -> None:
    """Before anything is appended, sent or counted. Raises StorageUnavailableError."""
    await standing.begin()
    if await not_lifted(agency) is not None:
        agency.release.hold()
    async with agency.database.inside(agency.tenant) as connection:
        await numbers.taken(agency.marks, await connection.fetchval(_SQL["counted_to"]))
    await history.interrupt(agency)
