"""Whom the 宛名番号 of a business system mean, or meant until they ended, as a list of changes leaves it so far (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.state import REGISTERING, AddresseeEnd, Kind, addressee_ends
from gateway.linkage_server.people.whose_numbers import Someone


@dataclass(slots=True, kw_only=True, repr=False)
class WhoseAddressees:
    """`held`: number → integrated number and since when it means nobody; `person`: of an integrated number; `registered`: by this list."""

    system: str
    held: Mapping[str, tuple[int, date | None]]
    today: date
    person: Callable[[int], Someone]
    registered: dict[str, Someone] = field(default_factory=dict)

    def whose(self, number: str) -> Someone | None:
        if number in self.registered:
            return self.registered[number]
        held = self.held.get(number)
        return self.person(held[0]) if held is not None else None

    def _end_of(self, number: str, someone: Someone) -> AddresseeEnd | None:
        ends = addressee_ends(someone.events, on=self.today)
        if (self.system, number) in ends:
            return ends[self.system, number]
        _, ended_on = self.held.get(number, (None, None))
        return AddresseeEnd(ended_on, "") if ended_on is not None else None

    def comes_after_end(self, change: Change, someone: Someone) -> bool:
        """Whether a change is of a day on which its number means nobody. What is told late is not, nor is what takes a change back."""
        end = self._end_of(change.addressee_number, someone)
        if end is None or change.cancels:
            return False
        return change.effective_on >= end.on or change.kind in {*REGISTERING, Kind.ADDRESSEE_END}

    def replaces_wrongly(self, change: Change, someone: Someone) -> ChangeReason | None:
        """A number takes the place of another one of the same person, and has not ended itself."""
        other = self.whose(change.replaced_by) if change.replaced_by else None
        if other is None:
            return None
        if other is not someone:
            return ChangeReason.REPLACED_BY_ANOTHER_PERSONS
        end = self._end_of(change.replaced_by, someone)
        return ChangeReason.REPLACED_BY_ENDED if end is not None and not end.was_never else None

    def brings(self, change: Change, someone: Someone) -> bool:
        """Whether the number that takes another's place is there because of this change."""
        if not change.replaced_by:
            return False
        end = self._end_of(change.replaced_by, someone)
        return self.whose(change.replaced_by) is None or (end is not None and end.was_never)
