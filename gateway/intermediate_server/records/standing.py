"""Whether this log is what its peers know of it (DESIGN §6, SC-6, SC-15): a database that was set back never signs a second history.

The core holds the latest checkpoint of every log that it was shown. After a start it is asked: when it holds more than stands here, or another
root, the log is barred: nothing is appended, so nothing leaves. A log that was opened anew (a restored backup) is barred until the core has said
what it holds of the log before; that becomes the first entry under the new origin, so that what is lost is declared and can be checked.
Permits of before are refused then: what was answered under them may be lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog
from prometheus_client import Gauge

from evidence import checkpoint
from evidence.checkpoint import Checkpoint, CheckpointBroken
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records.exchange_entries import note_event
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step, fiscal_year
from storage.database import StorageUnavailableError
from transport.channel import Channel, ChannelError

_LOG = structlog.get_logger()
_SQL = sql.load("gateway.intermediate_server.records")
_EVIDENCE = sql.load("storage.evidence_log")
_RECORD = Statement("record_opening", _SQL["record_opening"])
_REOPENED = commit_step("founding", "log.reopened")
_AGAIN_S: Final = 1.0
_LONGEST_S: Final = 30.0
BARRED: Final = Gauge("sekisho_log_barred", "1 while an evidence log is not what its peers know of it", ["log"])
NOT_REOPENED: Final = "log_not_reopened"
BEHIND: Final = "log_behind_its_peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A time that the log was opened anew: `size` entries of `year` were there."""

    times: int
    opened_at: datetime
    opened_by: str
    backup_id: str
    year: int
    size: int
    recorded: bool


async def last_opening(agency: HostedAgency) -> Opening | None:
    """Raises StorageUnavailableError."""
    try:
        async with agency.database.inside(agency.tenant) as connection:
            row = await connection.fetchrow(_SQL["opened_anew"])
    except asyncpg.PostgresError:
        raise StorageUnavailableError("the log's openings could not be read") from None
    return Opening(**dict(row)) if row else None


async def begin(agency: HostedAgency) -> None:
    """Before anything is appended: a log that was opened anew and does not say so yet is barred until it does. Raises StorageUnavailableError."""
    found = await last_opening(agency)
    agency.standing.opened_at = found.opened_at if found else None
    _bar(agency, NOT_REOPENED if found is not None and not found.recorded else None)


async def stand(agency: HostedAgency, core: Channel) -> None:
    """Ask the core until it has answered once; what it says stays until the next start."""
    pause = _AGAIN_S
    while True:
        try:
            found = await last_opening(agency)
            await (_open(agency, core, found) if found and not found.recorded else _compare(agency, core))
        except (ChannelError, StorageUnavailableError) as failure:
            reason = getattr(failure, "reason", "storage_unavailable")
            _LOG.info("log_standing:waits", agency=agency.id, reason=reason)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(_LONGEST_S, pause * 2)


def _bar(agency: HostedAgency, reason: str | None) -> None:
    agency.committer.barred = reason
    BARRED.labels(agency.tenant).set(reason is not None)
    if reason is not None:
        _LOG.error("log_barred", agency=agency.id, reason=reason)


async def _held(agency: HostedAgency, core: Channel, origin: str) -> Checkpoint | None:
    """What the core holds of a log of ours. Raises ChannelError, also for an answer that is none."""
    answer: Any = await core.ask({"origin": origin})
    note = answer.get("note", 0) if isinstance(answer, dict) else 0
    keys = agency.register().log_keys(origin)
    if note is None:
        return None
    if keys is None or not isinstance(note, str):
        raise ChannelError("peer_answer_malformed")
    try:
        return checkpoint.read(note, origin, *keys.all())  # ours, however old
    except CheckpointBroken:
        raise ChannelError("peer_answer_malformed") from None


async def _compare(agency: HostedAgency, core: Channel) -> None:
    year = fiscal_year(agency.clock())
    held = await _held(agency, core, f"{agency.committer.origin}/{year}")
    if held is None or held.size == 0:
        return
    async with agency.database.inside(
        agency.tenant
    ) as connection:  # after the answer: what was appended meanwhile is there
        root = await connection.fetchval(_EVIDENCE["root_at"], year, held.size)
    if root != held.root:
        _bar(agency, BEHIND)


async def _open(agency: HostedAgency, core: Channel, found: Opening) -> None:
    """The first entry under the new origin: how much of the old one stands here, and how much of it the core has seen."""
    origin = f"{agency.committer.origin}/{found.year}"
    first, _ = checkpoint.first_of(origin)
    before = first if found.times == 1 else checkpoint.opened_anew(first, found.times - 1)
    held = await _held(agency, core, before)
    entry = note_event(
        agency,
        agency.clock(),
        EntryKind.LOG_REOPENED,
        actor=found.opened_by,
        times=found.times,
        before=before,
        size=found.size,
        known_size=held.size if held else 0,
        known_root=held.root.hex() if held else "",
        backup=found.backup_id,
    )
    guard = Write(_RECORD, (str(found.times),))
    await agency.committer.apply(Commit(step=_REOPENED, guard=guard, entries=(entry,)), barred_too=True)
    _bar(agency, None)
