"""Whose a 個人番号 is, and whose it was, as a list of changes leaves it so far (LS-1.3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from gateway.linkage_server.people.state import Event, Person, fold, former_numbers, numbers_said


@dataclass(slots=True, kw_only=True, repr=False)
class Someone:
    """A person as the list leaves it so far: `number` None until one is issued; `person`: what is held, the base of whoever is new.

    `lives_on`: into whom this one was merged.
    """

    number: int | None
    base: Person
    person: Person
    events: Sequence[Event]
    lives_on: Someone | None = None
    _on: tuple[date, Person] | None = None

    @property
    def alive(self) -> Someone:
        """To whom a number of this person leads."""
        return self.lives_on or self

    def on(self, day: date) -> Person:
        if self._on is None or self._on[0] != day:
            found = self._fold(day)
            self._on = day, msgspec.structs.replace(found, individual_number="") if self._gave_number else found
        return self._on[1]

    @property
    def _gave_number(self) -> bool:
        """Whether the number is that of who lives on: then all of this history are former ones."""
        return self.lives_on is not None and not self.person.individual_number

    def _fold(self, day: date) -> Person:
        return fold(self.base, self.events, on=max(day, self.base.registered_on)) or self.base

    def formers(self, day: date) -> dict[str, bool]:
        """個人番号 that the person had and has no more on a day, as `former_numbers`."""
        if not numbers_said(self.base, self.events) - {self.on(day).individual_number}:
            return {}
        found = former_numbers(self.base, self.events, on=day)
        given = self._fold(day).individual_number if self._gave_number else ""
        return found | {given: False} if given else found

    def without(self, key: str) -> list[Event]:
        return [one for one in self.events if one.event_key != key]

    def having(self, event: Event) -> Someone:
        """The person with the event, which takes the place of itself where it was there before."""
        events = [*self.without(event.event_key), event]
        return Someone(number=self.number, base=self.base, person=self.person, events=events, lives_on=self.lives_on)

    def become(self, after: Someone) -> None:
        self.events, self._on = after.events, after._on


@dataclass(slots=True, repr=False)
class WhoseNumbers:
    """What the list has changed of whose numbers are and were; None: nobody's. What it has not changed is as it is held."""

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
            self.now[has] = someone.alive
        self._formers(someone, after, day)

    def _formers(self, someone: Someone, after: Someone, day: date) -> None:
        before, then = someone.formers(day), after.formers(day)
        self.formerly |= dict.fromkeys(set(before) - set(then))
        self.formerly |= dict.fromkeys(then, someone.alive)
