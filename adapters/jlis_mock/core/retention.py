"""The core keeps its records for seven years, as the parties do (番号法施行令30条; SC-6): then their bodies go, with the permits that they are about."""

from __future__ import annotations

from typing import Final

from adapters.jlis_mock.core import records
from storage import sql
from storage.committer import Committer, commit_step
from storage.log_keeping import LogKeeping

BEGUN: Final = commit_step("core", "erasure.begun")
CERTIFIED: Final = commit_step("core", "erasure.certified")


def keeping_of(committer: Committer) -> LogKeeping:
    """Of the core's log; somebody must call its turns."""
    return LogKeeping(
        committer=committer,
        begun=BEGUN,
        certified=CERTIFIED,
        note=lambda now, kind, reason, actor, facts: records.other(
            kind, now=now, actor=actor, reason=reason, facts=facts
        ),
        forget=sql.load("adapters.jlis_mock.core")["forget_permits"],
        prefix="K",
    )
