"""The bars that stand at one agency, in memory: an answer looks them up without asking the database (SC-4, IS-6).

`epoch` says which change of them was read last. A provision is recorded only under the epoch that it was decided under
(`record_provision`), so a bar that has committed works for every answer after it, whoever set it; what lost reads them again.
They are held against the log each time that they are read: while one is missing that works by the log, nothing is asked or answered, as when
use is suspended (`told`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog
from asyncpg import Record

from gateway.intermediate_server.bars import whose
from gateway.intermediate_server.bars.states import EVERYTHING, WORKING, Bar, BarState, Cause, Effect, Place
from gateway.intermediate_server.bars.told import Told
from keys.errors import KeyUnusable, SealBroken
from keys.ring import Keyring
from permission_lists.barring import AutoResponse
from storage import sql
from storage.database import Database, StorageUnavailableError
from storage.key_store import KeyStore

USE_SUSPENDED = "use_suspended"
NOT_YET = "not_yet"
"""Retry: the same bytes may be answered later."""
SEALED: Final = "bars-sealed"
"""A purpose of the ring that seals nothing: whoever writes the database cannot take the fact away (docs/adr/0110)."""
_SQL = sql.load("gateway.intermediate_server.bars")
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """What the bars say to one question. `data_items`: barred names of the layout, `*` for all. Frozen: nothing may leave at all. Marked: 不開示.

    Suspended: 利用停止, of the person or of the agency. Elsewhere: one of the person's bars, other than 不開示, names other information.
    """

    suspended: bool = False
    frozen: bool = False
    refused: bool = False
    marked: bool = False
    elsewhere: bool = False
    person: AutoResponse = AutoResponse.ALLOWED
    inquirer: AutoResponse = AutoResponse.ALLOWED
    data_items: frozenset[str] = frozenset()

    def bars_one_of(self, names: Iterable[str]) -> bool:
        return bool(self.data_items) and (EVERYTHING in self.data_items or not self.data_items.isdisjoint(names))


FREE = Barred()


def read(row: Record, ring: Keyring, agency: str) -> Bar:
    """A row of `bar` as a value; `standing_bars` has the epoch beside it. Raises StorageUnavailableError when whose it is cannot be read."""
    said = {name: value for name, value in row.items() if name not in ("epoch", "number_sealed")}
    if row["number_sealed"] is not None:
        try:
            said["integrated_number"] = whose.opened(ring, agency, row["bar_id"], row["number_sealed"])
        except (SealBroken, KeyUnusable):  # nothing is answered under bars that are not all known
            raise StorageUnavailableError("a bar does not say any more whose it is") from None
    return Bar(
        **{
            **said,
            "place": Place(row["place"]),
            "effect": Effect(row["effect"]),
            "cause": Cause(row["cause"]),
            "state": BarState(row["state"]),
        }
    )


async def seal_those_in_clear(database: Database, tenant: str, keys: KeyStore, agency: str) -> None:
    """Numbers of before there were seals (0075_bars_are_sealed.sql), once: one that stands in clear after that was put there by somebody else, and the bar
    that the log knows is missing. Raises StorageUnavailableError, KeyStoreError.
    """
    if SEALED in keys.ring.purposes():
        return
    async with database.inside(tenant) as connection:
        while rows := await connection.fetch(_SQL["bars_in_clear"]):
            made = [
                (row["bar_id"], *whose.kept(keys.ring, agency, row["bar_id"], row["integrated_number"])) for row in rows
            ]
            await connection.execute(_SQL["seal_bars"], *map(list, zip(*made, strict=True)))
    keys.ensure(SEALED)


@dataclass(slots=True)
class StandingBars:
    """All bars of one agency that work, by what they name. `missing`: ids of those that work by the log, and whose rows do not say so."""

    epoch: int = 0
    missing: frozenset[str] = frozenset()
    told: Told = field(default_factory=lambda: Told({}))
    _people: dict[str, dict[str, Bar]] = field(default_factory=dict)
    _inquirers: dict[str, dict[str, Bar]] = field(default_factory=dict)
    _items: dict[str, Bar] = field(default_factory=dict)
    _agency: dict[str, Bar] = field(default_factory=dict)

    async def read_again(self, database: Database, tenant: str, ring: Keyring, agency: str) -> None:
        """Take what the database says now. Raises StorageUnavailableError."""
        read_to = self.told.read_to
        async with database.inside(tenant, snapshot=True) as connection:
            rows = await connection.fetch(_SQL["standing_bars"])
            entries = await connection.fetch(_SQL["bars_told"], list(read_to), list(read_to.values()))
        if rows[0]["epoch"] < self.epoch:
            return  # a later change was read meanwhile
        self.told.take(entries)
        self.missing = self.told.missing(rows)
        if self.missing:
            _LOG.error("bars:not_as_recorded", agency=agency, count=len(self.missing))
        bars = [read(row, ring, agency) for row in rows if row["bar_id"] is not None]
        self._people, self._inquirers, self._items, self._agency = {}, {}, {}, {}
        self.epoch = rows[0]["epoch"]
        for bar in bars:
            self.hold_to(bar)

    def hold_to(self, bar: Bar) -> None:
        """From now on this bar is looked at, also while it is still on its way into the database."""
        if bar.state not in WORKING:
            return
        if bar.place is Place.PERSON:
            self._people.setdefault(bar.integrated_number or "", {})[bar.bar_id] = bar
        elif bar.place is Place.INQUIRER:
            self._inquirers.setdefault(bar.inquirer or "", {})[bar.bar_id] = bar
        elif bar.place is Place.AGENCY:
            self._agency[bar.bar_id] = bar
        else:
            self._items[bar.bar_id] = bar

    def of_person(self, integrated_number: str) -> tuple[Bar, ...]:
        """The bars that work at one person."""
        return tuple(self._people.get(integrated_number, {}).values())

    @property
    def suspension(self) -> Bar | None:
        """The bar that suspends the whole agency, if one does."""
        return next(iter(self._agency.values()), None)

    @property
    def all_suspended(self) -> bool:
        """Whether nothing is asked or answered here: the agency is suspended, or its bars are not all known."""
        return bool(self._agency or self.missing)

    def suspends(self, integrated_number: str | None, information: str) -> bool:
        """Whether nothing is asked or answered of this person's information of one kind."""
        people = self._people.get(integrated_number or "", {}).values()
        return self.all_suspended or any(bar.effect is Effect.SUSPEND and bar.names(information) for bar in people)

    def keeps_back(self, integrated_number: str | None, information: str, *, with_content: bool) -> str | None:
        """Why an answer that was recorded before does not leave now, or None: use is suspended, or it has content of somebody who is frozen.

        Of a freeze its inquirer is told no more than that the answer does not come yet.
        """
        if self.suspends(integrated_number, information):
            return USE_SUSPENDED
        return NOT_YET if with_content and self.look(integrated_number, information).frozen else None

    def look(self, integrated_number: str | None, information: str, *inquirers: str) -> Barred:
        """What stands between this person's information of one kind and these inquirers: who asks, and who has delegated it (`Permit.askers`)."""
        people = self._people.get(integrated_number or "", {}).values()
        asking = [bar for name in inquirers for bar in self._inquirers.get(name, {}).values()]
        if not people and not asking and not self._items and not self.all_suspended:
            return FREE
        effects = {bar.effect for bar in people if bar.names(information)}
        return Barred(
            suspended=self.all_suspended or Effect.SUSPEND in effects,
            frozen=not effects.isdisjoint((Effect.FREEZE, Effect.REFUSE)),
            refused=Effect.REFUSE in effects,
            marked=Effect.NON_DISCLOSURE in effects,
            elsewhere=any(bar.effect is not Effect.NON_DISCLOSURE and not bar.names(information) for bar in people),
            person=AutoResponse.BARRED if effects - {Effect.NON_DISCLOSURE} else AutoResponse.ALLOWED,
            inquirer=AutoResponse.BARRED if any(bar.names(information) for bar in asking) else AutoResponse.ALLOWED,
            data_items=frozenset(bar.data_item for bar in self._items.values() if bar.names(information)),
        )
