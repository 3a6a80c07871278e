"""The linkage server keeps its records for seven years (番号法施行令30条; SC-6): who looked at whom and why, what was loaded, asked and decided.

Then bodies and reasons go, and with them what they were found by: which entries are about the same person. What lies in a hold goes sooner
(SC-3): once it is decided, what a business system had sent, its 個人番号 with it, is kept for as long as the decision may be questioned; so is what
staff typed in a decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from evidence.entry import EntryKind, other_entry
from gateway.linkage_server.review import forgetting
from gateway.linkage_server.tenant import ENTRY_PREFIX, Agency, new_entry, new_entry_id
from storage import sql
from storage.committer import NewEntry, commit_step
from storage.database import StorageUnavailableError
from storage.log_keeping import LOOK_S, LogKeeping
from transport.clock import Alarm

BEGUN: Final = commit_step("linkage", "erasure.begun")
CERTIFIED: Final = commit_step("linkage", "erasure.certified")
AT_ONCE: Final = 500
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


async def forget_decided(agency: Agency, kept_for: timedelta) -> bool:
    """One stretch of holds and of decisions that ended so long ago; whether there may be more. Raises StorageUnavailableError."""
    now = agency.clock()
    async with agency.database.inside(agency.tenant) as connection:
        holds = await forgetting.forget_holds(
            connection, agency.keys, decided_before=now - kept_for, now=now, most=AT_ONCE
        )
        decisions = await forgetting.forget_decisions(
            connection, agency.keys, ended_before=now - kept_for, now=now, most=AT_ONCE
        )
    return AT_ONCE in {holds, decisions}


async def run(agency: Agency, options: Mapping[str, Any]) -> None:
    """Look now and then, and whenever the clock is moved, until cancelled. Option: `decided_holds_keep_s`."""
    keeping, alarm = keeping_of(agency), Alarm(agency.clock)
    decided_kept_for = timedelta(seconds=float(options.get("decided_holds_keep_s", 90 * 24 * 3600)))
    while True:
        try:
            await keeping.turn(agency.clock())
            while await forget_decided(agency, decided_kept_for):
                pass
        except StorageUnavailableError:
            _LOG.warning("retention:waits", agency=agency.id, reason="storage_unavailable")
        await alarm.rest(agency.look_s(LOOK_S))
