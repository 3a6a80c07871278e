"""照会許可用照合リスト (inquiry permission list) as the core looks it up: the second implementation (PL-1 to PL-6).

Reads the list documents itself into dictionaries and answers with a reason code or None for yes. Anything not plainly
permitted is refused. Shares no code with the package that the intermediate servers use; a test compares both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any, Final

import yaml

from transport.register import Agency

_ALWAYS: Final = date.max
_DATA = "permission_lists"


class ListUnreadableError(ValueError):
    """The list documents cannot be read; the core must not start on them."""


@dataclass(frozen=True, slots=True)
class _Days:
    first: date
    last: date

    def hold(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class _Who:
    """A wording of the law: agency kinds inside for certain, and those for whom other law decides (None: anyone)."""

    inside: frozenset[str]
    unsettled: frozenset[str] | None

    def verdict(self, names: frozenset[str]) -> str:
        if not self.inside.isdisjoint(names):
            return "yes"
        if self.unsettled is None or not self.unsettled.isdisjoint(names):
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
        if not (inquirer.assessed and provider.assessed):
            return "pia_duty_not_met"
        if inquirer.id == provider.id:
            return "inquires_of_itself"
        row = self.rows.get((found, item))
        if row is None:
            return "affair_not_listed"
        return _row_refusal(row, on, inquirer.kinds | {inquirer.name}, provider.kinds | {provider.name}, information)

    def _basis(self, named: str | None, on: date) -> str | None:
        candidates = self.statutory if named is None else (named,)
        return next((basis for basis in candidates if basis in self.days and self.days[basis].hold(on)), None)


def _row_refusal(
    row: _Row, on: date, inquirer: frozenset[str], provider: frozenset[str], information: str
) -> str | None:
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


def read_documents() -> list[Any]:
    """The list documents that ship with the house, in file name order; files without rows are other data."""
    folder = resources.files(_DATA).joinpath("data")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    try:
        documents = [yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) for file in files]
    except yaml.YAMLError:
        raise ListUnreadableError("a list document is not YAML") from None
    return [document for document in documents if "rows" in document]


def build(documents: Iterable[Any]) -> ListLookup:
    """Index the documents. Raises ListUnreadableError; never quotes them."""
    kept = list(documents)
    try:
        days = {str(document["basis"]["id"]): _days(document["basis"]["in_force"]) for document in kept}
        statutory = tuple(
            str(document["basis"]["id"]) for document in kept if document["basis"]["kind"] in {"statute", "order"}
        )
        rows = {key: row for document in kept for key, row in _rows(document)}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ListUnreadableError("a list document is malformed") from None
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return ListLookup(hashlib.sha256(text.encode()).hexdigest(), days, statutory, rows)


def _days(source: Mapping[str, Any]) -> _Days:
    last = source["to"]
    return _Days(date.fromisoformat(source["from"]), _ALWAYS if last is None else date.fromisoformat(last))


def _rows(document: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], _Row]]:
    basis = document["basis"]
    who = {text: _who(text, entry) for text, entry in document["definitions"]["terms"].items()}
    for source in document["rows"]:
        if source.get("deleted"):
            continue
        grants = tuple(
            (who[grant["provider"]], frozenset(map(str, grant["information"]))) for grant in source["grants"]
        )
        days = _days(source.get("in_force", basis["in_force"]))
        yield (str(basis["id"]), str(source["item"])), _Row(days, who[source["inquirer"]], grants)


def _who(text: str, entry: Mapping[str, Any]) -> _Who:
    inside = frozenset(map(str, entry["kinds"])) | {text}
    if not entry.get("unresolved"):
        return _Who(inside, frozenset())
    possible = frozenset(map(str, entry.get("possible", ())))
    return _Who(inside, possible or None)
