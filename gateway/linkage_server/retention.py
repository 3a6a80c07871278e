"""The linkage server keeps its records for seven years (番号法施行令30条; SC-6): who looked at whom and why, what was loaded, asked and decided.

Then bodies and reasons go, and with them what they were found by: which entries are about the same person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from evidence.entry import EntryKind, other_entry
from gateway.linkage_server.tenant import ENTRY_PREFIX, Agency, new_entry, new_entry_id
from storage import sql
from storage.committer import NewEntry, commit_step
from storage.database import StorageUnavailableError
from storage.log_keeping import LOOK_S, LogKeeping
from transport.clock import Alarm

BEGUN: Final = commit_step("linkage", "erasure.begun")
CERTIFIED: Final = commit_step("linkage", "erasure.certified")
_LOG = structlog.get_logger()


def _note(now: datetime, kind: EntryKind, reason: str, actor: str, facts: Mapping[str, Any]) -> NewEntry:
    entry = other_entry(id=new_entry_id(now), at=now, kind=kind, reason=reason, actor=actor, facts=facts)
    return new_entry(entry, now)


def keeping_of(agency: Agency) -> LogKeeping:
    """Of one agency's log; somebody must call its turns."""
    return LogKeeping(
        committer=agency.committer,
        begun=BEGUN,
        certified=CERTIFIED,
        note=_note,
        forget=sql.load("gateway.linkage_server")["forget_subjects"],
        prefix=ENTRY_PREFIX,
    )


async def run(agency: Agency) -> None:
    """Look now and then, and whenever the clock is moved, until cancelled."""
    keeping, alarm = keeping_of(agency), Alarm(agency.clock)
    while True:
        try:
            await keeping.turn(agency.clock())
        except StorageUnavailableError:
            _LOG.warning("retention:waits", agency=agency.id, reason="storage_unavailable")
        await alarm.rest(agency.look_s(LOOK_S))
