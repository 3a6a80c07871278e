"""照会許可用照合リスト (inquiry permission list): its rows as values, and the reading of its text (PL-1, PL-2, PL-5).

A list is one or more documents, each a legal basis with its rows: inquirer, affair, and grants (provider, information).
Rows by ordinance are documents of the same form with `kind: ordinance`; those on what people are shown about themselves have
`kind: own_information` (ours). The digest is over the content, not its layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    OWN_INFORMATION = "own_information"

    @property
    def statutory(self) -> bool:
        """Of the law's own tables: one of them is in force on a day, and it is meant when a question names no basis."""
        return self in (BasisKind.STATUTE, BasisKind.ORDER)


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
    """Who a term means. `kinds`: for certain. `unresolved`: others too, out of `possible` (empty: anyone).

    `agencies`: by whole name, where an ordinance means one agency and no kind.
    """

    text: str
    kinds: frozenset[str]
    unresolved: bool
    possible: frozenset[str]
    agencies: frozenset[str] = frozenset()


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
    `follows`: of a row by ordinance, the id of the statutory row whose affair it is like (番号法第19条第9号: 準ずる事務).
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
    follows: str | None = None

    @property
    def id(self) -> str:
        return f"{self.basis.id}:{self.item}"

    def counts_on(self, day: date) -> bool:
        """Whether it and its basis are in force on a legal day."""
        return self.basis.in_force.covers(day) and self.in_force.covers(day)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionList:
    """All rows by (basis id, item); `definitions`: by basis id, a class's wording; `digest`: hex SHA-256."""

    bases: Mapping[str, LegalBasis]
    rows: Mapping[tuple[str, str], PermissionRow]
    definitions: Mapping[str, Mapping[str, str]]
    digest: str

    def statutory_basis(self, on: date) -> LegalBasis | None:
        """The statute or order in force on that day; ordinances and own information are only used when named."""
        bases = (basis for basis in self.bases.values() if basis.kind.statutory)
        return next((basis for basis in bases if basis.in_force.covers(on)), None)

    def naming(self, information: str, on: date) -> list[PermissionRow]:
        """The rows in force on that day under which somebody gives this kind of information, in the order of the list."""
        return [
            row
            for row in self.rows.values()
            if row.counts_on(on) and any(information in grant.information for grant in row.grants)
        ]


def parse(texts: Iterable[str]) -> PermissionList:
    """Read list documents (YAML). Raises ListBroken; never quotes the input."""
    try:
        documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
    except yaml.YAMLError:
        raise ListBroken("permission list document is malformed") from None
    return build(documents)


def build(documents: Sequence[Any]) -> PermissionList:
    """The list that the documents say. Raises ListBroken; never quotes the input."""
    try:
        bases = [_basis(document["basis"]) for document in documents]
        rows = [row for basis, document in zip(bases, documents, strict=True) for row in _rows(basis, document)]
        definitions = {
            basis.id: {name: str(entry["text"]) for name, entry in document["definitions"]["information"].items()}
            for basis, document in zip(bases, documents, strict=True)
        }
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ListBroken("permission list document is malformed") from None
    _check_bases(bases)
    by_place = {(row.basis.id, row.item): row for row in rows}
    if len(by_place) != len(rows):
        raise ListBroken("an item stands twice in one basis")
    return PermissionList(
        bases={basis.id: basis for basis in bases},
        rows=by_place,
        definitions=definitions,
        digest=hashlib.sha256(content_of(documents)).hexdigest(),
    )


def content_of(documents: Sequence[Any]) -> bytes:
    """The content that the digest is over: JSON with sorted keys, UTF-8; layout and comments of files do not count.

    Raises ListBroken for what JSON cannot say (a bare YAML date).
    """
    try:
        return json.dumps(documents, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError):
        raise ListBroken("permission list document holds values that are no text, number or list") from None


def _check_bases(bases: list[LegalBasis]) -> None:
    """One id, one basis; never two statutory bases on the same day, or the item numbers would be ambiguous."""
    if len({basis.id for basis in bases}) != len(bases):
        raise ListBroken("a basis stands twice")
    statutory = [basis for basis in bases if basis.kind.statutory]
    for one in statutory:
        if any(other is not one and other.in_force.covers(one.in_force.first) for other in statutory):
            raise ListBroken("two statutory bases are in force on the same day")


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
        agencies=frozenset(map(str, source.get("agencies", ()))),
    )


def _named_alone(term: Term) -> Term:
    """An ordinance binds its own body alone: it lets those ask whom it names, nobody by a kind or by other law (docs/adr/0085)."""
    return replace(term, kinds=frozenset(), unresolved=False, possible=frozenset())


def _row(basis: LegalBasis, terms: Mapping[str, Term], source: Mapping[str, Any]) -> PermissionRow:
    item = str(source["item"])
    details = source.get("details")
    return PermissionRow(
        basis=basis,
        item=item,
        kanji=str(source.get("kanji", item)),
        legal_basis=basis.citation.replace("{item}", item.replace("-", "の")),
        inquirer=_named_alone(terms[source["inquirer"]])
        if basis.kind is BasisKind.ORDINANCE
        else terms[source["inquirer"]],
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
        follows=source.get("follows"),
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
