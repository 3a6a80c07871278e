"""アクセスログの分析 (SC-12): what in a server's access log an administrator should look at. Pure: entries in, findings out.

Nothing here says that somebody did wrong. A finding names a member of staff, a day, a rule and how often; a person looked up is an
ordinal of this report alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import StrEnum
from statistics import median, pstdev
from typing import Any, Final

from codebook.holidays import closed_days
from evidence.canonical import timestamp

HISTORY: Final = timedelta(days=90)
"""What lies so long before a period is what its findings are held against."""
MOST_ENTRIES: Final = 500_000
"""Entries of a kind that one report reads: the newest of its period, then of what lies before it."""
NOBODY: Final = "unknown"
"""Whoever acted without an id."""
_JST: Final = timezone(timedelta(hours=9))
_SATURDAY: Final = 5


class Rule(StrEnum):
    OUTSIDE_HOURS = "outside_hours"
    MORE_THAN_BEFORE = "more_than_before"
    MORE_THAN_PEERS = "more_than_peers"
    REPEATED_PERSON = "repeated_person"
    OWN_RECORD = "own_record"
    HOUSEHOLD = "household"
    COLLEAGUE = "colleague"
    REFUSED_ENTRANCES = "refused_entrances"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One entry of the access log. `person`: any token that is the same for the same person in this analysis; `refused`: an entrance.

    `times`: how many it stands for, people or refusals.
    """

    at: datetime
    staff_id: str
    function: str
    affair: str = ""
    person: str | None = None
    handle: str = ""
    refused: bool = False
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """When something is remarkable. `closed`: of this agency, beside the days on which all are; `least`: below it no frequency is; `apart`: when it is looking again."""

    opens: time = time(8, 0)
    closes: time = time(19, 0)
    closed: frozenset[date] = frozenset()
    least: int = 10
    days_of_history: int = 5
    deviations: float = 3.0
    times_peers: float = 3.0
    repeats: int = 3
    apart: timedelta = timedelta(minutes=30)
    refusals: int = 5


def measures_from(options: Mapping[str, Any]) -> Measures:
    """With the office hours that a role's options name: `staff_opens`, `staff_closes` (HH:MM), `staff_closed` (days). Raises ValueError."""
    usual = Measures()
    return Measures(
        opens=time.fromisoformat(options.get("staff_opens", usual.opens.isoformat())),
        closes=time.fromisoformat(options.get("staff_closes", usual.closes.isoformat())),
        closed=frozenset(date.fromisoformat(day) for day in options.get("staff_closed", ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`usual`: what the count is held against; `handles`: permits, inquiry numbers or entries to look further with."""

    rule: Rule
    staff_id: str
    day: date
    count: int
    affair: str = ""
    usual: float | None = None
    person: str = ""
    handles: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """As every server tells it."""
        return {**asdict(self), "rule": self.rule.value, "day": self.day.isoformat(), "handles": list(self.handles)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The dated report of one agency. `entries`: how many lie in the period, of those that were read.

    `read_since`: there were more than one report reads, and what lies before this instant was not read; None: everything was.
    """

    agency: str
    made_at: datetime
    since: datetime
    until: datetime
    entries: int
    read_since: datetime | None
    findings: Sequence[Finding]

    def shown(self) -> dict[str, Any]:
        """As every server tells it."""
        instants = {name: timestamp(getattr(self, name)) for name in ("made_at", "since", "until")}
        return {
            "agency": self.agency,
            **instants,
            "entries": self.entries,
            "complete": self.read_since is None,
            "read_since": None if self.read_since is None else timestamp(self.read_since),
            "findings": [finding.shown() for finding in self.findings],
        }


def read_since(*kinds: Sequence[datetime]) -> datetime | None:
    """From when on everything was read: of each kind that was cut (`MOST_ENTRIES`; oldest first) the oldest; None when none was."""
    return max((instants[0] for instants in kinds if len(instants) >= MOST_ENTRIES), default=None)


Related = Mapping[str, Mapping[str, str]]
"""Person → staff id → `self` or `household`: whose own record or whose household's it is."""


def analyse(accesses: Sequence[Access], measures: Measures, related: Related, since: datetime) -> list[Finding]:
    """Findings from `since` on, by day, person and rule; what lies before it is history to compare with."""
    entrances = [access for access in accesses if access.refused]
    done = [access for access in accesses if not access.refused]
    ordinals = _ordinals(done)
    found = [
        *_outside_hours(done, measures),
        *_frequency(done, measures),
        *_repeats(done, measures, ordinals),
        *_relations(done, related, ordinals),
        *_refusals(entrances, measures),
    ]
    recent = [finding for finding in found if finding.day >= _day(since)]
    return sorted(recent, key=lambda one: (one.day, one.staff_id, one.rule, one.affair, one.person))


def _day(at: datetime) -> date:
    return at.astimezone(_JST).date()


def _ordinals(accesses: Iterable[Access]) -> dict[str, str]:
    """Names for this report alone."""
    persons = dict.fromkeys(access.person for access in accesses if access.person is not None)
    return {person: f"person-{number}" for number, person in enumerate(persons, 1)}


def _handles(accesses: Iterable[Access]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(access.handle for access in accesses if access.handle))[:20]


def _outside_hours(accesses: Iterable[Access], measures: Measures) -> Iterable[Finding]:
    """Outside office hours, on Saturdays, Sundays, holidays, at the turn of the year and on the agency's own closed days (Japan time)."""
    outside: defaultdict[tuple[date, str], list[Access]] = defaultdict(list)
    for access in accesses:
        local = access.at.astimezone(_JST)
        day = local.date()
        free = day.weekday() >= _SATURDAY or day in measures.closed or day in closed_days(day.year)
        if free or not measures.opens <= local.time() < measures.closes:
            outside[(day, access.staff_id)].append(access)
    for (day, staff_id), found in outside.items():
        count = sum(access.times for access in found)
        yield Finding(rule=Rule.OUTSIDE_HOURS, staff_id=staff_id, day=day, count=count, handles=_handles(found))


def _frequency(accesses: Iterable[Access], measures: Measures) -> Iterable[Finding]:
    """Per person and affair: against that person's own days before, and against the others on that day."""
    counts: Counter[tuple[str, str, date]] = Counter()
    for access in accesses:
        counts[access.staff_id, access.affair, _day(access.at)] += access.times
    by_person: defaultdict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    by_day: defaultdict[tuple[str, date], dict[str, int]] = defaultdict(dict)
    for (staff_id, affair, day), count in counts.items():
        by_person[(staff_id, affair)][day] = count
        by_day[(affair, day)][staff_id] = count
    for (staff_id, affair, day), count in counts.items():
        if count < measures.least:
            continue
        before = [number for earlier, number in by_person[(staff_id, affair)].items() if earlier < day]
        if len(before) >= measures.days_of_history:
            usual = sum(before) / len(before)
            if count > usual + measures.deviations * max(pstdev(before), 1.0):
                yield Finding(
                    rule=Rule.MORE_THAN_BEFORE, staff_id=staff_id, day=day, count=count, affair=affair, usual=usual
                )
        peers = [number for other, number in by_day[(affair, day)].items() if other != staff_id]
        if peers and count > measures.times_peers * median(peers):
            usual = float(median(peers))
            yield Finding(
                rule=Rule.MORE_THAN_PEERS, staff_id=staff_id, day=day, count=count, affair=affair, usual=usual
            )


def _repeats(accesses: Iterable[Access], measures: Measures, ordinals: Mapping[str, str]) -> Iterable[Finding]:
    """The same person looked up again and again; what follows within `apart` is the same occasion."""
    looks: defaultdict[tuple[str, str], list[Access]] = defaultdict(list)
    for access in sorted(accesses, key=lambda one: one.at):
        if access.person is not None:
            looks[(access.staff_id, access.person)].append(access)
    for (staff_id, person), found in looks.items():
        occasions = [found[0]]
        for access in found[1:]:
            if access.at - occasions[-1].at >= measures.apart:
                occasions.append(access)
        if len(occasions) >= measures.repeats:
            yield Finding(
                rule=Rule.REPEATED_PERSON,
                staff_id=staff_id,
                day=_day(occasions[-1].at),
                count=len(occasions),
                person=ordinals[person],
                handles=_handles(found),
            )


def _relations(accesses: Iterable[Access], related: Related, ordinals: Mapping[str, str]) -> Iterable[Finding]:
    """Somebody looked at themselves, at their household, or at a colleague, as far as those are known."""
    seen: defaultdict[tuple[Rule, str, date, str], list[Access]] = defaultdict(list)
    for access in accesses:
        if access.person is None or access.person not in related:
            continue
        whose = related[access.person]
        mine = whose.get(access.staff_id)
        if mine is not None:
            rule = Rule.OWN_RECORD if mine == "self" else Rule.HOUSEHOLD
        elif "self" in whose.values():
            rule = Rule.COLLEAGUE
        else:
            continue
        seen[(rule, access.staff_id, _day(access.at), access.person)].append(access)
    for (rule, staff_id, day, person), found in seen.items():
        yield Finding(
            rule=rule,
            staff_id=staff_id,
            day=day,
            count=len(found),
            person=ordinals[person],
            handles=_handles(found),
        )


def _refusals(entrances: Iterable[Access], measures: Measures) -> Iterable[Finding]:
    """Many refused entrances of one id on one day; ids that nobody has count together."""
    counts: Counter[tuple[str, date]] = Counter()
    for access in entrances:
        counts[access.staff_id, _day(access.at)] += access.times
    for (staff_id, day), count in counts.items():
        if count >= measures.refusals:
            yield Finding(rule=Rule.REFUSED_ENTRANCES, staff_id=staff_id, day=day, count=count)
