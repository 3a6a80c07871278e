"""同一人判定: who a row is, decided from what is held already (LS-1.3, SC-18). Pure.

Equality of the 個人番号 decides, but only binds when the four items agree with those held; any disagreement is held for a person.
A row without 個人番号 gets a number of its own: a link by four items is only ever proposed, by staff (issue of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from codebook.errors import CodebookError
from codebook.four_items import Field, FourItems, compare
from gateway.linkage_server.addressees.rows import Malformed, Parsed, Reason, Row


class Outcome(StrEnum):
    """What became of a row."""

    ISSUED = "issued"
    LINKED = "linked"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(slots=True, repr=False)
class Known:
    """A person who is held, or is about to be: `integrated_number` None until the number is issued. Texts are opened when compared."""

    index: bytes | None
    integrated_number: int | None
    four_items: Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An addressee number that is taken: by whom, and by which intake."""

    person: Known
    intake_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One row's outcome. `person` when the row leads to one; `differing` names fields of the four items, never their content."""

    row: Row | None
    line: int
    outcome: Outcome
    reason: Reason | None = None
    person: Known | None = None
    differing: frozenset[Field] = frozenset()


@dataclass(slots=True, repr=False)
class Ledger:
    """What is held about the rows of one chunk; it grows with each decision, so rows of one chunk see one another."""

    by_index: dict[bytes, Known] = field(default_factory=dict)
    by_addressee: dict[str, Registered] = field(default_factory=dict)


def differing(held: Sequence[str], shown: Sequence[str]) -> frozenset[Field]:
    """The fields in which two accounts differ after folding; equal texts are not folded at all."""
    if list(held) == list(shown):
        return frozenset()
    try:
        return compare(_items(held), _items(shown))
    except CodebookError:
        return frozenset(Field)


def _items(texts: Sequence[str]) -> FourItems:
    return FourItems.parse(dict(zip((name.value for name in Field), texts, strict=True)))


def _held(row: Row, reason: Reason, fields: frozenset[Field] = frozenset()) -> Decided:
    return Decided(row=row, line=row.line, outcome=Outcome.HELD, reason=reason, differing=fields)


def _against(row: Row, person: Known, agreed: Outcome) -> Decided:
    fields = differing(person.four_items(), row.four_items())
    if fields:
        return _held(row, Reason.FOUR_ITEMS_DIFFER, fields)
    return Decided(row=row, line=row.line, outcome=agreed, person=person)


def _against_network(row: Row, network: Mapping[int, Sequence[str] | None]) -> Decided | None:
    """None when the resident network says the same, or was not asked."""
    if row.line not in network:
        return None
    account = network[row.line]
    if account is None:
        return Decided(row=row, line=row.line, outcome=Outcome.REJECTED, reason=Reason.NOT_IN_RESIDENT_NETWORK)
    fields = differing(account, row.four_items())
    return _held(row, Reason.FOUR_ITEMS_DIFFER, fields) if fields else None


def _decide(
    row: Row, index: bytes | None, ledger: Ledger, intake_id: int, network: Mapping[int, Sequence[str] | None]
) -> Decided:
    registered = ledger.by_addressee.get(row.addressee_number)
    if registered is not None and registered.intake_id == intake_id:
        return Decided(row=row, line=row.line, outcome=Outcome.REJECTED, reason=Reason.DUPLICATE_ROW)
    contradicted = _against_network(row, network)
    if contradicted is not None:
        return contradicted
    if registered is not None:
        if registered.person.index != index:
            return _held(row, Reason.INDIVIDUAL_NUMBER_DIFFERS)
        return _against(row, registered.person, Outcome.UNCHANGED)
    person = ledger.by_index.get(index) if index is not None else None
    if person is not None:
        return _against(row, person, Outcome.LINKED)
    return Decided(row=row, line=row.line, outcome=Outcome.ISSUED, person=Known(index, None, row.four_items))


def decide(
    rows: Iterable[tuple[Parsed, bytes | None]],
    ledger: Ledger,
    *,
    intake_id: int,
    network: Mapping[int, Sequence[str] | None],
) -> list[Decided]:
    """Decide the rows of one chunk in order.

    `rows`: each with its blind index (None without 個人番号). `network`: line → the resident network's four items, or None when it
    does not know the number; a line that is absent was not asked about.
    """
    decisions: list[Decided] = []
    for row, index in rows:
        if isinstance(row, Malformed):
            decisions.append(Decided(row=None, line=row.line, outcome=Outcome.REJECTED, reason=row.reason))
            continue
        decided = _decide(row, index, ledger, intake_id, network)
        decisions.append(decided)
        if decided.person is not None:
            ledger.by_addressee[row.addressee_number] = Registered(person=decided.person, intake_id=intake_id)
            if index is not None:
                ledger.by_index[index] = decided.person
    return decisions
