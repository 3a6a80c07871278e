"""The end of a session without log-out as an entry of the access log: who, where, since when, which kind of end (SC-7, SC-10).

No request writes for it: what is over stands in the session's row, or follows from it, and the broom puts it on record, once, with the mark in
the row in one commit. The entry says when the session ended, which is a little before it was written.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.desk import StaffDesk
from storage.committer import Commit, Write, commit_step

_ENDED = commit_step("intermediate", "staff.session_ended")
_MOST: Final = 500


class How(StrEnum):
    """Kinds of end. A session that is ended by its person is `staff.logged_out`."""

    IDLE = "idle"
    AGE = "age"
    SUPERSEDED = "superseded"
    """The person has opened more sessions than anybody may have."""
    ACCOUNT_CHANGED = "account_changed"
    """Left, transferred, or a new password."""


async def record(desk: StaffDesk, now: datetime) -> bool:
    """Put what has ended on record; whether there may be more. Raises StorageUnavailableError."""
    rows = await store.ended_sessions(desk.agency, now, now - desk.rules.idle, _MOST)
    await desk.agency.committer.apply_all([commit_of(desk, row, now) for row in rows])
    return len(rows) == _MOST


def commit_of(desk: StaffDesk, row: Record, now: datetime) -> Commit:
    """One end with its mark; it is lost when the session was used or ended meanwhile."""
    idle_at = row["seen_at"] + desk.rules.idle
    ended_at, how = min(idle_at, row["until"]), How.AGE if row["until"] <= idle_at else How.IDLE
    if row["ended_at"] is not None and row["ended_at"] < ended_at:
        ended_at, how = row["ended_at"], How(row["ended_how"])
    entry = desk.entry(
        now,
        EntryKind.STAFF_SESSION_ENDED,
        actor=row["staff_id"],
        reason=row["reason"],
        terminal=row["certificate"].hex(),
        how=how.value,
        opened_at=timestamp(row["opened_at"]),
        ended_at=timestamp(ended_at),
    )
    guard = Write(store.RECORD_SESSION_END, (row["token_hash"], row["seen_at"], row["ended_at"], ended_at))
    return Commit(step=_ENDED, guard=guard, entries=(entry,))
