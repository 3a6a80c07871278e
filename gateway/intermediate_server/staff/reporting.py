"""The dated report of the analysis (SC-12): reads the access log, who asked other agencies about whom and who read the results, opens who was looked up in
memory alone, and names findings.

Whoever asked is told as `system/staff`, the business system's own word for them (at a terminal the id that has logged in); an id is one person's, so
whose own record and household are told by it too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from asyncpg import Record

from evidence.access_analysis import HISTORY, MOST_ENTRIES, NOBODY, Access, Finding, Report, Rule, analyse, read_since
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server import merges
from gateway.intermediate_server.records import subjects
from gateway.intermediate_server.staff import factors, store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.people import Rules
from keys.errors import KeyUnusable, SealBroken
from transport.finding_metrics import tell
from transport.problem import ProblemError
from transport.wire import Dated

ANALYSED_FOR: Final = timedelta(days=366) + HISTORY
"""How far back a yearly analysis reads."""
STRETCH: Final = 5_000
"""Personal parts of inquiries that are read and opened at once: a person needs one for each key that their records are found under."""
ASKED: Final = "inquiry"
READ: Final = "result"


class AnalysisItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_STF_90040: what period the report is about."""

    since: datetime
    until: datetime


ANALYSIS_ITEM = msgspec.json.Decoder(AnalysisItem)


async def report(desk: StaffDesk, item: AnalysisItem, now: datetime) -> dict[str, Any]:
    """Findings of a period, held against the 90 days before it. Raises ProblemError 400, StorageUnavailableError."""
    if not item.since < item.until:
        raise ProblemError(400, "malformed_item", "A period begins before it ends.")
    begins = item.since - HISTORY
    bodies = await store.staff_entries(desk.agency, begins, item.until, MOST_ENTRIES)
    asked = await store.inquiries_between(desk.agency, begins, item.until, MOST_ENTRIES)
    entries = await asyncio.to_thread(lambda: [msgspec.json.decode(body) for body in bodies])
    people = _People(desk)
    await people.read({_number(entry) for entry in entries} - {""}, asked)
    found = await asyncio.to_thread(_findings, desk.rules, entries, asked, people, item.since)
    tell(desk.agency.id, Rule, [finding.rule for finding in found])
    in_period = (
        *(timestamp(item.since) <= entry["at"] for entry in entries),
        *(item.since <= row["at"] for row in asked),
    )
    made = Report(
        agency=desk.agency.id,
        made_at=now,
        since=item.since,
        until=item.until,
        entries=sum(in_period),
        read_since=read_since([datetime.fromisoformat(entry["at"]) for entry in entries], [row["at"] for row in asked]),
        findings=found,
    )
    return made.shown()


def _findings(
    rules: Rules, entries: list[dict[str, Any]], asked: Sequence[Record], people: _People, since: datetime
) -> list[Finding]:
    """In a thread: a year of a busy agency takes seconds."""
    accesses = [access for entry in entries if (access := _access(entry, people)) is not None]
    accesses += [_asked(row, people) for row in asked]
    return analyse(accesses, rules.measures, people.related(accesses), since)


def _asked(row: Record, people: _People) -> Access:
    """An inquiry, or the reading of its result, as the analysis reads it. A system that reads by itself is nobody of its name: `system/`."""
    actor = row["actor"] or NOBODY
    return Access(
        at=row["at"],
        staff_id=actor if "/" in actor or actor == NOBODY else f"{actor}/",
        function=READ if row["kind"] == EntryKind.RESULT_READ else ASKED,
        affair=row["item"],
        person=people.subject(row),
        handle=row["inquiry_number"],
    )


def _number(entry: Mapping[str, Any]) -> str:
    return str(entry["facts"].get("inquiry_number", ""))


def _access(entry: Mapping[str, Any], people: _People) -> Access | None:
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
        staff_id=entry["actor"] or NOBODY,
        function=str(facts.get("function", "")),
        affair=str(facts.get("affair", "")),
        person=people.by_inquiry.get(number) or people.called(facts.get("person", "")) or None,
        handle=number,
        refused=refused,
        times=int(facts.get("count", 1)) if refused else 1,  # what came again within a minute is one entry
    )


class _People:
    """Who was looked at, by one name each for this report, whatever year, key or version of it a record calls them by. Numbers are opened in memory alone."""

    def __init__(self, desk: StaffDesk) -> None:
        self._desk = desk
        self._now: dict[str, str] = {}
        self._subjects: dict[bytes, str] = {}
        self._relations: list[Record] = []
        self.by_inquiry: dict[str, str] = {}
        """Inquiry number → whom it was about, for as long as the personal part can be opened (7 years at most)."""

    async def read(self, inquiry_numbers: set[str], asked: Sequence[Record]) -> None:
        """Those of these inquiries, those who were asked about, and those related to staff. Raises StorageUnavailableError."""
        rows = await store.personal_parts(self._desk.agency, sorted(inquiry_numbers))
        self._relations = await store.relations(self._desk.agency)
        related = await asyncio.to_thread(self._related_numbers)
        live_on = await merges.each_lives_on(self._desk.agency, related)
        await asyncio.to_thread(self._open, rows, {number: live_on.get(number) for number in related})
        newest = {row["subject"]: (row["year"], row["idx"]) for row in asked if row["subject"] is not None}
        found = list(newest.items())
        for start in range(0, len(found), STRETCH):
            stretch = {place: subject for subject, place in found[start : start + STRETCH]}
            parts = await store.personal_parts_at(self._desk.agency, list(stretch))
            await asyncio.to_thread(self._open_asked, parts, stretch)

    def _related_numbers(self) -> set[str]:
        found = set()
        for relation in self._relations:
            if relation["number_sealed"] is not None:
                with contextlib.suppress(KeyUnusable, SealBroken):
                    bound = (self._desk.agency.id, relation["staff_id"], relation["number_sealed"])
                    found.add(factors.open_relation(self._desk.ring, *bound))
        return found

    def _open(self, rows: Sequence[Record], related: Mapping[str, str | None]) -> None:
        """`related`: numbers of those related to staff → who lives on of one that was merged: records of both are looked at under either (0115)."""
        for number, lives_on in related.items():
            self._know(number, lives_on)
        for row in rows:
            if (opened := subjects.open_personal(self._desk.agency, row)) is not None:
                self.by_inquiry[row["inquiry_number"]] = self._know(opened.number)

    def _open_asked(self, rows: Sequence[Record], subject_at: Mapping[tuple[int, int], bytes]) -> None:
        for row in rows:
            if (opened := subjects.open_personal(self._desk.agency, row)) is not None:
                self._subjects[subject_at[row["year"], row["idx"]]] = self._know(opened.number)

    def _know(self, number: str, lives_on: str | None = None) -> str:
        """The number itself goes no further than this."""
        own, *before = (index.hex() for index in factors.person_indexes(self._desk.ring, number))
        name = self._now.get(own, own) if lives_on is None else self._know(lives_on)
        self._now |= dict.fromkeys((own, *before), name)
        return name

    def subject(self, row: Record) -> str | None:
        """Whom an inquiry was about: by its index, which is of one year's key, where that one's personal part does not open."""
        return None if row["subject"] is None else self._subjects.get(row["subject"], row["subject"].hex())

    def called(self, name: str) -> str:
        """What somebody is called now whom an entry, a record or a relation calls so."""
        return self._now.get(name, name)

    def related(self, accesses: Iterable[Access]) -> dict[str, dict[str, str]]:
        """Person → who acts → relation, for the people and the actors of this report."""
        persons, acting = {one.person for one in accesses}, defaultdict(set)
        for one in accesses:
            acting[one.staff_id.rpartition("/")[2]].add(one.staff_id)
        related: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for row in self._relations:
            person = self.called(row["person_index"].hex())
            if person in persons:
                for who in {row["staff_id"], *acting[row["staff_id"]]}:
                    known = related[person].get(who)
                    related[person][who] = "self" if known == "self" else row["relation"]
        return dict(related)
