"""Whose a 個人番号 is, and whose it was, as a list of changes leaves it so far (LS-1.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import msgspec

from gateway.linkage_server.people.state import Event, Person, fold, former_numbers, numbers_said


@dataclass(slots=True, kw_only=True, repr=False)
class Someone:
    """A person as the list leaves it so far: `number` None until one is issued; `person`: what is held, the base of whoever is new.

    `lives_on`: into whom this one was merged; `numbers`: of the list, which says then what is theirs.
    """

    number: int | None
    base: Person
    person: Person
    events: Sequence[Event]
    lives_on: Someone | None = None
    numbers: WhoseNumbers | None = None
    _on: tuple[date, Person] | None = None

    @property
    def alive(self) -> Someone:
        """To whom a number of this person leads."""
        return self.lives_on or self

    def on(self, day: date) -> Person:
        if self.lives_on is not None:  # what others of the list are told may change it
            found = self._fold(day)
            return msgspec.structs.replace(found, individual_number="") if self._given(found) else found
        if self._on is None or self._on[0] != day:
            self._on = day, self._fold(day)
        return self._on[1]

    def _given(self, found: Person) -> str:
        """Of whoever was merged the number that is that of who lives on, or stands with another who was merged into them: for this one a former one."""
        if self.lives_on is None or self.numbers is None:
            return ""
        number = found.individual_number
        return number if not self.person.individual_number or self.numbers.stands_beside(number, self) else ""

    def _fold(self, day: date) -> Person:
        return fold(self.base, self.events, on=max(day, self.base.registered_on)) or self.base

    def formers(self, day: date) -> dict[str, bool]:
        """個人番号 that the person had and has no more on a day, as `former_numbers`."""
        if not numbers_said(self.base, self.events) - {self.on(day).individual_number}:
            return {}
        found = former_numbers(self.base, self.events, on=day)
        given = self._given(self._fold(day))
        return found | {given: False} if given else found

    def without(self, key: str) -> list[Event]:
        return [one for one in self.events if one.event_key != key]

    def having(self, event: Event) -> Someone:
        """The person with the event, which takes the place of itself where it was there before."""
        events = [*self.without(event.event_key), event]
        return replace(self, events=events, _on=None)

    def become(self, after: Someone) -> None:
        self.events, self._on = after.events, after._on


@dataclass(slots=True, repr=False)
class WhoseNumbers:
    """What the list has changed of whose numbers are and were; None: nobody's. What it has not changed is as it is held.

    `by_number`, `rows`: to whom a number leads as held, and with whom it stands, who may have been merged.
    """

    by_number: Mapping[str, int]
    rows: Mapping[str, int]
    now: dict[str, Someone | None] = field(default_factory=dict)
    formerly: dict[str, Someone | None] = field(default_factory=dict)

    def moved(self, someone: Someone, after: Someone, day: date) -> None:
        """`someone` is about to become `after`."""
        had, has = (one.on(day).individual_number for one in (someone, after))
        if had == has:
            if len(someone.formers(day)) != len(after.formers(day)):
                self._formers(someone, after, day)
            return
        if had:
            self.now[had] = None
        if has:
            self.now[has] = someone
        self._formers(someone, after, day)

    def stands_beside(self, number: str, someone: Someone) -> bool:
        """Whether a number stands with another of those who are one person with `someone`, who was merged."""
        if number in self.now:
            holder = self.now[number]
            return holder is not None and holder.alive is someone.alive and holder.number != someone.number
        is_theirs = self.by_number.get(number) == someone.alive.number
        return is_theirs and self.rows.get(number, someone.number) != someone.number

    def _formers(self, someone: Someone, after: Someone, day: date) -> None:
        before, then = someone.formers(day), after.formers(day)
        self.formerly |= dict.fromkeys(set(before) - set(then))
        self.formerly |= dict.fromkeys(then, someone.alive)
