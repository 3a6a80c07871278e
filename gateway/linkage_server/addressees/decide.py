"""同一人判定: who a row is, decided from what is held already (LS-1.3, SC-18). Pure.

Equality of the 個人番号 decides, but only binds when the four items agree with those held and with the resident network's, and when nothing
speaks against it (people.plausibility); any disagreement is held for a person, and so is a number that somebody had before and nobody has now.
Nobody gets another addressee number while they are frozen: one of theirs may be another person's.
A migrated integrated number is kept when nobody else has it; of somebody who was merged it leads to the one who lives on.
What two members of staff decided about a row binds: the same row says nothing new, however much it differs from what is held.
A reading is none of the four items, and what lacks one agrees: a row that agrees with somebody who is held without brings theirs.
A row without 個人番号 gets a number of its own: a link by four items is only ever proposed, by staff (issue of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

from codebook.errors import CodebookError
from codebook.folding import Fold
from codebook.four_items import Field, FourItems, compare, folds_between
from gateway.batch.text_forms import TextReason
from gateway.linkage_server.addressees.rows import Malformed, Parsed, Reason, Row
from gateway.linkage_server.plausibility import age_is_of_the_affair, is_household_member
from gateway.linkage_server.ways_of_writing import FoldsTold


class Outcome(StrEnum):
    """What became of a row."""

    ISSUED = "issued"
    KEPT = "kept"
    LINKED = "linked"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"


class Known(msgspec.Struct):
    """A person who is held, or is about to be: `integrated_number` None until the number is issued. Texts are opened when compared.

    `frozen`: whether a link of theirs is wrong is being looked into.
    """

    index: bytes | None
    integrated_number: int | None
    four_items: Callable[[], list[str]]
    frozen: bool = False

    def __repr__(self) -> str:
        return "<Known>"


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """An addressee number that is taken: by whom, and by which intake. `ended`: a decision on links took it off its person."""

    person: Known
    intake_id: int
    ended: bool = False


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One row's outcome. `person` when the row leads to one; `differing` names fields of the four items, never their content; `folds` finds
    out which folds of which fields it took for the row and the person to agree (`folds_told`); `brings_kana`: the person is held without a reading.
    """

    row: Row | None
    line: int
    outcome: Outcome
    reason: Reason | TextReason | None = None
    person: Known | None = None
    differing: frozenset[Field] = frozenset()
    where: str | None = None
    folds: FoldsTold = tuple
    brings_kana: bool = False


@dataclass(slots=True, repr=False)
class Ledger:
    """What is held about the rows of one chunk; it grows with each decision, so rows of one chunk see one another."""

    by_index: dict[bytes, Known] = field(default_factory=dict)
    by_integrated_number: dict[int, Known] = field(default_factory=dict)
    by_addressee: dict[str, Registered] = field(default_factory=dict)
    former: frozenset[bytes] = frozenset()
    """Blind indexes of numbers that somebody had and has no more."""
    settled: frozenset[int] = frozenset()
    """Lines of the rows that are the same as the one by which staff last decided whom their addressee number means."""

    @property
    def is_empty(self) -> bool:
        return not (self.by_index or self.by_integrated_number or self.by_addressee or self.former)


NetworkVerdicts = Mapping[int, frozenset[Field] | None]
"""Line → the fields in which the resident network differs from the row, None when it does not know the number; absent: not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What speaks for or against a row besides the ledger.

    `two_people`: `hash(index)` of numbers that stand for two people in this load; `ages`: of the system's affair;
    `alone`: each row is judged by what is held and not by the rows before it.
    """

    intake_id: int
    network: NetworkVerdicts
    today: date
    two_people: frozenset[int] = frozenset()
    ages: tuple[int, int] | None = None
    alone: bool = False


_KANA: Final = list(Field).index(Field.KANA)


def differing(held: Sequence[str], shown: Sequence[str]) -> frozenset[Field]:
    """The fields in which two accounts differ after folding; equal texts are not folded at all."""
    if list(held) == list(shown):
        return frozenset()
    try:
        return compare(_items(held), _items(shown))
    except CodebookError:
        return frozenset(Field)


def folds_told(held: Sequence[str], shown: Sequence[str]) -> tuple[str, ...]:
    """`field:fold` for what it takes for two accounts that agree to be one, in the order of both; nothing for equal texts."""
    if list(held) == list(shown):
        return ()
    took = folds_between(_items(held), _items(shown))
    return tuple(f"{name}:{fold}" for name in Field for fold in Fold if fold in took.get(name, ()))


def _items(texts: Sequence[str]) -> FourItems:
    return FourItems.parse(dict(zip((name.value for name in Field), texts, strict=True)))


def _held(row: Row, reason: Reason, fields: frozenset[Field] = frozenset()) -> Decided:
    return Decided(row=row, line=row.line, outcome=Outcome.HELD, reason=reason, differing=fields)


def _disagreement(row: Row, fields: frozenset[Field]) -> Decided:
    reason = Reason.NUMBER_OF_A_HOUSEHOLD_MEMBER if is_household_member(fields) else Reason.FOUR_ITEMS_DIFFER
    return _held(row, reason, fields)


def _against(row: Row, person: Known, agreed: Outcome) -> Decided:
    held, shown = person.four_items(), row.four_items()
    fields = differing(held, shown)
    if fields:
        return _disagreement(row, fields)
    if agreed is Outcome.LINKED and person.frozen:
        return _held(row, Reason.PERSON_FROZEN)
    brings_kana = not held[_KANA].strip() and bool(row.kana.strip())
    return Decided(
        row=row,
        line=row.line,
        outcome=agreed,
        person=person,
        folds=partial(folds_told, held, shown),
        brings_kana=brings_kana,
    )


def _implausible(row: Row, index: bytes, around: Surroundings) -> Decided | None:
    """None when nothing speaks against the number on this row. The resident network's yes settles which of two people has it."""
    if row.line in around.network:
        fields = around.network[row.line]
        if fields is None:
            return Decided(row=row, line=row.line, outcome=Outcome.REJECTED, reason=Reason.NOT_IN_RESIDENT_NETWORK)
        if fields:
            return _disagreement(row, fields)
    elif hash(index) in around.two_people:
        return _held(row, Reason.NUMBER_ON_TWO_PEOPLE)
    if around.ages is not None and not age_is_of_the_affair(row.birth_date, around.today, around.ages):
        return _held(row, Reason.AGE_AGAINST_AFFAIR)
    return None


def _as_registered(row: Row, index: bytes | None, registered: Registered, ledger: Ledger) -> Decided:
    """The addressee number is held already: the row says the same, or a person looks."""
    if registered.ended:
        return _held(row, Reason.ADDRESSEE_ENDED)
    number = registered.person.integrated_number
    if index is not None and registered.person.index != index:  # a row without one says nothing of it
        holder = ledger.by_index.get(index)
        if (
            holder is None or number is None or holder.integrated_number != number
        ):  # not a number of a merged person either
            return _held(row, Reason.INDIVIDUAL_NUMBER_DIFFERS)
    if row.integrated_number and not _has_had(registered.person, int(row.integrated_number), ledger):
        return _held(row, Reason.INTEGRATED_NUMBER_DIFFERS)
    return _against(row, registered.person, Outcome.UNCHANGED)


def _has_had(person: Known, migrated: int, ledger: Ledger) -> bool:
    """Whether a migrated number is a person's, or of somebody who was merged into them."""
    holder = ledger.by_integrated_number.get(migrated)
    return person.integrated_number == (migrated if holder is None else holder.integrated_number)


def _as_new(row: Row, index: bytes | None, ledger: Ledger) -> Decided:
    """Nobody is held under the addressee number: the same person by 個人番号 or by migrated number, or somebody new."""
    person = ledger.by_index.get(index) if index is not None else None
    migrated = int(row.integrated_number) if row.integrated_number else None
    holder = ledger.by_integrated_number.get(migrated) if migrated is not None else None
    if person is not None:
        if migrated is not None and not _has_had(person, migrated, ledger):
            return _held(row, Reason.INTEGRATED_NUMBER_DIFFERS)
        return _against(row, person, Outcome.LINKED)
    if holder is not None:
        if holder.index != index:
            return _held(row, Reason.INTEGRATED_NUMBER_TAKEN)
        return _against(row, holder, Outcome.LINKED)
    outcome = Outcome.ISSUED if migrated is None else Outcome.KEPT
    return Decided(row=row, line=row.line, outcome=outcome, person=Known(index, migrated, row.four_items))


def _decide(row: Row, index: bytes | None, ledger: Ledger, around: Surroundings) -> Decided:
    registered = ledger.by_addressee.get(row.addressee_number)
    if registered is not None and registered.intake_id == around.intake_id:
        return Decided(row=row, line=row.line, outcome=Outcome.REJECTED, reason=Reason.DUPLICATE_ROW)
    compared = _compared(row, index, registered, ledger, around)
    settled = compared.outcome is Outcome.HELD and row.line in ledger.settled
    if settled and registered is not None and not registered.ended:
        return Decided(row=row, line=row.line, outcome=Outcome.UNCHANGED, person=registered.person)
    return compared


def _compared(
    row: Row, index: bytes | None, registered: Registered | None, ledger: Ledger, around: Surroundings
) -> Decided:
    if index in ledger.former and index not in ledger.by_index:
        return _held(row, Reason.INDIVIDUAL_NUMBER_FORMER)
    implausible = _implausible(row, index, around) if index is not None else None
    if implausible is not None:
        return implausible
    return _as_new(row, index, ledger) if registered is None else _as_registered(row, index, registered, ledger)


def decide(rows: Iterable[tuple[Parsed, bytes | None]], ledger: Ledger, around: Surroundings) -> list[Decided]:
    """Decide the rows of one chunk in order. `rows`: each with its blind index (None without 個人番号)."""
    decisions: list[Decided] = []
    intake_id = around.intake_id
    for row, index in rows:
        if isinstance(row, Malformed):
            decisions.append(
                Decided(row=None, line=row.line, outcome=Outcome.REJECTED, reason=row.reason, where=row.where)
            )
            continue
        decided = _decide(row, index, ledger, around)
        decisions.append(decided)
        person = decided.person
        if person is not None and not around.alone:
            ledger.by_addressee[row.addressee_number] = Registered(person=person, intake_id=intake_id)
            if row.line in ledger.settled:
                continue  # its numbers may be another's
            if index is not None:
                ledger.by_index[index] = person
            if row.integrated_number:
                ledger.by_integrated_number[int(row.integrated_number)] = person
            if decided.brings_kana:
                items = person.four_items()
                items[_KANA] = row.kana
                person.four_items = items.copy
    return decisions
