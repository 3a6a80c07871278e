"""What people are after loads, changes, merges and splits, by few rules (tests/gateway/linkage_server/test_people_machine.py says which)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

EVENTS = itertools.count(1)
"""Everything that is told, in its order."""
Pair = tuple[str, str]


@dataclass
class Someone:
    """One integrated number, known since so many days after today. `told`: every 個人番号 that was theirs, with the day since which, the order of
    telling, and the addressee under which it was told; `events`: day, order, addressee, and the address and the name that were said;
    `since_taken_over`: whoever lives on was told to have the number, which is both's.
    """

    number: str
    base: str
    base_name: str
    since: int = 0
    told: list[tuple[int, int, str, Pair | None]] = field(default_factory=list)
    events: list[tuple[int, int, Pair, str, str]] = field(default_factory=list)
    merged_into: str | None = None
    gave_number: bool = False
    since_taken_over: bool = False

    @property
    def numbers(self) -> list[str]:
        """Each once, in the order in which they were theirs last."""
        counting = [number for day, _, number, _ in sorted(self.told, key=lambda one: one[:2]) if day >= self.since]
        return list(dict.fromkeys(reversed(counting)))[::-1]

    def has(self, number: str, day: int, pair: Pair | None = None) -> None:
        self.told.append((day, next(EVENTS), number, pair))

    def would_have(self, day: int) -> bool:
        """Whether a number that is told now for a day would be theirs today."""
        return day >= self.since and all(day >= other for other, *_ in self.told)

    def told_under(self, number: str | None, pairs: list[Pair]) -> list[tuple[int, int, str, Pair | None]]:
        return sorted((one for one in self.told if one[2] == number and one[3] in pairs), key=lambda one: one[1])

    def gives(self, other: Someone, pairs: list[Pair]) -> None:
        """The number that is theirs is the other's, as it was told under these addressee numbers, or from the start."""
        number = self.individual or ""
        told = self.told_under(number, pairs)
        self.told = [one for one in self.told if one[2] != number]
        for day, _, _, pair in told:
            other.has(number, day, pair)
        if all(day < other.since for day, *_ in told):
            other.has(number, other.since)

    @property
    def individual(self) -> str | None:
        """None too of whoever was merged and whose number is that of who lives on."""
        return self.numbers[-1] if self.numbers and not self.gave_number else None

    @property
    def formers(self) -> list[str]:
        return self.numbers if self.gave_number else self.numbers[:-1]

    @property
    def address(self) -> str:
        return self._said(3) or self.base

    @property
    def name(self) -> str:
        return self._said(4) or self.base_name

    def _said(self, what: int) -> str:
        said = [event[what] for event in sorted(self.events) if event[what] and event[0] >= self.since]
        return str(said[-1]) if said else ""

    def tells(self, pair: Pair, day: int, address: str, name: str = "") -> None:
        self.events.append((day, next(EVENTS), pair, address, name))

    def take(self, other: Someone, pairs: set[Pair]) -> None:
        """What came under these addressee numbers counts here from now on."""
        for day, _, pair, address, name in [event for event in sorted(other.events, key=_put) if event[2] in pairs]:
            self.tells(pair, day, address, name)
        other.events = [event for event in other.events if event[2] not in pairs]


def _put(event: tuple[int, int, Pair, str, str]) -> int:
    return event[1]
