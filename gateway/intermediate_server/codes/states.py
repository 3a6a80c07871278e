"""The life of a 符号 (IS-1) as a table. A move that is not in it is our own mistake and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """`none` has no row; `requested` and `bound` are rows of person_code; the last three are ends, rows of former_code."""

    NONE = "none"
    REQUESTED = "requested"
    BOUND = "bound"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Event(StrEnum):
    """`succeeded`: another code of the same person was bound in its place."""

    NUMBER_GIVEN = "number_given"
    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    WINDOW_PASSED = "window_passed"


MOVES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.NONE: {Event.NUMBER_GIVEN: State.REQUESTED},
    State.REQUESTED: {
        Event.NUMBER_GIVEN: State.REQUESTED,
        Event.DELIVERED: State.BOUND,
        Event.CANCELLED: State.CANCELLED,
        Event.WINDOW_PASSED: State.EXPIRED,
    },
    State.BOUND: {Event.SUCCEEDED: State.REPLACED, Event.CANCELLED: State.CANCELLED},
    State.REPLACED: {Event.CANCELLED: State.CANCELLED},
    State.CANCELLED: {},
    State.EXPIRED: {},
}


class Ending(StrEnum):
    """Why a code is cancelled or replaced: the linkage server's word, stable codes."""

    MOVED_OUT = "moved_out"
    DECEASED = "deceased"
    RECORD_CANCELLED = "record_cancelled"
    MERGED = "merged"
    LINK_UNDONE = "link_undone"
    NUMBER_CORRECTED = "number_corrected"
    NUMBER_CHANGED = "number_changed"
    RESIDENT_RECORD_CHANGED = "resident_record_changed"
    NEW_EPOCH = "new_epoch"


REPLACING: Final = frozenset({Ending.NUMBER_CHANGED, Ending.RESIDENT_RECORD_CHANGED, Ending.NEW_EPOCH})
"""The same person under another code: the old one is still answered to for a while. Every other ending is at once and for good.

A changed 個人番号 replaces a code by itself: a code stands for the 住民票コード, which stays.
"""


ANOTHERS: Final = frozenset({Ending.LINK_UNDONE, Ending.NUMBER_CORRECTED, Ending.NUMBER_CHANGED})
"""A code that was cancelled for one of these may have been another person's."""


def move(state: State, event: Event) -> State:
    """Raises RuntimeError for a move that the table does not have."""
    try:
        return MOVES[state][event]
    except KeyError:
        raise RuntimeError("a code does not move so") from None
