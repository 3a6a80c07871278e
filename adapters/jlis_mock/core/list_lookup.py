"""照会許可用照合リスト (inquiry permission list) as the core looks it up: the second implementation (PL-1 to PL-6).

Makes dictionaries of the list documents and answers with a reason code or None for yes. Anything not plainly
permitted is refused. Shares no code with the package that the intermediate servers use; a test compares both.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from transport.register import Agency

_ALWAYS: Final = date.max


class ListUnreadableError(ValueError):
    """List documents that cannot be read: nothing is decided on them."""


@dataclass(frozen=True, slots=True)
class _Days:
    first: date
    last: date

    def hold(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class _Who:
    """A wording of the law: agency kinds inside for certain, agencies named, and kinds that other law decides on (None: any)."""

    inside: frozenset[str]
    named: frozenset[str]
    unsettled: frozenset[str] | None

    def verdict(self, agency: Agency) -> str:
        if agency.name in self.named or not self.inside.isdisjoint(agency.kinds):
            return "yes"
        if self.unsettled is None or not self.unsettled.isdisjoint(agency.kinds):
            return "unsettled"
        return "no"


@dataclass(frozen=True, slots=True)
class _Row:
    days: _Days
    inquirer: _Who
    grants: tuple[tuple[_Who, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class ListLookup:
    """`digest` is hex SHA-256 over the documents as JSON with sorted keys, as the law text carries them."""

    digest: str
    days: Mapping[str, _Days]
    statutory: tuple[str, ...]
    rows: Mapping[tuple[str, str], _Row]

    def refusal(
        self, *, on: date, inquirer: Agency, provider: Agency, basis: str | None, item: str, information: str
    ) -> str | None:
        """Why this may not be asked on that day (a Japanese legal date), or None when it may."""
        found = self._basis(basis, on)
        if found is None:
            return "basis_not_in_force"
        if not (inquirer.assessed_on(on) and provider.assessed_on(on)):
            return "pia_duty_not_met"
        if inquirer.id == provider.id or inquirer.name == provider.name:
            return "inquires_of_itself"
        row = self.rows.get((found, item))
        if row is None:
            return "affair_not_listed"
        return _row_refusal(row, on, inquirer, provider, information)

    def _basis(self, named: str | None, on: date) -> str | None:
        candidates = self.statutory if named is None else (named,)
        return next((basis for basis in candidates if basis in self.days and self.days[basis].hold(on)), None)


def _row_refusal(row: _Row, on: date, inquirer: Agency, provider: Agency, information: str) -> str | None:
    if not row.days.hold(on):
        return "not_in_force"
    asking = row.inquirer.verdict(inquirer)
    if asking == "no":
        return "inquirer_not_in_row"
    verdicts = [(who.verdict(provider), information in classes) for who, classes in row.grants]
    if ("yes", True) in verdicts:
        return None if asking == "yes" else "term_undetermined"
    if ("unsettled", True) in verdicts:
        return "term_undetermined"
    return "information_not_in_row" if ("yes", False) in verdicts else "provider_not_in_row"


def build(documents: Iterable[Any]) -> ListLookup:
    """Index the documents. Raises ListUnreadableError; never quotes them."""
    kept = list(documents)
    try:
        days = {str(document["basis"]["id"]): _days(document["basis"]["in_force"]) for document in kept}
        statutory = tuple(
            str(document["basis"]["id"]) for document in kept if document["basis"]["kind"] in {"statute", "order"}
        )
        rows = [pair for document in kept for pair in _rows(document)]
        _check(kept, days, statutory, rows)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ListUnreadableError("a list document is malformed") from None
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return ListLookup(hashlib.sha256(text.encode()).hexdigest(), days, statutory, dict(rows))


def _check(
    documents: list[Any],
    days: Mapping[str, _Days],
    statutory: tuple[str, ...],
    rows: list[tuple[tuple[str, str], _Row]],
) -> None:
    """What stands twice, or in force twice on one day, could be decided either way. Raises ValueError."""
    kinds = {str(document["basis"]["kind"]) for document in documents}
    by_statute = sorted((days[basis] for basis in statutory), key=lambda each: each.first)
    overlap = any(before.last >= after.first for before, after in itertools.pairwise(by_statute))
    if (
        len(days) != len(documents)
        or len(dict(rows)) != len(rows)
        or overlap
        or kinds - {"statute", "order", "ordinance", "own_information"}
    ):
        raise ValueError("a list that says two things")


def _days(source: Mapping[str, Any]) -> _Days:
    last = source["to"]
    days = _Days(date.fromisoformat(source["from"]), _ALWAYS if last is None else date.fromisoformat(last))
    if days.last < days.first:
        raise ValueError("a period ends before it begins")
    return days


def _rows(document: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], _Row]]:
    basis = document["basis"]
    who = {text: _who(entry) for text, entry in document["definitions"]["terms"].items()}
    for source in document["rows"]:
        if source.get("deleted"):
            continue
        grants = tuple(
            (who[grant["provider"]], frozenset(map(str, grant["information"]))) for grant in source["grants"]
        )
        days = _days(source.get("in_force", basis["in_force"]))
        asking = who[source["inquirer"]]
        if (
            basis["kind"] == "ordinance"
        ):  # binds its own body alone: those it names, and nobody by a kind (docs/adr/0085)
            asking = _Who(frozenset(), asking.named, frozenset())
        yield (str(basis["id"]), str(source["item"])), _Row(days, asking, grants)


def _who(entry: Mapping[str, Any]) -> _Who:
    inside = frozenset(map(str, entry["kinds"]))
    named = frozenset(map(str, entry.get("agencies", ())))
    if not entry.get("unresolved"):
        return _Who(inside, named, frozenset())
    possible = frozenset(map(str, entry.get("possible", ())))
    return _Who(inside, named, possible or None)
