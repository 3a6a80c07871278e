"""What a month's count of exchanges may tell (SC-23: no statistics that single somebody out). Pure.

The finest counts of one month are put into classes until every number of a class is 0 or at least the threshold. A class is one row, several rows of
one affair, or several whole affairs; outcomes are put together in the same way first. Classes are all that is published: every total and every
grouping is a sum of them, so nothing that can be worked out from totals goes beyond them. Which rows a class has hidden is not said (docs/adr/0043).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

DEFAULT_THRESHOLD: Final = 10
LEAST_THRESHOLD: Final = 3
"""Below it a class of two rows can be told apart by whoever knows the rules: of 2 = 1 + 1 both are known."""

Affair: TypeAlias = tuple[str, str]
"""Basis and item of the list."""
Parties: TypeAlias = tuple[str, str, str]
"""Partner, and 委任元 of inquirer and of provider, empty where there is none."""
Ended: TypeAlias = tuple[str, str]
"""Kind of the record that ended it, and outcome (docs/outcomes.md)."""
Finest: TypeAlias = tuple[Affair, Parties, str, Ended]
"""Affair, parties, information, how it ended: what is counted."""
_Row: TypeAlias = tuple[Affair, Parties, str]
_Outcomes: TypeAlias = frozenset[Ended]
_Counts: TypeAlias = Counter[_Outcomes]
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One number: how many exchanges. None: several affairs, rows or outcomes together."""

    affair: Affair | None
    parties: Parties | None
    information: str | None
    ended: Ended | None
    exchanges: int


@dataclass(slots=True)
class _Class:
    """`affair` and `row` are None when the class holds several of them; `rows` are the finest rows in it."""

    affair: Affair | None
    row: _Row | None
    rows: list[_Counts]

    @property
    def counts(self) -> _Counts:
        total: _Counts = Counter()
        for row in self.rows:
            total.update(row)
        return total


def publish(counts: Mapping[Finest, int], threshold: int) -> list[Published]:
    """The numbers of one month that may be told; none when all of it together is below the threshold, which then tells nothing at all.

    Raises ValueError for a threshold below LEAST_THRESHOLD or a count that is not positive.
    """
    if threshold < LEAST_THRESHOLD or any(count < 1 for count in counts.values()):
        raise ValueError("a threshold of at least 3, and counts of what has happened")
    outcomes = _outcomes(counts, threshold)
    if outcomes is None:
        return []
    return [number for each in _classes(counts, outcomes, threshold) for number in _numbers(each)]


def _numbers(of: _Class) -> Iterator[Published]:
    for outcomes, exchanges in sorted(of.counts.items(), key=lambda one: sorted(one[0])):
        yield Published(
            affair=of.affair,
            parties=of.row[1] if of.row else None,
            information=of.row[2] if of.row else None,
            ended=next(iter(outcomes)) if len(outcomes) == 1 else None,
            exchanges=exchanges,
        )


def _outcomes(counts: Mapping[Finest, int], threshold: int) -> dict[Ended, _Outcomes] | None:
    """Outcome → the outcomes that it is told together with; None when nothing may be told."""
    totals: Counter[Ended] = Counter()
    for (_, _, _, outcome), count in counts.items():
        totals[outcome] += count
    together = {outcome: count for outcome, count in totals.items() if count < threshold}
    left = {outcome: count for outcome, count in totals.items() if count >= threshold}
    while together and left and (sum(together.values()) < threshold or len(set(together.values())) < 2):
        for outcome in _least(left):
            together[outcome] = left.pop(outcome)
    if together and sum(together.values()) < threshold:
        return None
    return {outcome: frozenset(together if outcome in together else {outcome}) for outcome in totals}


def _least(of: Mapping[_Key, int]) -> list[_Key]:
    """All that are as small as the smallest: who goes with whom hangs on counts alone, never on a name."""
    return [key for key, count in of.items() if count == min(of.values())]


def _classes(counts: Mapping[Finest, int], outcomes: Mapping[Ended, _Outcomes], threshold: int) -> list[_Class]:
    """Rows within their affair first; an affair that cannot be told by itself goes together with other affairs as a whole."""
    rows: defaultdict[Affair, defaultdict[_Row, _Counts]] = defaultdict(lambda: defaultdict(Counter))
    for (affair, parties, information, outcome), count in sorted(counts.items()):
        rows[affair][(affair, parties, information)][outcomes[outcome]] += count
    told: dict[Affair, list[_Class]] = {}
    untold: list[_Class] = []
    for affair, of_affair in rows.items():
        kept, together = _pooled([_Class(affair, row, [found]) for row, found in of_affair.items()], [], threshold)
        if together is None or _veiled(together, threshold):
            told[affair] = [*kept, *([together] if together else [])]
        else:
            untold.append(together)
    kept, together = _pooled([_sum(classes) for classes in told.values()], untold, threshold)
    alone = [each for one in kept if one.affair is not None for each in told[one.affair]]
    return [*alone, *([together] if together else [])]


def _pooled(classes: list[_Class], pool: list[_Class], threshold: int) -> tuple[list[_Class], _Class | None]:
    """Put those with small numbers together, and the least of the others to them until they veil one another; what stays apart, and the class made of the rest."""
    small = {at for at, one in enumerate(classes) if _small(one.counts, threshold)}
    pool = [*pool, *(classes[at] for at in small)]
    left = {at: one.counts.total() for at, one in enumerate(classes) if at not in small}
    while pool and left and not _veiled(_sum(pool), threshold):
        for at in _least(left):
            pool.append(classes[at])
            del left[at]
    return [classes[at] for at in left], _sum(pool) if pool else None


def _sum(classes: list[_Class]) -> _Class:
    affairs = {one.affair for one in classes}
    same = affairs.pop() if len(affairs) == 1 else None
    return _Class(same, classes[0].row if len(classes) == 1 else None, [row for one in classes for row in one.rows])


def _veiled(of: _Class, threshold: int) -> bool:
    """Whether a class of several rows may be told: its numbers are large, and small ones in it are not all alike, so that none follows from the sum."""
    alike = (
        len({row[outcomes] for row in of.rows}) == 1
        for outcomes in of.counts
        if any(0 < row[outcomes] < threshold for row in of.rows)
    )
    return len(of.rows) > 1 and not _small(of.counts, threshold) and not any(alike)


def _small(counts: _Counts, threshold: int) -> bool:
    """Whether one of the numbers is below the threshold; 0 is none."""
    return any(0 < count < threshold for count in counts.values())
