"""What is held about a list of changes when it is judged (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.linkage_server.people.holding import KnownHold
from gateway.linkage_server.people.store import Held, KnownEvent


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Snapshot:
    """What is held about a list. `addressees`: number → integrated number and since when it means nobody; `by_number`: 個人番号 → integrated number;
    `formerly`: the same of whoever had it and has it no more; `rows`: with whom it stands, who may have been merged, where a change of somebody
    who was merged is taken back; `held_by_others`: people whom other business systems hold too, where a record is to be taken out or may become another person's.
    """

    addressees: Mapping[str, tuple[int, date | None]]
    people: Mapping[int, Held]
    by_number: Mapping[str, int]
    formerly: Mapping[str, int]
    rows: Mapping[str, int]
    events: Mapping[str, KnownEvent]
    holds: Mapping[str, KnownHold]
    held_by_others: Collection[int] = ()

    def is_frozen(self, number: int | None) -> bool:
        """Of somebody who is held: whether nothing is linked to them until it is known who they are."""
        return number is not None and number in self.people and self.people[number].frozen
