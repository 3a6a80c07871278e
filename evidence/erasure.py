"""Bodies that are gone from a log, and what in a later log of the same party says that they went in time (番号法施行令30条; SC-16).

The eighth year's log holds an entry that names the erased log, its size and its root. An export of hashes alone is clean only beside an
export with that entry: otherwise whoever hides a record could say that it was erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

import msgspec

from evidence.canonical import timestamp
from evidence.findings import Finding, FindingName, LogChecked

KEPT_YEARS: Final = 7
_JST: Final = timezone(timedelta(hours=9))


class Covered(NamedTuple):
    """What an entry says of a log whose bodies go: its origin, size and root (hex), and when it was said."""

    at: str
    origin: str
    size: int
    root: str


class _Facts(msgspec.Struct):
    log: str
    size: int
    root: str


class _Entry(msgspec.Struct):
    at: str
    facts: _Facts


_entry = msgspec.json.Decoder(_Entry)


def ends(year: int) -> datetime:
    """When a fiscal year is over: 1 April, in Japan, of the next calendar year."""
    return datetime(year + 1, 4, 1, tzinfo=_JST).astimezone(UTC)


def erasable_from(year: int) -> datetime:
    """When the last record of a fiscal year is seven years old."""
    return ends(year + KEPT_YEARS)


def covered(body: bytes) -> Covered | None:
    """What an entry says of a log whose bodies go; None when it speaks of other things."""
    try:
        entry = _entry.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Covered(entry.at, entry.facts.log, entry.facts.size, entry.facts.root)


def judge(logs: Sequence[LogChecked], covers: Iterable[tuple[str, Covered]]) -> list[Finding]:
    """Findings for logs without bodies. `covers`: with the origin of the log in which each stands: a log is covered by its own party alone.

    Where the log that covered it has lost its own bodies since, lawfully, that is enough: it is from the eighth year.
    """
    said = list(covers)
    findings: list[Finding] = []
    fine: dict[str, int] = {}
    for log in sorted((log for log in logs if log.erased), key=lambda log: log.origin, reverse=True):
        party, year = _party_and_year(log.origin)
        finding = _judged(log, said)
        if finding is None:
            fine[party] = max(year, fine.get(party, 0))
        elif finding.name is FindingName.ERASED_EARLY or fine.get(party, 0) <= year + KEPT_YEARS:
            findings.append(finding)
    return findings


def _party_and_year(origin: str) -> tuple[str, int]:
    party, _, year = origin.rpartition("/")
    return party, int(year) if year.isdecimal() and year.isascii() else 0


def _judged(log: LogChecked, said: Sequence[tuple[str, Covered]]) -> Finding | None:
    party, year = _party_and_year(log.origin)
    fitting = [
        one
        for origin, one in said
        if _party_and_year(origin)[0] == party
        and (one.origin, one.size, one.root) == (log.origin, log.entries, log.root)
    ]
    if not fitting:
        detail = "bodies are gone, and no later log of this party among the exports says that this log was erased"
        return Finding(name=FindingName.ERASED_UNCERTIFIED, export=log.export, detail=detail, entry=0, until=log.erased)
    if year == 0 or all(one.at < timestamp(erasable_from(year)) for one in fitting):
        detail = "bodies were erased before the records were seven years old"
        return Finding(name=FindingName.ERASED_EARLY, export=log.export, detail=detail, entry=0, until=log.erased)
    return None
