"""照会許可用照合リスト (inquiry permission list): its rows as values, and the reading of its text (PL-1, PL-2, PL-5).

A list is one or more documents, each a legal basis with its rows: inquirer, affair, and grants (provider, information).
Rows by ordinance are documents of the same form with `kind: ordinance`. The digest is over the content, not its layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import yaml


class ListBroken(ValueError):  # noqa: N818  (named by the fact)
    """A list document that is not what it should be: nothing is decided on it."""


class BasisKind(StrEnum):
    STATUTE = "statute"
    ORDER = "order"
    ORDINANCE = "ordinance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Legal dates in Japan; `last` is the last day inside, None is open."""

    first: date
    last: date | None

    def covers(self, on: date) -> bool:
        return self.first <= on and (self.last is None or on <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """What a list rests on. Beyond `text_known` the wording used may differ from the wording then in force."""

    id: str
    kind: BasisKind
    title: str
    citation: str
    in_force: Period
    text_known: Period
    text_note: str
    details_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Who a term means. `kinds`: for certain. `unresolved`: others too, out of `possible` (empty: anyone)."""

    text: str
    kinds: frozenset[str]
    unresolved: bool
    possible: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One provider of a row and the information classes it may give; `text` is the wording of the cell."""

    provider: Term
    text: str
    information: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedInformation:
    """One line of information of a detailed affair; `classes` are the row's classes it was read as, by our reading."""

    text: str
    classes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedAffair:
    """主務省令で定める事務: one numbered affair of the row's detail article."""

    number: str
    affair: str
    information: tuple[DetailedInformation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRow:
    """One 項: who may ask whom for what, for which affair, on which basis and when (PL-2).

    `details`: None when the data has none for this row; empty when the order was read and details nothing.
    """

    basis: LegalBasis
    item: str
    kanji: str
    legal_basis: str
    inquirer: Term
    affair: str
    grants: tuple[Grant, ...]
    in_force: Period
    article: str | None
    details: tuple[DetailedAffair, ...] | None
    old_item: str | None

    @property
    def id(self) -> str:
        return f"{self.basis.id}:{self.item}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionList:
    """All rows by (basis id, item); `definitions`: by basis id, a class's wording; `digest`: hex SHA-256."""

    bases: Mapping[str, LegalBasis]
    rows: Mapping[tuple[str, str], PermissionRow]
    definitions: Mapping[str, Mapping[str, str]]
    digest: str

    def statutory_basis(self, on: date) -> LegalBasis | None:
        """The statute or order in force on that day; ordinances are only used when named."""
        bases = (basis for basis in self.bases.values() if basis.kind is not BasisKind.ORDINANCE)
        return next((basis for basis in bases if basis.in_force.covers(on)), None)


def parse(texts: Iterable[str]) -> PermissionList:
    """Read list documents (YAML). Raises ListBroken; never quotes the input."""
    try:
        documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
        bases = [_basis(document["basis"]) for document in documents]
        rows = [row for basis, document in zip(bases, documents, strict=True) for row in _rows(basis, document)]
        definitions = {
            basis.id: {name: str(entry["text"]) for name, entry in document["definitions"]["information"].items()}
            for basis, document in zip(bases, documents, strict=True)
        }
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        raise ListBroken("permission list document is malformed") from None
    _check_bases(bases)
    by_place = {(row.basis.id, row.item): row for row in rows}
    if len(by_place) != len(rows):
        raise ListBroken("an item stands twice in one basis")
    return PermissionList(
        bases={basis.id: basis for basis in bases}, rows=by_place, definitions=definitions, digest=_digest(documents)
    )


def _check_bases(bases: list[LegalBasis]) -> None:
    """One id, one basis; never two statutory bases on the same day, or the item numbers would be ambiguous."""
    if len({basis.id for basis in bases}) != len(bases):
        raise ListBroken("a basis stands twice")
    statutory = [basis for basis in bases if basis.kind is not BasisKind.ORDINANCE]
    for one in statutory:
        if any(other is not one and other.in_force.covers(one.in_force.first) for other in statutory):
            raise ListBroken("two statutory bases are in force on the same day")


def _digest(documents: list[Any]) -> str:
    """SHA-256 over the content as JSON with sorted keys, UTF-8: layout and comments of the files do not count."""
    canonical = json.dumps(documents, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _basis(source: Mapping[str, Any]) -> LegalBasis:
    in_force = _period(source["in_force"])
    return LegalBasis(
        id=str(source["id"]),
        kind=BasisKind(source["kind"]),
        title=str(source["title"]),
        citation=str(source["citation"]),
        in_force=in_force,
        text_known=_period(source["text_known"]) if "text_known" in source else in_force,
        text_note=str(source.get("text_note", "")),
        details_source=str(source.get("details_source", "")),
    )


def _period(source: Mapping[str, Any]) -> Period:
    last = source["to"]
    period = Period(first=date.fromisoformat(source["from"]), last=None if last is None else date.fromisoformat(last))
    if period.last is not None and period.last < period.first:
        raise ListBroken("a period ends before it begins")
    return period


def _rows(basis: LegalBasis, document: Mapping[str, Any]) -> list[PermissionRow]:
    """The rows of one document; deleted items have none."""
    terms = {text: _term(text, entry) for text, entry in document["definitions"]["terms"].items()}
    return [_row(basis, terms, source) for source in document["rows"] if not source.get("deleted", False)]


def _term(text: str, source: Mapping[str, Any]) -> Term:
    return Term(
        text=text,
        kinds=frozenset(map(str, source["kinds"])),
        unresolved=bool(source.get("unresolved", False)),
        possible=frozenset(map(str, source.get("possible", ()))),
    )


def _row(basis: LegalBasis, terms: Mapping[str, Term], source: Mapping[str, Any]) -> PermissionRow:
    item = str(source["item"])
    details = source.get("details")
    return PermissionRow(
        basis=basis,
        item=item,
        kanji=str(source.get("kanji", item)),
        legal_basis=basis.citation.replace("{item}", item.replace("-", "の")),
        inquirer=terms[source["inquirer"]],
        affair=str(source["affair"]),
        grants=tuple(
            Grant(
                provider=terms[grant["provider"]],
                text=str(grant["text"]),
                information=frozenset(map(str, grant["information"])),
            )
            for grant in source["grants"]
        ),
        in_force=_period(source["in_force"]) if "in_force" in source else basis.in_force,
        article=source.get("article"),
        details=None if details is None else tuple(_detail(detail) for detail in details),
        old_item=source.get("old_item"),
    )


def _detail(source: Mapping[str, Any]) -> DetailedAffair:
    return DetailedAffair(
        number=str(source["number"]),
        affair=str(source["affair"]),
        information=tuple(
            DetailedInformation(text=str(line["text"]), classes=frozenset(map(str, line["classes"])))
            for line in source["information"]
        ),
    )
