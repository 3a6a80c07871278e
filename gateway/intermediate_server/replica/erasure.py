"""消去 of copies (IS-6, SC-16): those that their owner withdrew and those whose last public day is over.

What went in one day of Japan is one erasure, noted in the transaction in which the copies go; when that day is over `retention.erasing` certifies it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from gateway.intermediate_server.agency import HostedAgency
from storage import sql
from storage.committer import Statement, Write

PREFIX: Final = "replicas/"
_SETTLED_AFTER: Final = timedelta(minutes=10)
"""So long after midnight no transaction that was decided before it can come any more."""
_NOTE: Final = Statement("note_erased_copies", sql.load("gateway.intermediate_server.replica")["note_erased_copies"])


def noted(agency: HostedAgency, copies: int, now: datetime) -> Write:
    """So many copies go with this transaction."""
    return Write(_NOTE, (f"{PREFIX}{agency.today(now).isoformat()}", copies, now))


def first_open(agency: HostedAgency, now: datetime) -> str:
    """The first day to whose erasures something may still be added; those of days before it can be certified."""
    return agency.today(now - _SETTLED_AFTER).isoformat()


def day_of(key_purpose: str) -> date:
    """Of an erasure of a day, `<kind>/<day>`."""
    return date.fromisoformat(key_purpose.rpartition("/")[2])
