"""What stays of a copy that was withdrawn or is over: record id and revision, so that no late message brings it back (IS-6), and whose it was, sealed,
so that the person's bars follow the record to its next number (SC-4; docs/adr/0083).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from asyncpg import Record

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars import whose
from keys.errors import KeyUnusable, SealBroken
from storage.database import StorageUnavailableError

_BELOW_EVERY_REVISION: Final = -1
"""Kept of a deletion without a revision (0): the record may come again as it was."""


def row(agency: HostedAgency, record_id: str, revision: int, number: str | None, now: datetime) -> tuple[object, ...]:
    """The row of `remember_withdrawn`. `number`: under which the copy stood; None when none was there, and whose it was before stays."""
    kept = (None, None) if number is None else sealed(agency, record_id, number)
    return record_id, revision or _BELOW_EVERY_REVISION, now, *kept


def sealed(agency: HostedAgency, record_id: str, number: str) -> tuple[bytes, bytes]:
    """The index by which a person's bars are found, and the number sealed."""
    return whose.kept(agency.keys.ring, agency.id, _named(record_id), number)


def opened(agency: HostedAgency, record_id: str, number_sealed: bytes) -> str:
    """The integrated number. Raises SealBroken, KeyUnusable."""
    return whose.opened(agency.keys.ring, agency.id, _named(record_id), number_sealed)


def number_of(agency: HostedAgency, found: Record) -> str | None:
    """Under which number a copy stood that was withdrawn; None of one that went before that was kept. Raises StorageUnavailableError."""
    if found["number_sealed"] is None:
        return None
    try:
        return opened(agency, found["record_id"], found["number_sealed"])
    except (SealBroken, KeyUnusable):  # nothing is registered past bars that may not all follow
        raise StorageUnavailableError("a withdrawn copy does not say any more whose it was") from None


def anew(agency: HostedAgency, found: Record) -> tuple[Any, ...]:
    """The row of `write_replica_withdrawn`: the same number under the primary version."""
    record_id = found["record_id"]
    return record_id, *sealed(agency, record_id, opened(agency, record_id, found["number_sealed"]))


def _named(record_id: str) -> str:
    """No bar is called so."""
    return f"withdrawn/{record_id}"
