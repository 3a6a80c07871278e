"""決裁: what a decision about a hold or a link is, how it moves, and when it may not be made (LS-1.3, SC-18). Pure.

One member of staff proposes, another approves exactly what was proposed about exactly what was looked at. A change of either voids it.
Freezing alone is done at once by one person: it stops harm and links nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from codebook.four_items import Field
from gateway.linkage_server.people.state import Says


class Kind(StrEnum):
    """What is decided. `hold_keep`: the row of a hold is another person's, who gets a number; `link`: by four items, without a number."""

    HOLD_LINK = "hold_link"
    HOLD_KEEP = "hold_keep"
    HOLD_REFUSE = "hold_refuse"
    LINK = "link"
    MERGE = "merge"
    SPLIT = "split"
    RELEASE = "release"
    FREEZE = "freeze"


class State(StrEnum):
    """`withdrawing`: both people are frozen and their copies are on the way out; `applied`: carried out, not yet on record."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWING = "withdrawing"
    APPLIED = "applied"
    DONE = "done"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOIDED = "voided"


class Step(StrEnum):
    """What happens to a decision; the word that stands in the log."""

    EDIT = "edit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    FREEZE_FIRST = "freeze_first"
    APPLY = "apply"
    VOID = "void"
    RECORD = "record"


MOVES: Final[dict[State, dict[Step, State]]] = {
    State.PROPOSED: {
        Step.EDIT: State.PROPOSED,
        Step.APPROVE: State.APPROVED,
        Step.REJECT: State.REJECTED,
        Step.WITHDRAW: State.WITHDRAWN,
    },
    State.APPROVED: {
        Step.EDIT: State.PROPOSED,
        Step.FREEZE_FIRST: State.WITHDRAWING,
        Step.APPLY: State.APPLIED,
        Step.VOID: State.VOIDED,
    },
    State.WITHDRAWING: {Step.APPLY: State.APPLIED, Step.VOID: State.VOIDED},
    State.APPLIED: {Step.RECORD: State.DONE},
    State.DONE: {},
    State.REJECTED: {},
    State.WITHDRAWN: {},
    State.VOIDED: {},
}
OPEN: Final = frozenset({State.PROPOSED, State.APPROVED, State.WITHDRAWING, State.APPLIED})
MOVES_COPIES: Final = frozenset({Kind.LINK, Kind.MERGE, Kind.SPLIT})
"""These withdraw the copies at the intermediate server before they take effect."""


def before(step: Step) -> list[State]:
    """The states in which a step may happen."""
    return [state for state, moves in MOVES.items() if step in moves]


class No(StrEnum):
    """Why a decision may not be made, or not any more."""

    HOLD_UNKNOWN = "hold_unknown"
    HOLD_DECIDED = "hold_decided"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_FROZEN = "person_frozen"
    PERSON_NOT_FROZEN = "person_not_frozen"
    PERSON_MERGED = "person_merged"
    SAME_PERSON = "same_person"
    FEWER_THAN_FOUR_ITEMS = "fewer_than_four_items"
    HAS_INDIVIDUAL_NUMBER = "has_individual_number"
    INDIVIDUAL_NUMBER_TAKEN = "individual_number_taken"
    INDIVIDUAL_NUMBER_FORMER = "individual_number_former"
    INTEGRATED_NUMBER_TAKEN = "integrated_number_taken"
    FOUR_ITEMS_DIFFER = "four_items_differ"
    NOT_IN_RESIDENT_NETWORK = "not_in_resident_network"
    NO_INDIVIDUAL_NUMBER = "no_individual_number"
    ADDRESSEE_NOT_OF_PERSON = "addressee_not_of_person"
    ITEMS_NOT_KNOWN = "items_not_known"
    NO_ADDRESSEE_NAMED = "no_addressee_named"
    NOT_FOR_THIS_HOLD = "not_for_this_hold"
    CHANGE_REFUSED = "change_refused"
    DECISION_OPEN = "decision_open"
    DECISION_UNKNOWN = "decision_unknown"
    DECIDED_ALREADY = "decided_already"
    CONTENT_CHANGED = "content_changed"
    OWN_PROPOSAL = "own_proposal"
    SAME_CLIENT = "same_client"


class Content(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be done. It lies sealed and is never printed.

    `person`: of a hold the one it is linked to; of a link or merge the number that is given up; of a split the number that stands for two;
    else the one frozen or released. `other`: who lives on, or to whom the addressees go (None in a split: somebody new).
    `number_goes`: the 個人番号 goes along (hold: is taken over with the row; split: moves with the addressees). `items_go`: so do the four items
    of a row that is linked. `says`: what is right of the person to whom addressees are split off. `wrong_since`: when the wrong link began.
    """

    reason: str
    person: int | None = None
    other: int | None = None
    addressees: tuple[tuple[str, str], ...] = ()
    number_goes: bool = False
    items_go: bool = False
    says: Says | None = None
    wrong_since: datetime | None = None

    def __repr__(self) -> str:
        return "<Content>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Standing:
    """A person as far as a decision asks. `merged_into`: who lives on from this number, when it was merged.

    `addressees`: (business system, addressee number), also those that have ended; `replaced`: those that others took the place of → the other number.
    """

    revision: int
    frozen: bool
    merged_into: int | None
    has_number: bool
    code_state: str
    addressees: frozenset[tuple[str, str]]
    replaced: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def with_replaced(self, named: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """These addressee numbers with all that took their place or whose place they took: their system says that they mean one person."""
        found, grown = set[tuple[str, str]](), set(named)
        while found != grown:
            found = set(grown)
            for old, by in self.replaced.items():
                new = (old[0], by)
                if {old, new} & found:
                    grown |= {old, new} & self.addressees
        return tuple(sorted(found))


def problem_of_link(
    kind: Kind, given_up: Standing | None, lives_on: Standing | None, differing: Collection[Field], *, same: bool
) -> No | None:
    """Whether two numbers may become one. Where both people have an 個人番号 a merge rests on what two members of staff know; where one has none, on
    all four items, as every link does (LS-1.3).
    """
    if given_up is None or lives_on is None:
        return No.PERSON_UNKNOWN
    if same:
        return No.SAME_PERSON
    if given_up.merged_into is not None or lives_on.merged_into is not None:
        return No.PERSON_MERGED
    if kind is Kind.LINK and given_up.has_number:
        return No.HAS_INDIVIDUAL_NUMBER
    both = given_up.has_number and lives_on.has_number
    return No.FEWER_THAN_FOUR_ITEMS if differing and not both else None


def problem_of_split(
    person: int, standing: Standing | None, content: Content, to: Standing | None, *, number_came_along: bool = False
) -> No | None:
    """Whether these addressees may leave a person: for somebody new, for another, or back to a number that was merged into this one.

    `number_came_along`: changes under these addressees told the person's 個人番号; then it replaces the one that the other person has.
    """
    wrong = _problem_of_leaving(person, standing, content, to)
    if wrong is not None or standing is None or not content.number_goes:
        return wrong
    if not standing.has_number:
        return No.NO_INDIVIDUAL_NUMBER
    takes_another = to is not None and to.has_number and not number_came_along
    return No.HAS_INDIVIDUAL_NUMBER if takes_another or (content.says and content.says.individual_number) else None


def _problem_of_leaving(person: int, standing: Standing | None, content: Content, to: Standing | None) -> No | None:
    if standing is None or (content.other is not None and to is None):
        return No.PERSON_UNKNOWN
    if person == content.other:
        return No.SAME_PERSON
    if standing.merged_into is not None or (to is not None and to.merged_into not in (None, person)):
        return No.PERSON_MERGED
    if not content.addressees:
        return No.NO_ADDRESSEE_NAMED
    return None if set(content.addressees) <= standing.addressees else No.ADDRESSEE_NOT_OF_PERSON


def problem_of_thawing(standing: Standing | None) -> No | None:
    if standing is None:
        return No.PERSON_UNKNOWN
    if standing.merged_into is not None:
        return No.PERSON_MERGED
    return None if standing.frozen else No.PERSON_NOT_FROZEN


def problem_of_freezing(standing: Standing | None) -> No | None:
    if standing is None:
        return No.PERSON_UNKNOWN
    return No.PERSON_FROZEN if standing.frozen else None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held:
    """A hold as far as a decision asks. `of_a_change`: it is about a change, not about a row that registers somebody.

    `number_of`: the person who has the row's 個人番号; `registered_to`: the person to whom the addressee number belongs; `formerly_of`: the person who
    had the row's 個人番号, when nobody has it; None: nobody.
    `has_number`: the row has one at all; `migrated_is_taken`: the integrated number that it brings is somebody's, or was.
    """

    state: str
    of_a_change: bool
    has_number: bool
    number_of: int | None
    registered_to: int | None
    formerly_of: int | None = None
    migrated_is_taken: bool = False


def problem_of_hold(
    kind: Kind, held: Held | None, content: Content, to: Standing | None, differing: Collection[Field]
) -> No | None:
    """Whether a hold may be decided so. A row is linked to the one who has its number, or had it, or whom its addressee number means, or who agrees in all four items."""
    if held is None or held.state != "open":
        return No.HOLD_UNKNOWN if held is None else No.HOLD_DECIDED
    if kind is Kind.HOLD_REFUSE:
        return None
    if held.of_a_change:
        return No.NOT_FOR_THIS_HOLD if kind is Kind.HOLD_KEEP else _problem_of_change(held, content, to)
    if kind is Kind.HOLD_KEEP and held.migrated_is_taken:
        return No.INTEGRATED_NUMBER_TAKEN
    return _problem_of_number(held, content) or (
        _problem_of_target(held, content, to, differing) if kind is Kind.HOLD_LINK else None
    )


def _problem_of_change(held: Held, content: Content, to: Standing | None) -> No | None:
    """A change that is linked is taken as it is, for whom its addressee number means, or, when it registers one, for whom its 個人番号 names."""
    registers = held.registered_to is None
    whose = (held.number_of or held.formerly_of) if registers else held.registered_to
    if content.person not in (None, whose):
        return No.NOT_FOR_THIS_HOLD
    if not registers and held.number_of not in (None, whose):
        return No.INDIVIDUAL_NUMBER_TAKEN
    return No.PERSON_FROZEN if registers and to is not None and to.frozen else None


def _problem_of_number(held: Held, content: Content) -> No | None:
    if not content.number_goes:
        return None
    if not held.has_number:
        return No.NO_INDIVIDUAL_NUMBER
    return None if held.number_of in (None, content.person) else No.INDIVIDUAL_NUMBER_TAKEN


def _problem_of_target(held: Held, content: Content, to: Standing | None, differing: Collection[Field]) -> No | None:
    if content.person is None or to is None:
        return No.PERSON_UNKNOWN
    if to.frozen:
        return No.PERSON_FROZEN if to.merged_into is None else No.PERSON_MERGED
    known = content.person in (held.number_of, held.registered_to, held.formerly_of)
    return No.FEWER_THAN_FOUR_ITEMS if differing and not known else None


def staff_differ(one: str, other: str) -> bool:
    """Two ids that differ only in case are one person."""
    return one.casefold() != other.casefold()
