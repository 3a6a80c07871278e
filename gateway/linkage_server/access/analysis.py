"""The dated report of the analysis of looks (SC-12): who looked at people outside hours, unusually often, or at one person again and again.

Whoever looked is told as `system/staff`, the business system's own word for them; a refused caller by its client id. Whose household somebody is
of is known at the intermediate server alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from evidence.access_analysis import HISTORY, MOST_ENTRIES, NOBODY, Access, Finding, Report, Rule, analyse, read_since
from evidence.entry import EntryKind
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.database import as_away
from transport.clock import JST
from transport.finding_metrics import tell

_SQL = sql.load("gateway.linkage_server.access")
_FEW: Final = 20
"""A look at more people than these is a list: it counts for so many, and not as a look at each."""


async def report(agency: Agency, since: date, until: date) -> dict[str, Any]:
    """Findings of the days from `since` to `until`, both included, held against the 90 days before. Raises StorageUnavailableError."""
    begins, ends = (datetime.combine(day, time(), JST) for day in (since, until + timedelta(days=1)))
    with as_away("the evidence log could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["looks_between"], begins - HISTORY, ends, MOST_ENTRIES)
    instants, found = await asyncio.to_thread(_findings, agency, rows, begins)
    tell(agency.id, Rule, [finding.rule for finding in found])
    made = Report(
        agency=agency.id,
        made_at=agency.clock(),
        since=begins,
        until=ends,
        entries=sum(begins <= at for at in instants),
        read_since=read_since(instants),
        findings=found,
    )
    return made.shown()


def _findings(agency: Agency, rows: Sequence[asyncpg.Record], begins: datetime) -> tuple[list[datetime], list[Finding]]:
    """In a thread: a year of a busy agency takes seconds. When the entries were made, oldest first, and what is remarkable of them."""
    read = [(msgspec.json.decode(row["body"]), row["subjects"]) for row in rows]
    accesses = [access for entry, subjects in read for access in _accesses(entry, subjects)]
    instants = [datetime.fromisoformat(entry["at"]) for entry, _ in read]
    return instants, analyse(accesses, agency.measures, {}, begins)


def _accesses(entry: Mapping[str, Any], subjects: Sequence[str]) -> list[Access]:
    facts, at = entry["facts"], datetime.fromisoformat(entry["at"])
    if entry["kind"] == EntryKind.ACCESS_REFUSED:
        whose = entry["actor"] or NOBODY
        return [Access(at=at, staff_id=whose, function=entry["reason"], refused=True, times=facts["count"])]
    people: list[str | None] = [*subjects] if 0 < len(subjects) <= _FEW else [None]
    return [
        Access(
            at=at,
            staff_id=f"{facts['system']}/{facts['staff']}",
            function=facts["look"],
            affair=facts["affair"],
            person=person,
            handle=entry["id"],
            times=max(1, len(subjects)) if person is None else 1,
        )
        for person in people
    ]
