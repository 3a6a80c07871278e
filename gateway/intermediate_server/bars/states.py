"""自動応答不可と凍結 (bars, SC-4; freeze of one person's data, IS-6): what a bar says, and how it is set, checked and lifted. Pure.

A bar works from the moment it is set, by one person: protection does not wait. Where the agency wants two people, a second one checks
it afterwards and no bar is lifted by one alone. `TRANSITIONS` is the whole state machine; a setting makes a bar in its first state.
A suspension (利用停止, SC-27) is a bar of its own effect: it takes two people always, and works when the second has agreed (docs/adr/0053).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

BAR_PREFIX: Final = "B"
EVERYTHING: Final = "*"
"""As information or data item of a bar: all of them."""


class Place(StrEnum):
    """Where a bar stands; one of them is named, the others are everybody."""

    PERSON = "person"
    INQUIRER = "inquirer"
    ITEM = "item"
    AGENCY = "agency"
    """Everybody and everything of this agency: of a suspension alone."""


class Effect(StrEnum):
    """What a bar does to an answer. All but `hold` are of one person; under `freeze` and `refuse` nothing of them leaves."""

    HOLD = "hold"
    NON_DISCLOSURE = "non_disclosure"
    """Answers go out as before; the records of all parties mark them as 不開示 (番号法23条2項)."""
    FREEZE = "freeze"
    REFUSE = "refuse"
    SUSPEND = "suspend"
    """利用停止: nothing is asked and nothing answered, of a person or of the agency as a whole."""


class Cause(StrEnum):
    """Why, for the agency's own records: never said to an inquirer."""

    SUPPORT_MEASURES = "support_measures"
    """支援措置: victims of violence (住民基本台帳事務処理要領第5-10)."""
    WRONG_LINK = "wrong_link"
    UNDER_CORRECTION = "under_correction"
    INCIDENT = "incident"
    SUSPENSION_REQUESTED = "suspension_requested"
    """利用停止請求 (番号法30条, 31条により読み替える個人情報保護法98条)."""
    OTHER = "other"


class BarState(StrEnum):
    ASKED = "asked"
    """A suspension that a second person has still to agree to: it does not work yet."""
    UNCHECKED = "unchecked"
    """Works; a second person has still to look at it."""
    STANDING = "standing"
    LIFT_ASKED = "lift_asked"
    """Works until a second person agrees."""
    UNCHECKED_LIFT_ASKED = "unchecked_lift_asked"
    """The same of a bar that nobody else has looked at yet: when it is kept, it still has to be checked."""
    LIFTED = "lifted"


class BarEvent(StrEnum):
    CHECK = "check"
    ASK_LIFT = "ask_lift"
    LIFT = "lift"
    KEEP = "keep"


TRANSITIONS: Final[Mapping[tuple[BarState, BarEvent], BarState]] = {
    (BarState.ASKED, BarEvent.CHECK): BarState.STANDING,
    (BarState.ASKED, BarEvent.LIFT): BarState.LIFTED,
    (BarState.UNCHECKED, BarEvent.CHECK): BarState.STANDING,
    (BarState.UNCHECKED, BarEvent.ASK_LIFT): BarState.UNCHECKED_LIFT_ASKED,
    (BarState.UNCHECKED_LIFT_ASKED, BarEvent.ASK_LIFT): BarState.UNCHECKED_LIFT_ASKED,
    (BarState.UNCHECKED_LIFT_ASKED, BarEvent.LIFT): BarState.LIFTED,
    (BarState.UNCHECKED_LIFT_ASKED, BarEvent.KEEP): BarState.UNCHECKED,
    (BarState.STANDING, BarEvent.ASK_LIFT): BarState.LIFT_ASKED,
    (BarState.STANDING, BarEvent.LIFT): BarState.LIFTED,
    (BarState.LIFT_ASKED, BarEvent.ASK_LIFT): BarState.LIFT_ASKED,
    (BarState.LIFT_ASKED, BarEvent.LIFT): BarState.LIFTED,
    (BarState.LIFT_ASKED, BarEvent.KEEP): BarState.STANDING,
}
TO_BE_LIFTED: Final = frozenset({BarState.LIFT_ASKED, BarState.UNCHECKED_LIFT_ASKED})
WORKING: Final = frozenset(BarState) - {BarState.ASKED, BarState.LIFTED}


class BarRefusal(StrEnum):
    STATE = "bar_state"
    SECOND_PERSON = "second_person_needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar. `integrated_number` and `inquirer` are None where the bar is not of that place; `version` counts its steps."""

    bar_id: str
    place: Place
    effect: Effect
    cause: Cause
    integrated_number: str | None
    inquirer: str | None
    information: str
    data_item: str
    state: BarState
    set_by: str
    set_at: datetime
    asked_by: str | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    version: int = 1

    def names(self, information: str) -> bool:
        return self.information in (EVERYTHING, information)


def step(bar: Bar, event: BarEvent, by: str, now: datetime, *, two_people: bool) -> Bar | BarRefusal:
    """The bar after an event of `by` (a staff id), or why not. `two_people`: the agency wants two for this kind of information."""
    state = TRANSITIONS.get((bar.state, event))
    if state is None:
        return BarRefusal.STATE
    if event is BarEvent.LIFT and bar.state is BarState.STANDING and two_people:
        return BarRefusal.SECOND_PERSON
    first = {BarEvent.CHECK: bar.set_by, BarEvent.LIFT: bar.asked_by, BarEvent.ASK_LIFT: None, BarEvent.KEEP: None}
    if first[event] == by:
        return BarRefusal.SECOND_PERSON
    asked_by = by if event is BarEvent.ASK_LIFT else bar.asked_by if event is BarEvent.LIFT else None
    return replace(bar, state=state, asked_by=asked_by, changed_by=by, changed_at=now, version=bar.version + 1)
