"""The dated report of the analysis (SC-12): reads the access log, opens who was looked up in memory alone, and names findings."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import SALT_BYTES, EntryKind
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.analysis import Access, Finding, Measures, Related, Rule, analyse
from gateway.intermediate_server.staff.desk import FINDINGS, StaffDesk
from gateway.intermediate_server.staff.enrolling import person_index
from gateway.intermediate_server.staff.people import Rules
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from storage.committer import fiscal_year
from transport.problem import ProblemError

HISTORY: Final = timedelta(days=90)
MOST_ENTRIES: Final = 500_000
_NOBODY: Final = "unknown"
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Arithmetic with time zones works inside."""


class AnalysisItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90040: what period the report is about."""

    since: datetime
    until: datetime


ANALYSIS_ITEM = msgspec.json.Decoder(AnalysisItem)


async def report(desk: StaffDesk, item: AnalysisItem, now: datetime) -> dict[str, Any]:
    """Findings of a period, held against the 90 days before it. Raises ProblemError 400, StorageUnavailableError."""
    if item.since.tzinfo is None or item.until.tzinfo is None or not _EARLIEST < item.since < item.until < _LATEST:
        raise ProblemError(400, "malformed_item", "A period begins before it ends; both are instants with a zone.")
    bodies = await store.staff_entries(desk.agency, item.since - HISTORY, item.until, MOST_ENTRIES)
    entries = await asyncio.to_thread(lambda: [msgspec.json.decode(body) for body in bodies])
    persons = await _persons(desk, {_number(entry) for entry in entries} - {""})
    named = {str(person) for entry in entries if (person := entry["facts"].get("person"))}
    related = await _related(desk, named | set(persons.values()))
    found = await asyncio.to_thread(_findings, desk.rules, entries, persons, related, item.since)
    for rule in Rule:
        FINDINGS.labels(desk.agency.id, rule.value).set(sum(one.rule is rule for one in found))
    return {
        "agency": desk.agency.id,
        "made_at": timestamp(now),
        "since": timestamp(item.since),
        "until": timestamp(item.until),
        "entries": sum(timestamp(item.since) <= entry["at"] for entry in entries),
        "complete": len(bodies) < MOST_ENTRIES,
        "findings": [_shown(finding) for finding in found],
    }


def _findings(
    rules: Rules, entries: list[dict[str, Any]], persons: Mapping[str, str], related: Related, since: datetime
) -> list[Finding]:
    """In a thread: a year of a busy agency takes seconds."""
    accesses = [access for entry in entries if (access := _access(entry, persons)) is not None]
    return analyse(accesses, Measures(opens=rules.opens, closes=rules.closes, closed=rules.closed), related, since)


def _number(entry: Mapping[str, Any]) -> str:
    return str(entry["facts"].get("inquiry_number", ""))


def _access(entry: Mapping[str, Any], persons: Mapping[str, str]) -> Access | None:
    """An entry as the analysis reads it; other kinds of entries are no access."""
    facts = entry["facts"]
    match entry["kind"]:
        case EntryKind.STAFF_OPERATED | EntryKind.STAFF_LOGGED_IN | EntryKind.STAFF_CHANGED | EntryKind.GRANT_CHANGED:
            refused = False
        case EntryKind.STAFF_REFUSED if str(entry["reason"]).startswith("login_refused"):
            refused = True
        case _:
            return None
    number = _number(entry)
    return Access(
        at=datetime.fromisoformat(entry["at"]),
        staff_id=entry["actor"] or _NOBODY,
        function=str(facts.get("function", "")),
        affair=str(facts.get("affair", "")),
        person=persons.get(number) or facts.get("person"),
        handle=number,
        refused=refused,
    )


async def _persons(desk: StaffDesk, numbers: set[str]) -> dict[str, str]:
    """Inquiry number → an index of the person it was about, for as long as the personal part can be opened (7 years at most)."""
    rows = await store.personal_parts(desk.agency, sorted(numbers))
    return await asyncio.to_thread(lambda: {number: person for row in rows for number, person in _opened(desk, row)})


def _opened(desk: StaffDesk, row: Record) -> Iterator[tuple[str, str]]:
    """The inquiry number and the person's index of one entry; nothing when the year's key is gone."""
    purpose = f"personal/{fiscal_year(row['at'])}"
    bound = bind(labels.PERSONAL_PART, desk.agency.id, row["entry_id"])
    try:
        opened = desk.ring.decrypt(purpose, row["personal"], bound)
    except (KeyUnusable, SealBroken):
        return
    # the number itself goes no further than this line
    yield row["inquiry_number"], person_index(desk, opened[SALT_BYTES:].decode()).hex()


async def _related(desk: StaffDesk, persons: set[str]) -> dict[str, dict[str, str]]:
    """Person → staff id → relation, for the people of this report."""
    related: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for staff_id, relation, index in await store.relations(desk.agency):
        if index.hex() in persons:
            known = related[index.hex()].get(staff_id)
            related[index.hex()][staff_id] = "self" if known == "self" else relation
    return dict(related)


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule.value,
        "staff_id": finding.staff_id,
        "day": finding.day.isoformat(),
        "count": finding.count,
        "affair": finding.affair,
        "usual": finding.usual,
        "person": finding.person,
        "handles": list(finding.handles),
    }
