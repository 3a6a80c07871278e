"""What one version or basis of the list permits and another does not: row by row, grant by grant.

Rows are paired by basis and item, and across bases by the old item that the newer row stands for (別表第二の42の項 → 命令の69の項).
Of versions those in force on the first day are compared so; rows of other days, of times past and to come, are compared as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from permission_lists.law_text import without_law_numbers
from permission_lists.model import PermissionRow, Term

_BY_ORDER = re.compile(
    r"であって(?:主務省令|次条|第[一二三四五六七八九十百]+条(?:の[一二三四五六七八九十]+)?)で定めるもの$"
)
_Flow: TypeAlias = tuple[frozenset[str], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One column of a row that differs. `before`, `after`: what only one side has."""

    column: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    before: PermissionRow
    after: PermissionRow
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """`same`: rows that permit the same, also under another item. `dormant`: ids of rows named here that are not in force on the day compared."""

    removed: tuple[PermissionRow, ...]
    added: tuple[PermissionRow, ...]
    changed: tuple[ChangedRow, ...]
    same: int
    dormant: frozenset[str] = frozenset()

    @property
    def none(self) -> bool:
        return not (self.removed or self.added or self.changed)


def compare(before: Iterable[PermissionRow], after: Iterable[PermissionRow]) -> Differences:
    """The differences from one set of rows to another."""
    old = {(row.basis.id, row.item): row for row in before}
    pairs: list[tuple[PermissionRow, PermissionRow]] = []
    added = []
    left = dict(old)
    for row in after:
        place = (row.basis.id, row.item)
        found = left.pop(place, None) or _of_another_basis(row, left)
        if found is None:
            added.append(row)
        else:
            left.pop((found.basis.id, found.item), None)
            pairs.append((found, row))
    changed = [
        ChangedRow(before=one, after=other, changes=changes)
        for one, other in pairs
        if (changes := _changes(one, other))
    ]
    return Differences(
        removed=tuple(left.values()), added=tuple(added), changed=tuple(changed), same=len(pairs) - len(changed)
    )


def compare_on(
    before: Iterable[PermissionRow], first: date, after: Iterable[PermissionRow], second: date
) -> Differences:
    """The differences between two versions, each looked at on its first day; `before`, `after`: all of their rows."""
    one, other = ({row.id: row for row in rows} for rows in (before, after))
    asleep = frozenset(
        id_ for rows, day in ((one, first), (other, second)) for id_, row in rows.items() if not row.counts_on(day)
    )
    awake = compare(
        (row for row in one.values() if row.counts_on(first)),
        (row for row in other.values() if row.counts_on(second)),
    )
    rest = [(one.get(id_), other.get(id_)) for id_ in sorted(asleep, key=[*one, *other].index)]
    moved = tuple(
        ChangedRow(before=old, after=new, changes=changes)
        for old, new in rest
        if old is not None and new is not None and (changes := _changes(old, new))
    )
    told = {row.before.id for row in moved}
    return Differences(
        removed=(*(row for row in awake.removed if row.id not in told), *(old for old, new in rest if old is not None and new is None)),
        added=(*(row for row in awake.added if row.id not in told), *(new for old, new in rest if old is None and new is not None)),
        changed=(*awake.changed, *moved),
        same=awake.same,
        dormant=asleep,
    )  # fmt: skip


def _of_another_basis(row: PermissionRow, left: dict[tuple[str, str], PermissionRow]) -> PermissionRow | None:
    """The row of another statutory basis that this one stands for, or that stands for this one: whichever of the two is the newer."""
    return next((one for one in left.values() if _stands_for(row, one) or _stands_for(one, row)), None)


def _stands_for(newer: PermissionRow, older: PermissionRow) -> bool:
    statutory = newer.basis.kind.statutory and older.basis.kind.statutory
    return statutory and newer.basis.id != older.basis.id and newer.old_item == older.item


def _changes(before: PermissionRow, after: PermissionRow) -> tuple[Change, ...]:
    found = []
    if _who(before.inquirer) != _who(after.inquirer):
        found.append(Change(column="inquirer", before=(before.inquirer.text,), after=(after.inquirer.text,)))
    if _wording(before.affair) != _wording(after.affair):
        found.append(Change(column="affair", before=(_wording(before.affair),), after=(_wording(after.affair),)))
    gone, new = _only_in(before, after), _only_in(after, before)
    if gone or new:
        found.append(Change(column="grants", before=gone, after=new))
    if before.basis.id == after.basis.id and before.in_force != after.in_force:
        found.append(Change(column="in_force", before=(_days(before),), after=(_days(after),)))
    return tuple(found)


def _who(term: Term) -> frozenset[str]:
    """Who a term means, whatever its wording; one that other law settles is told by its wording."""
    return term.kinds | term.agencies | ({_wording(term.text)} if term.unresolved else frozenset())


def _wording(text: str) -> str:
    """Without what only says where the order details it, or which number an act has."""
    return without_law_numbers(_BY_ORDER.sub("", text))


def _only_in(row: PermissionRow, other: PermissionRow) -> tuple[str, ...]:
    """Flows (provider → information) that only this row permits, in its own words."""
    flows: Sequence[_Flow] = [
        (_who(grant.provider), _wording(name), f"{grant.provider.text} → {name}")
        for grant in row.grants
        for name in sorted(grant.information)
    ]
    there = {(_who(grant.provider), _wording(name)) for grant in other.grants for name in grant.information}
    return tuple(words for who, name, words in flows if (who, name) not in there)


def _days(row: PermissionRow) -> str:
    return f"{row.in_force.first.isoformat()}–{'' if row.in_force.last is None else row.in_force.last.isoformat()}"
