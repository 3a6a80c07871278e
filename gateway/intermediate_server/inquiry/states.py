"""The life of an 情報照会 (IS-2) as a table. A move that is not in it is our own mistake and changes nothing."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Values are those of the database. The last four are ends."""

    REGISTERED = "registered"
    PERMITTED = "permitted"
    HELD = "held"
    ANSWERED = "answered"
    NOT_PROVIDED = "not_provided"
    REFUSED = "refused"
    ABORTED = "aborted"


class Event(StrEnum):
    PERMIT_ISSUED = "permit_issued"
    PERMIT_REFUSED = "permit_refused"
    REFUSED_BY_NETWORK = "refused_by_network"
    PROVIDED = "provided"
    NOT_PROVIDED = "not_provided"
    HELD = "held"
    REFUSED = "refused"
    BROKEN = "broken"
    DEADLINE_PASSED = "deadline_passed"


MOVES: dict[State, dict[Event, State]] = {
    State.REGISTERED: {
        Event.PERMIT_ISSUED: State.PERMITTED,
        Event.PERMIT_REFUSED: State.REFUSED,
        Event.BROKEN: State.ABORTED,
        Event.DEADLINE_PASSED: State.ABORTED,
    },
    State.PERMITTED: {
        Event.PROVIDED: State.ANSWERED,
        Event.NOT_PROVIDED: State.NOT_PROVIDED,
        Event.HELD: State.HELD,
        Event.REFUSED: State.REFUSED,
        Event.REFUSED_BY_NETWORK: State.REFUSED,
        Event.BROKEN: State.ABORTED,
        Event.DEADLINE_PASSED: State.ABORTED,
    },
    State.HELD: {
        Event.REFUSED_BY_NETWORK: State.REFUSED,
        Event.PROVIDED: State.ANSWERED,
        Event.NOT_PROVIDED: State.NOT_PROVIDED,
        Event.REFUSED: State.REFUSED,
        Event.BROKEN: State.ABORTED,
        Event.DEADLINE_PASSED: State.ABORTED,
    },
    State.ANSWERED: {},
    State.NOT_PROVIDED: {},
    State.REFUSED: {},
    State.ABORTED: {},
}
ENDED = frozenset(state for state, moves in MOVES.items() if not moves)


class IllegalMoveError(Exception):
    """The event cannot happen in this state; nothing changes."""


def move(state: State, event: Event) -> State:
    try:
        return MOVES[state][event]
    except KeyError:
        raise IllegalMoveError from None
