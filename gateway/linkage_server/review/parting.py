"""What goes along when addressee numbers leave a person, and what stays (LS-1.3, SC-18). Pure.

What a change said of the items goes where its addressee number goes. A 個人番号 that it told goes along only when it was decided that the number
goes; else it stays whose it was decided to be, told by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import msgspec

from gateway.linkage_server.people.state import Event, Kind, Says, standing
from gateway.linkage_server.people.store import Held


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Parted:
    """`along`: changes that leave, as they leave; `stays`: what is put anew for the one who is left, in the order in which it counts.

    Both under the keys that they had. `undone`: these, and what only told the number that goes: it counts no more where it was.
    """

    along: list[Event]
    stays: list[Event]
    undone: frozenset[str]

    def tells(self, number: str, registered_on: date) -> bool:
        """Whether a change that goes along says this 個人番号 of somebody who is known since a day."""
        return any(
            one.applied and one.says.individual_number == number and one.effective_on >= registered_on
            for one in standing(self.along)
        )


def part(wrong: Held, moving: Collection[str], number: str = "") -> Parted:
    """`moving`: keys of the changes that came under the addressee numbers that leave; `number`: the 個人番号 that was decided to leave, or empty.

    A number to come goes along, and is judged on its day. What takes a change back goes where that goes.
    """
    alive = [event for event in wrong.events if event.undone_by is None]
    leaves = {
        event.event_key: event.event_key in moving and not (_is_of_number(event) and _tells_another(event, number))
        for event in alive
    }
    along = [event for event in alive if leaves.get(event.cancels or "", leaves[event.event_key])]
    left = {event.event_key for event in along}
    stays: list[Event] = []
    gone: set[str] = set()
    for event in standing(alive):
        tells_it = bool(number) and event.applied and event.says.individual_number == number
        if event.event_key in left:
            stays += [_of_number(event)] if _tells_another(event, number) else []
        elif tells_it and _is_of_number(event):
            gone.add(event.event_key)
        elif tells_it:
            stays.append(_without(event))
        elif event.cancels is None and any(event.effective_on == one.effective_on for one in stays):
            stays.append(event)  # it came after one of its day that is put anew
    return Parted(
        along=[_without(event) if _tells_another(event, number) else event for event in along],
        stays=stays,
        undone=frozenset(left | gone | {event.event_key for event in stays}),
    )


def _tells_another(event: Event, number: str) -> bool:
    return event.applied and event.says.individual_number not in ("", number)


def _is_of_number(event: Event) -> bool:
    return event.kind is Kind.INDIVIDUAL_NUMBER_CHANGE


def _of_number(event: Event) -> Event:
    """Of a change the number alone."""
    says = Says(individual_number=event.says.individual_number)
    return msgspec.structs.replace(event, kind=Kind.INDIVIDUAL_NUMBER_CHANGE, says=says, registers=False)


def _without(event: Event) -> Event:
    return msgspec.structs.replace(event, says=msgspec.structs.replace(event.says, individual_number=""))
