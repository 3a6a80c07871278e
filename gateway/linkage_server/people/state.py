"""異動の履歴: what a person is on a day, folded from what was held first and the changes since (LS-1.2). Pure.

Changes count in the order of the day from which they hold, not in the order in which they came: a file that is late changes history,
and today only as far as nothing later says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import msgspec

from codebook import folding


class State(StrEnum):
    """Where a person stands with the municipality. Nobody is ever removed: the dead keep their row and its rules (SC-19)."""

    LIVING = "living"
    MOVED_OUT = "moved_out"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """異動事由. The first ten come from business systems, the others from decisions on links."""

    MOVE_IN = "move_in"
    MOVE_OUT = "move_out"
    BIRTH = "birth"
    DEATH = "death"
    NAME_CHANGE = "name_change"
    ADDRESS_CHANGE = "address_change"
    INDIVIDUAL_NUMBER_CHANGE = "individual_number_change"
    CORRECTION = "correction"
    CANCELLATION = "cancellation"
    ADDRESSEE_END = "addressee_end"
    REGISTERED = "registered"
    LINKED = "linked"
    UNLINKED = "unlinked"
    MERGED = "merged"
    SPLIT = "split"


STATE_OF: Final = {
    Kind.MOVE_IN: State.LIVING,
    Kind.BIRTH: State.LIVING,
    Kind.MOVE_OUT: State.MOVED_OUT,
    Kind.DEATH: State.DEAD,
    Kind.CANCELLATION: State.CANCELLED,
}
"""What a change of this kind makes of the person's state; a cancellation only when it takes back no single change."""

REGISTERING: Final = frozenset({Kind.MOVE_IN, Kind.BIRTH})
_AFTER_DEATH: Final = frozenset(
    {Kind.MOVE_IN, Kind.MOVE_OUT, Kind.BIRTH, Kind.NAME_CHANGE, Kind.ADDRESS_CHANGE, Kind.INDIVIDUAL_NUMBER_CHANGE}
)

_PUT_BACK: Final = REGISTERING | {Kind.CANCELLATION}
"""Of a person whose record was taken out the others change no state: a death puts no record back, and is in the history."""

ITEMS: Final = ("name", "kana", "sex", "birth_date", "address")
Items = tuple[str, str, str, str, str]


class Says(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a change says of a person; empty text is not said. This is what lies sealed."""

    name: str = ""
    kana: str = ""
    sex: str = ""
    birth_date: str = ""
    address: str = ""
    individual_number: str = ""

    def __repr__(self) -> str:
        return "<Says>"

    def items(self) -> Items:
        return (self.name, self.kana, self.sex, self.birth_date, self.address)

    def said(self) -> tuple[str, ...]:
        """The names of the fields that are said."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))


NOTHING: Final = Says()


class Person(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person on one day. `individual_number`: empty when there is none; `registered_on`: the day the base is of."""

    items: Items
    individual_number: str
    state: State
    state_since: date | None
    registered_on: date

    def __repr__(self) -> str:
        return "<Person>"


Addressee = tuple[str, str]
"""A business system and its 宛名番号."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One change as it lies in the history. `applied`: False while it waits for its day; `cancels`: the event_key it takes back;
    `addressee`: under which it came; `replaced_by`: the number that takes its place at an end;
    `registers`: the addressee number, at an end the one that takes its place, is there because of it.
    """

    event_no: int
    event_key: str
    kind: Kind
    effective_on: date
    recorded_at: datetime
    applied: bool
    says: Says
    cancels: str | None = None
    undone_by: str | None = None
    addressee: Addressee = ("", "")
    replaced_by: str = ""
    registers: bool = False

    def __repr__(self) -> str:
        return "<Event>"


def standing(events: Sequence[Event], *, ahead_to: date | None = None) -> list[Event]:
    """Those that count: neither undone by a decision nor taken back by a cancellation; in the order in which they hold.

    A death comes last on its day, whatever came after it: who was born, moved or left on the day of their death is dead.
    """
    gone = taken_back(events, ahead_to=ahead_to)
    return sorted(
        (
            event
            for event in events
            if event.undone_by is None and not (event.event_key in gone and may_be_taken_back(event))
        ),
        key=lambda event: (event.effective_on, event.kind is Kind.DEATH, event.event_no),
    )


def taken_back(events: Sequence[Event], *, ahead_to: date | None = None) -> set[str]:
    """Keys of what cancellations name, also before it has come. A cancellation takes its change off every day, once its own day has come.

    `ahead_to`: so does one that waits for a day until then.
    """
    return {
        event.cancels
        for event in events
        if event.cancels is not None
        and event.undone_by is None
        and (event.applied or (ahead_to is not None and event.effective_on <= ahead_to))
    }


def may_be_taken_back(event: Event) -> bool:
    """What takes a change back is not, the change is sent anew; nor is what registered an addressee number, whose record is taken out instead."""
    return event.cancels is None and not (event.registers and event.kind in REGISTERING)


def fold(
    base: Person,
    events: Sequence[Event],
    *,
    on: date,
    with_waiting: bool = False,
    known_at: datetime | None = None,
) -> Person | None:
    """The person on a day; None when the person was not registered yet.

    `with_waiting`: also changes whose day has come and that were not applied yet, for a look ahead. `known_at`: only what was recorded by then.
    What a change says of the items counts from `registered_on` on, since the base is newer than what held before; a correction counts
    always, and so does a state: a file of residents does not say who is alive. So does the reading of the name where the base lacks one.
    """
    if on < base.registered_on:
        return None
    found = base
    known = events if known_at is None else [one for one in events if one.recorded_at <= known_at]
    for event in standing(known, ahead_to=on if with_waiting else None):
        if event.effective_on > on:
            break
        if event.applied or with_waiting:
            found = _after(found, event)
    return found


def former_numbers(base: Person, events: Sequence[Event], *, on: date) -> dict[str, bool]:
    """個人番号 that the person had and has no more on a day, in the order in which they were given up → whether by a change of the number.

    Of a number that was taken back, or was decided to be another's, the history knows nothing.
    """
    given_up: dict[str, bool] = {}
    found = base
    for event in standing(events):
        if event.effective_on > max(on, base.registered_on):
            break
        if event.applied:
            before, found = found.individual_number, _after(found, event)
            if found.individual_number != before:
                given_up.pop(before, None)
                given_up[before] = event.kind is Kind.INDIVIDUAL_NUMBER_CHANGE
    return {number: by_law for number, by_law in given_up.items() if number not in ("", found.individual_number)}


class AddresseeEnd(msgspec.Struct, frozen=True, gc=False):
    """The end of an addressee number: the first day on which it means nobody, and the number that took its place, if any.

    `was_never`: the number had come by a replacement that was taken back.
    """

    on: date
    replaced_by: str
    was_never: bool = False


def addressee_ends(
    events: Sequence[Event], *, on: date, with_waiting: bool = False
) -> dict[Addressee, AddresseeEnd | None]:
    """What a person's history says on a day of the ends of addressee numbers; None: held, in spite of an end that does not count.

    A number that is there because of an end which was taken back was never the person's: the number that it replaced has its place again.
    """
    ends = [event for event in events if event.kind is Kind.ADDRESSEE_END]
    if not ends:
        return {}
    counting = {event.event_key for event in standing(events, ahead_to=on if with_waiting else None)}
    came = {(one.addressee[0], one.replaced_by) for one in ends if one.registers and one.event_key in counting}
    found: dict[Addressee, AddresseeEnd | None] = dict.fromkeys(came | {event.addressee for event in ends})
    for event in sorted(ends, key=lambda event: (event.effective_on, event.event_no)):
        system, number = event.addressee
        if event.event_key in counting:
            if event.effective_on <= on and (event.applied or with_waiting):
                found[event.addressee] = AddresseeEnd(event.effective_on, event.replaced_by)
        elif event.registers and event.undone_by is None and (system, event.replaced_by) not in came:
            found[system, event.replaced_by] = AddresseeEnd(event.effective_on, number, was_never=True)
    return found


def numbers_said(base: Person, events: Sequence[Event]) -> set[str]:
    """Every 個人番号 that stands in a history, counting or not."""
    return {base.individual_number, *(event.says.individual_number for event in events)} - {""}


def _after(before: Person, event: Event) -> Person:
    state = None if event.cancels is not None else STATE_OF.get(event.kind)
    if state is not None and (event.kind in _PUT_BACK or before.state is not State.CANCELLED):
        before = msgspec.structs.replace(before, state=state, state_since=event.effective_on)
    says = event.says
    if event.effective_on < before.registered_on and event.kind is not Kind.CORRECTION:
        says = reading_that_is_lacking(before.items, says)
    if says == NOTHING:
        return before
    name, kana, sex, birth_date, address = (new or held for new, held in zip(says.items(), before.items, strict=True))
    return msgspec.structs.replace(
        before,
        items=(name, kana, sex, birth_date, address),
        individual_number=says.individual_number or before.individual_number,
    )


def reading_that_is_lacking(held: Items, says: Says) -> Says:
    """The reading that is said of a name which is held without one; nothing else."""
    name, kana = held[:2]
    is_theirs = not kana.strip() and says.kana.strip() and folding.agree(says.name, name, folding.NAME)
    return Says(kana=says.kana) if is_theirs else NOTHING


def happens_before_birth(kind: Kind, effective_on: date, birth_date: str) -> bool:
    """Whether a change of somebody's life holds from a day on which they were not born. What happens to their record alone may."""
    return kind not in {Kind.CANCELLATION, Kind.ADDRESSEE_END} and effective_on.isoformat() < birth_date


def happens_after_death(kind: Kind, effective_on: date, state: State, events: Sequence[Event]) -> bool:
    """P-4 of `plausibility`, whichever is told first. `state`: of the person as of today; `events`: the person's history."""
    if kind is Kind.DEATH:
        return any(
            one.effective_on > effective_on and one.applied and one.kind in _AFTER_DEATH for one in standing(events)
        )
    if kind not in _AFTER_DEATH:
        return False
    deaths: list[date] = []
    if any(event.kind is Kind.DEATH for event in events):
        deaths = [event.effective_on for event in standing(events) if event.kind is Kind.DEATH]
    return effective_on > min(deaths) if deaths else state is State.DEAD
