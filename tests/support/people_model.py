"""What people are after loads, changes, merges and splits, by few rules (tests/gateway/linkage_server/test_people_machine.py says which)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

EVENTS = itertools.count(1)
"""Everything that is told, in its order."""
Pair = tuple[str, str]
Shown = tuple[str, str]
"""Name and address: what may differ of the four items."""


@dataclass(frozen=True)
class Told:
    """A 個人番号 that was told to be somebody's: since which day, in which order, under which addressee number, by which event."""

    day: int
    put: int
    number: str
    pair: Pair | None = None
    event: str = ""


@dataclass(frozen=True)
class Said:
    """What an event said of name and address; empty: nothing. `put`: its place by now, `first`: when it came; `gone`: when it was taken back."""

    day: int
    put: int
    first: int
    pair: Pair
    address: str
    name: str
    event: str = ""
    registers: bool = False
    gone: int | None = None


@dataclass(frozen=True)
class Came:
    """A row of a load: the day that it is of, and when it came."""

    day: int
    at: int


@dataclass
class Someone:
    """One integrated number, known since so many days after today. `merged_into`: by the decision about this one.

    `since_taken_over`: whoever lives on was told to have the number, which is both's.
    """

    number: str
    base: str
    base_name: str
    since: int = 0
    told: list[Told] = field(default_factory=list)
    events: list[Said] = field(default_factory=list)
    merged_into: str | None = None
    gave_number: bool = False
    since_taken_over: bool = False

    # --- numbers

    def numbers_on(self, day: int) -> list[str]:
        """Each once, in the order in which they were theirs last."""
        told = sorted(self.told, key=lambda one: (one.day, one.put))
        counting = [one.number for one in told if self.since <= one.day <= day]
        return list(dict.fromkeys(reversed(counting)))[::-1]

    @property
    def numbers(self) -> list[str]:
        return self.numbers_on(0)

    def has(self, number: str, day: int, pair: Pair | None = None, event: str = "") -> None:
        self.told.append(Told(day, next(EVENTS), number, pair, event))

    def would_have(self, day: int) -> bool:
        """Whether a number that is told now for a day would be theirs today."""
        return day >= self.since and all(day >= one.day for one in self.told)

    def told_under(self, number: str | None, pairs: Iterable[Pair]) -> list[Told]:
        return sorted((one for one in self.told if one.number == number and one.pair in pairs), key=lambda one: one.put)

    def gives(self, other: Someone, pairs: list[Pair]) -> None:
        """The number that is theirs is the other's, as it was told under these addressee numbers, or from the start."""
        number = self.individual or ""
        told = self.told_under(number, pairs)
        self.told = [one for one in self.told if one.number != number]
        for one in told:
            other.has(number, one.day, one.pair, one.event)
        if all(one.day < other.since for one in told):
            other.has(number, other.since)

    @property
    def individual(self) -> str | None:
        """None too of whoever was merged and whose number is that of who lives on."""
        return self.numbers[-1] if self.numbers and not self.gave_number else None

    @property
    def formers(self) -> list[str]:
        return self.numbers if self.gave_number else self.numbers[:-1]

    # --- name and address

    @property
    def shown(self) -> Shown:
        return self.shown_on(0, self.events)

    def shown_on(self, day: int, events: Iterable[Said]) -> Shown:
        """By these events as far as they count."""
        name, address = self.base_name, self.base
        for one in sorted(events, key=lambda one: (one.day, one.put)):
            if self.since <= one.day <= day and one.gone is None:
                name, address = one.name or name, one.address or address
        return name, address

    def shown_when(self, came: Came, events: Iterable[Said]) -> tuple[int, Shown]:
        """As it was known when a row came, and of which day."""
        day = max(came.day, self.since)
        known = [
            replace(one, gone=None)
            for one in events
            if one.first < came.at and (one.gone is None or one.gone > came.at)
        ]
        return day, self.shown_on(day, known)

    @property
    def address(self) -> str:
        return self.shown[1]

    @property
    def name(self) -> str:
        return self.shown[0]

    def tells(
        self, pair: Pair, day: int, address: str, name: str = "", event: str = "", *, registers: bool = False
    ) -> None:
        put = next(EVENTS)
        self.events.append(Said(day, put, put, pair, address, name, event, registers))

    def takes_back(self, event: str) -> None:
        now = next(EVENTS)
        self.events = [
            replace(one, gone=now) if one.event == event and one.gone is None else one for one in self.events
        ]
        self.told = [one for one in self.told if one.event != event]

    def take(self, other: Someone, pairs: set[Pair]) -> None:
        """What came under these addressee numbers counts here from now on."""
        for one in sorted(other.events, key=lambda one: one.put):
            if one.pair in pairs:
                self.events.append(replace(one, put=next(EVENTS)))
        other.events = [one for one in other.events if one.pair not in pairs]


class People(dict[str, Someone]):
    """By integrated number. `came`: rows of loads by addressee number, where it is known what they said; `belongs`: whom an addressee number meant
    before merges; `seen`: name and address of the rows that staff linked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[Pair, Came] = {}
        self.belongs: dict[Pair, str] = {}
        self.seen: dict[Pair, Shown] = {}

    def lives_on(self, number: str) -> Someone:
        while (into := self[number].merged_into) is not None:
            number = into
        return self[number]

    def family(self, one: Someone) -> list[Someone]:
        """All who live on in one person, with that one."""
        return [each for each in self.values() if self.lives_on(each.number) is one]

    def takes_place(self, new: Pair, old: Pair) -> None:
        for known in (self.came, self.belongs):
            if old in known:
                known[new] = known[old]

    def merge(self, old: Someone, survivor: Someone, pairs: list[Pair]) -> None:
        survivor.take(old, set(pairs))
        for pair in pairs:
            self.belongs.setdefault(pair, old.number)
        if survivor.individual is None and old.individual is not None:
            old.gives(survivor, pairs)
            old.gave_number = True
        old.merged_into = survivor.number

    def part(self, wrong: Someone, right: Someone, pairs: list[Pair], *, is_new: bool) -> None:
        """These addressee numbers mean `right`. Of whom they never meant before it is not known what was sent for them."""
        right.merged_into, right.gave_number = None, False
        right.take(wrong, set(pairs))
        for pair in pairs:
            home = self.belongs.pop(pair, None)
            comes_back = home is not None and self.lives_on(home) is right
            if comes_back and home != right.number:
                self.belongs[pair] = home or ""
            if not comes_back and not is_new:
                self.came.pop(pair, None)

    def beginning(self, wrong: Someone, pairs: list[Pair]) -> tuple[int, Shown] | None:
        """Day, name and address with which somebody new begins who is split off."""
        for pair in pairs:
            if pair in self.seen:
                return 0, self.seen[pair]
        registered = [one for one in wrong.events if one.registers and one.pair in pairs]
        if registered:
            first = min(registered, key=lambda one: (one.day, one.put))
            return first.day, (first.name, first.address)
        found = []
        for pair in pairs:
            if pair in self.came:
                home = self.belongs.get(pair)
                own = [one for one in wrong.events if self.belongs.get(one.pair) == home]
                meant = self[home] if home is not None else wrong
                found.append(meant.shown_when(self.came[pair], own if meant is wrong else [*meant.events, *own]))
        return min(found, key=lambda one: one[0], default=None)

    def as_of(self, one: Someone, pair: Pair, day: int) -> Shown | None:
        """Name and address of whom an addressee number of `one` meant on a day; None: nobody."""
        if day >= one.since:
            return one.shown_on(day, one.events)
        meant, number = None, self.belongs.get(pair)
        while number is not None and number != one.number:
            meant = self[number] if self[number].since <= day else meant
            number = self[number].merged_into
        if (
            meant is None or number is None
        ):  # nobody, or somebody who lives by themselves again: what they were is not this one's to tell
            return None
        return meant.shown_on(day, [*meant.events, *one.events])
