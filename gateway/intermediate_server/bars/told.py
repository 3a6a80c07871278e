"""What the agency's log says of its bars, held against their rows (SC-4, SC-20; docs/adr/0124). Pure.

Every change of a bar is an entry in the transaction that makes it. A bar that works by its last entry has a row that works and says the same: one that
was lifted, changed or taken out without an entry was so by somebody who has written the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from asyncpg import Record

from gateway.intermediate_server.bars.states import WORKING, BarState

SAID: Final = ("place", "effect", "information", "data_item", "inquirer")
"""What an entry and its row both say of a bar."""


class _Facts(msgspec.Struct, frozen=True):
    bar_id: str
    place: str
    effect: str
    information: str
    data_item: str
    state: str
    inquirer: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    facts: _Facts


_ENTRY: Final = msgspec.json.Decoder(_Entry)


class Told:
    """The bars that work by what was read of the log so far; one that was lifted is over, in whatever order the years are read. `read_to`: year of the
    log → the last entry of it that was read.
    """

    def __init__(self, read_to: dict[int, int]) -> None:
        self.read_to = read_to
        self._working: dict[str, tuple[str | None, ...]] = {}
        self._over: set[str] = set()

    def take(self, rows: Iterable[Record]) -> None:
        """Entries (`year`, `idx`, `body`) in their order; those that were taken meanwhile are left out."""
        for row in rows:
            if row["idx"] <= self.read_to.get(row["year"], -1):
                continue
            self.read_to[row["year"]] = row["idx"]
            facts = _ENTRY.decode(row["body"]).facts
            if facts.state == BarState.LIFTED:  # the end of it, whatever year a wrong clock said
                self._over.add(facts.bar_id)
                self._working.pop(facts.bar_id, None)
            elif facts.state in WORKING and facts.bar_id not in self._over:
                self._working[facts.bar_id] = tuple(getattr(facts, name) or None for name in SAID)

    def missing(self, rows: Iterable[Record]) -> frozenset[str]:
        """Ids of bars that work by the log, and not so by these rows of `bar`; whose a bar is has been sealed by the server, for this bar alone."""
        working = [row for row in rows if row["state"] in WORKING and row["integrated_number"] is None]
        there = {row["bar_id"]: tuple(row[name] for name in SAID) for row in working}
        return frozenset(bar_id for bar_id, said in self._working.items() if there.get(bar_id) != said)
