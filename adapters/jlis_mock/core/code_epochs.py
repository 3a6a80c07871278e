"""Epochs of codes (IS-1): announced, settled by the agency once it has renewed all its codes, the old one refused, its key destroyed.

Each step is a row and an entry in one commit. The key of an epoch is durable before its row, and gone before the row that says so: whoever is
killed in between finds the row as it was and goes on (docs/adr/0046).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import asyncpg

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.codes import FIRST, CodeBook, InUse, purpose_of
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from storage import sql
from storage.committer import Commit, Committer, NewEntry, Statement, Write, commit_step
from storage.database import Database, as_away
from storage.key_store import KeyStore

_SQL: Final = sql.load("adapters.jlis_mock.core")
_ANNOUNCE: Final = Statement("announce_epoch", _SQL["announce_epoch"])
_SETTLE: Final = Statement("settle_epoch", _SQL["settle_epoch"])
_REFUSE: Final = Statement("refuse_epoch", _SQL["refuse_epoch"])
_DESTROY: Final = Statement("destroy_epoch", _SQL["destroy_epoch"])
_ANNOUNCED: Final = commit_step("core", "codes.epoch_announced")
_SETTLED: Final = commit_step("core", "codes.epoch_settled")
_REFUSED: Final = commit_step("core", "codes.epoch_refused")
_DESTROYED: Final = commit_step("core", "codes.epoch_destroyed")


class EpochState(StrEnum):
    ANNOUNCED = "announced"
    SETTLED = "settled"
    REFUSED = "refused"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """An agency's step to epoch `number` from the one before."""

    agency: str
    number: int
    state: EpochState
    announced_at: datetime
    accept_s: int
    accepted_until: datetime | None

    @property
    def in_use(self) -> InUse:
        """What this step, as the agency's latest, means for its codes."""
        both = self.state in {EpochState.ANNOUNCED, EpochState.SETTLED}
        return InUse(
            issued=self.number - 1 if self.state is EpochState.ANNOUNCED else self.number,
            newest=self.number,
            accepted=frozenset({self.number - 1, self.number} if both else {self.number}),
        )


@dataclass(slots=True, kw_only=True)
class EpochDesk:
    """`agencies`: called, those that there are. `latest`: agency → its last step; agencies at their first epoch have none."""

    book: CodeBook
    keys: KeyStore
    database: Database
    tenant: str
    committer: Committer
    agencies: Callable[[], Collection[str]]
    latest: dict[str, Epoch] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Hold what is stored. Raises StorageUnavailableError."""
        self.latest = await latest(self.database, self.tenant)
        self.book.take({agency: epoch.in_use for agency, epoch in self.latest.items()})

    async def announce(self, agency: str, number: int, accept_s: int, actor: str, now: datetime) -> str | None:
        """Begin the step to an epoch; again is no error. The reason when it is refused (IF_FGU_90132)."""
        async with self._one_at_a_time:
            await self.load()
            if agency not in self.agencies():
                return "agency_unknown"
            last = self.latest.get(agency)
            newest = last.number if last else FIRST
            if number == newest and last is not None:
                return None
            if number != newest + 1:
                return "epoch_not_the_next"
            if last is not None and last.state is not EpochState.DESTROYED:
                return "epoch_under_way"
            await asyncio.to_thread(self._ensure_key, agency, number)
            row = (agency, number, now, accept_s)
            entry = _entry(agency, number, EpochState.ANNOUNCED, actor, now, accept_s=accept_s)
            await self.committer.apply(Commit(step=_ANNOUNCED, guard=Write(_ANNOUNCE, row), entries=(entry,)))
            await self.load()
            return None

    def _ensure_key(self, agency: str, number: int) -> None:
        """A key that was made for an announcement that did not come about is this epoch's."""
        with self.keys.changing() as ring:
            if max(ring.versions(purpose_of(agency))) < number:
                ring.rotate(purpose_of(agency))

    async def settled(self, agency: str, number: int, now: datetime) -> None:
        """The agency says under which epoch all its codes are: from now on it is asked under that one. What is no news changes nothing."""
        last = self.latest.get(agency)
        if last is None or last.state is not EpochState.ANNOUNCED or last.number != number:
            return
        row = (agency, number, now, now + timedelta(seconds=last.accept_s))
        entry = _entry(agency, number, EpochState.SETTLED, agency, now)
        await self.committer.apply(Commit(step=_SETTLED, guard=Write(_SETTLE, row), entries=(entry,)))
        await self.load()
        await self.turn(now)

    async def turn(self, now: datetime) -> None:
        """Refuse what is over, and destroy the keys of what is refused. Raises StorageUnavailableError."""
        over = [one for one in self.latest.values() if one.accepted_until is not None and one.accepted_until <= now]
        for one in over:
            if one.state is EpochState.SETTLED:
                entry = _entry(one.agency, one.number - 1, EpochState.REFUSED, None, now)
                guard = Write(_REFUSE, (one.agency, one.number))
                await self.committer.apply(Commit(step=_REFUSED, guard=guard, entries=(entry,)))
        if over:
            await self.load()
        refused = [one for one in self.latest.values() if one.state is EpochState.REFUSED]
        for one in refused:
            digest = await asyncio.to_thread(self._destroy_key, one)
            entry = _entry(one.agency, one.number - 1, EpochState.DESTROYED, None, now, key_file=digest)
            guard = Write(_DESTROY, (one.agency, one.number, now))
            await self.committer.apply(Commit(step=_DESTROYED, guard=guard, entries=(entry,)))
        if refused:
            await self.load()

    def _destroy_key(self, epoch: Epoch) -> str:
        """Hex SHA-256 of the key file in which the key is not any more."""
        with self.keys.changing() as ring:
            ring.destroy(purpose_of(epoch.agency), epoch.number - 1)
        return self.keys.file_digest()

    def shown(self, agencies: Iterable[str]) -> list[dict[str, Any]]:
        """How the epochs of these agencies stand."""
        return [self._shown(agency) for agency in agencies]

    def _shown(self, agency: str) -> dict[str, Any]:
        last = self.latest.get(agency)
        now = last.in_use if last else InUse()
        return {
            "agency": agency,
            "newest": now.newest,
            "issued": now.issued,
            "accepted": sorted(now.accepted),
            "state": last.state.value if last else None,
            "announced_at": timestamp(last.announced_at) if last else None,
            "accepted_until": timestamp(last.accepted_until) if last and last.accepted_until else None,
        }


async def latest(database: Database, tenant: str) -> dict[str, Epoch]:
    """Agency → its last step. Raises StorageUnavailableError."""
    with as_away("the epochs of codes could not be read"):
        async with database.inside(tenant) as connection:
            rows = await connection.fetch(_SQL["latest_epochs"])
    return {row["agency"]: _read(row) for row in rows}


def _read(row: asyncpg.Record) -> Epoch:
    return Epoch(
        agency=row["agency"],
        number=row["epoch"],
        state=EpochState(row["state"]),
        announced_at=row["announced_at"],
        accept_s=row["accept_s"],
        accepted_until=row["accepted_until"],
    )


def _entry(
    agency: str, number: int, event: EpochState, actor: str | None, now: datetime, **more: str | int
) -> NewEntry:
    """`number`: the epoch that the event is about."""
    facts = {"agency": agency, "epoch": number, "event": event.value, **more}
    return records.other(EntryKind.CODES_EPOCH, now=now, actor=actor, facts=facts)
