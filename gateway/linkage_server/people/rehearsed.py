"""What a file's rehearsal found, kept for its taking: people are read, opened and judged once, as long as nobody writes in between (LS-1.2).

Whoever writes people, addressees, events or holds takes the counter's lock, and the lock counts (`addressees.store.lock_counter`). So a list that
was judged under one count is good until somebody else has had the lock, and until an earlier list of its own file has touched what it stands on.
Then it is read and judged anew, under the lock, as any list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.linkage_server.people.changes import Change
from gateway.linkage_server.people.judged import Judged
from gateway.linkage_server.people.judging import Court
from gateway.linkage_server.people.state import numbers_said
from gateway.linkage_server.people.strands import Concern


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Kept:
    judged: Sequence[Judged]
    today: date
    stands_on: frozenset[Concern]


@dataclass(slots=True, repr=False)
class Rehearsed:
    """Lists of one file by their last lines. `had_lock`: how often the counter's lock had been taken when the last of them was read."""

    _lists: dict[int, _Kept] = field(default_factory=dict)
    _had_lock: int = 0
    _touched: set[Concern] = field(default_factory=set)

    def keep(self, last_line: int, court: Court, judged: Sequence[Judged], had_lock: int) -> None:
        if had_lock != self._had_lock:
            self._lists.clear()
        self._had_lock = had_lock
        self._lists[last_line] = _Kept(judged=judged, today=court.today, stands_on=_stands_on(court, judged))

    def take(self, last_line: int, had_lock: int, today: date) -> Sequence[Judged] | None:
        """What was judged, under the lock as whose `had_lock`-th taker we came; None: to be judged anew, and told by `touch`."""
        if had_lock != self._had_lock + 1:
            self._lists.clear()
        self._had_lock = had_lock
        kept = self._lists.pop(last_line, None)
        if kept is None or kept.today != today or not self._touched.isdisjoint(kept.stands_on):
            return None
        self._touched |= kept.stands_on
        return kept.judged

    def touch(self, court: Court, judged: Sequence[Judged]) -> None:
        """A list was judged anew: what it stands on counts as changed for those after it."""
        self._touched |= _stands_on(court, judged)


def _stands_on(court: Court, judged: Sequence[Judged]) -> frozenset[Concern]:
    """People, numbers and event keys that were looked at. That two kinds of them may look alike does no harm: then a list is read once more."""
    found: set[Concern] = {*court.snapshot.people, *court.numbers.now, *court.numbers.formerly}
    for one in judged:
        if one.change is not None:
            found |= _named(court, one, one.change)
    found.discard("")
    return frozenset(found)


def _named(court: Court, one: Judged, change: Change) -> set[Concern]:
    cancels = court.key_of(change.cancels) if change.cancels else ""
    return {one.key, change.addressee_number, change.replaced_by, change.says.individual_number, cancels}


def concerns(court: Court, one: Judged, change: Change) -> set[Concern]:
    """What a change that was judged is about: what it names, whom that leads to as held, and every 個人番号 in their history, which may come back."""
    snapshot = court.snapshot
    found = _named(court, one, change)
    held = [snapshot.addressees.get(number) for number in (change.addressee_number, change.replaced_by)]
    people = {each[0] for each in held if each is not None}
    numbers = (
        snapshot.by_number.get(change.says.individual_number),
        snapshot.formerly.get(change.says.individual_number),
    )
    people |= {number for number in numbers if number is not None}
    if change.cancels and (known := snapshot.events.get(court.key_of(change.cancels))) is not None:
        people |= {number for number in (known.integrated_number, known.lives_on) if number is not None}
    for number in people:
        found.add(number)
        if (of := snapshot.people.get(number)) is not None:
            found |= numbers_said(of.base, of.events)
    found.discard("")
    return found
