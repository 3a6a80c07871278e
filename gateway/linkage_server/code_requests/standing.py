"""Where a person stands on the way to a 符号, and where the person's own state leads (LS-4). Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """`requested`: the request was taken; `bound`: the intermediate server has the code; `refused`: asked again after a long while.

    `replacing`: bound, and another code is on its way; `cancelling`: the intermediate server is yet to be told.
    """

    WITHOUT_INDIVIDUAL_NUMBER = "without_individual_number"
    NONE = "none"
    REQUESTED = "requested"
    BOUND = "bound"
    REFUSED = "refused"
    REPLACING = "replacing"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.WITHOUT_INDIVIDUAL_NUMBER: frozenset({State.NONE, State.CANCELLING, State.CANCELLED}),
    State.NONE: frozenset({State.REQUESTED, State.BOUND, State.REFUSED, State.REPLACING, State.CANCELLING}),
    State.REQUESTED: frozenset({State.NONE, State.BOUND, State.REFUSED, State.REPLACING, State.CANCELLING}),
    State.BOUND: frozenset({State.NONE, State.REPLACING, State.CANCELLING}),
    State.REFUSED: frozenset({State.NONE, State.REQUESTED, State.BOUND, State.REPLACING, State.CANCELLING}),
    State.REPLACING: frozenset({State.NONE, State.BOUND, State.CANCELLING}),
    State.CANCELLING: frozenset({State.CANCELLED}),
    State.CANCELLED: frozenset({State.NONE, State.WITHOUT_INDIVIDUAL_NUMBER, State.CANCELLING}),
}
"""What may follow what; the same state again is a repetition."""
ON_THE_WAY: Final = (State.NONE, State.REQUESTED, State.REPLACING, State.CANCELLING)


class Ground(StrEnum):
    """Why a code ends; the intermediate server keeps the word (IF_FGU_90021, 90022)."""

    MOVED_OUT = "moved_out"
    DECEASED = "deceased"
    RECORD_CANCELLED = "record_cancelled"
    MERGED = "merged"
    LINK_UNDONE = "link_undone"
    NUMBER_CORRECTED = "number_corrected"
    NUMBER_CHANGED = "number_changed"
    RESIDENT_RECORD_CHANGED = "resident_record_changed"
    NEW_EPOCH = "new_epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The agency's configuration: whether a code ends with the move-out or the death. Past residents are asked about too, so the default is no."""

    cancel_moved_out: bool = False
    cancel_deceased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`number_index`: blind index of the 個人番号 that the code is asked for. `next_at`: when something is due."""

    state: State
    reason: str | None = None
    number_index: bytes | None = None
    message_id: str | None = None
    by_hand: bool = False
    tries: int = 0
    next_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What of a person decides. `lawfully_changed`: the number of the standing was theirs until the law gave them another (番号法7条2項), and was not put right."""

    number_index: bytes | None
    state: str
    merged: bool
    lawfully_changed: bool


def end_of(person: Person, rules: Rules) -> Ground | None:
    """Why this person's code ends, whatever number there is."""
    if person.merged:
        return Ground.MERGED
    match person.state:
        case "cancelled":
            return Ground.RECORD_CANCELLED
        case "moved_out" if rules.cancel_moved_out:
            return Ground.MOVED_OUT
        case "dead" if rules.cancel_deceased:
            return Ground.DECEASED
    return None


def follow(  # noqa: PLR0911 (one return for each rule)
    person: Person, held: Standing | None, rules: Rules, now: datetime
) -> Standing | None:
    """Where the person's standing goes now; None: it stays.

    A lost or corrected number cancels first: the code that came of it may be another person's. Of a merge the intermediate server is told whether there
    ever was a code or not: what is barred at the one number is barred at the other. Of a lawful change too: whoever is asked about after a restore may
    have a code all the same, and whoever has none is asked for then.
    """
    ground = end_of(person, rules)
    if held is None:
        return _first(person, ground, now)
    by_staff = held.state is State.CANCELLED and held.by_hand and ground is not Ground.MERGED
    if held.state is State.CANCELLING or by_staff:
        return None
    if ground is not None:
        return _ended(held, ground, now)
    if person.number_index == held.number_index and held.state is not State.CANCELLED:
        return None
    if held.state in {State.CANCELLED, State.WITHOUT_INDIVIDUAL_NUMBER}:
        return _anew(person, now)
    if person.number_index is None:
        return _ended(held, Ground.LINK_UNDONE, now)
    if not person.lawfully_changed:
        return _ended(held, Ground.NUMBER_CORRECTED, now)
    return Standing(
        state=State.REPLACING,
        reason=Ground.NUMBER_CHANGED,
        number_index=person.number_index,
        message_id=f"number/{secrets.token_hex(16)}",  # kept with the standing before anybody is told
        next_at=now,
    )


def _first(person: Person, ground: Ground | None, now: datetime) -> Standing:
    if ground is not None:
        state = State.CANCELLING if ground is Ground.MERGED else State.CANCELLED
        return Standing(state=state, reason=ground, number_index=person.number_index, next_at=now)
    return _anew(person, now)


def _anew(person: Person, now: datetime) -> Standing:
    state = State.WITHOUT_INDIVIDUAL_NUMBER if person.number_index is None else State.NONE
    return Standing(state=state, number_index=person.number_index, next_at=now)


def _ended(held: Standing, ground: Ground, now: datetime) -> Standing | None:
    """Whoever was never asked for needs no message, unless they were merged."""
    if held.state is State.CANCELLED and (ground is not Ground.MERGED or held.reason == ground):
        return None
    if held.state is State.WITHOUT_INDIVIDUAL_NUMBER and ground is not Ground.MERGED:
        return replace(held, state=State.CANCELLED, reason=ground, next_at=now)
    return replace(held, state=State.CANCELLING, reason=ground, tries=0, next_at=now)


def back_off(tries: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """How long to wait after so many tries in vain: doubled each time, up to the longest."""
    return min(longest, first * (1 << min(tries, 30)))
