"""Copies under a new version of the ring's key (IS-6, IS-8): each person is given a new key, and everything of theirs is sealed under it.

A person is done whole or not at all: key, copies and the index of what they say. An old ring together with an old copy of the database opens
nothing of what is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.batch.resealing import OTHERS, Advance, Resealing, Stretch
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records.exchange_entries import note_about
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import PURPOSE, ReplicaItem
from keys.box import Box, new_box_key
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.committer import NewEntry, commit_step
from storage.database import Connection
from storage.fault_points import declare

_SQL = sql.load("gateway.intermediate_server.replica")
COUNT: Final = _SQL["count_person_keys"]
"""How many people's keys lie under version $1, or under any other ($2)."""
_RESEALED: Final = commit_step("intermediate", "keys.resealed")
_ROWS: Final = declare("intermediate", "commit.keys.resealed_rows")
_COPIES_EACH: Final = 4
"""About so many copies a person has: a stretch of so many rows is that many fewer people."""
_SAID: Final = tuple(name for name in ReplicaItem.__struct_fields__ if name not in {"operation", "items"})
"""What stands in clear beside the items, in columns of the same names."""
_COUNT_S: Final = 60.0


@dataclass(slots=True)
class _Renewed:
    keys: list[tuple[Any, ...]]
    copies: list[tuple[Any, ...]]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class PersonKeyRows:
    agency: HostedAgency
    name: str = "person_key"
    purpose: str = PURPOSE
    first: str = ""

    async def others(self, connection: Connection, version: int) -> int:
        return int(await connection.fetchval(COUNT, version, OTHERS, timeout=_COUNT_S))

    async def stretch(self, after: str, most: int, version: int, advance: Advance) -> Stretch:
        agency = self.agency
        async with agency.database.inside(agency.tenant) as connection:
            page = await connection.fetch(_SQL["page_of_person_keys"], after, max(1, most // _COPIES_EACH))
        numbers = [row["integrated_number"] for row in page]
        with agency.person_keys.replacing(numbers) as free:
            async with agency.database.inside(agency.tenant) as connection:
                renewed = await self._renewed(connection, free, version)
                if renewed.keys:
                    await connection.execute(_SQL["write_person_keys"], *map(list, zip(*renewed.keys, strict=True)))
                if renewed.copies:
                    await connection.execute(_SQL["write_replicas"], *map(list, zip(*renewed.copies, strict=True)))
                stretch = Stretch(
                    last=numbers[-1] if numbers else None, done=len(renewed.keys), unreadable=renewed.unreadable
                )
                await advance(connection, stretch)
        return stretch

    async def _renewed(self, connection: Connection, numbers: list[str], version: int) -> _Renewed:
        old = await connection.fetch(_SQL["lock_person_keys"], numbers, version)
        whose = [row["integrated_number"] for row in old]
        copies: dict[str, list[Record]] = {number: [] for number in whose}
        for copy in await connection.fetch(_SQL["lock_replicas"], whose):
            copies[copy["integrated_number"]].append(copy)
        there = {
            row["integrated_number"]: row["replicas"]
            for row in await connection.fetch(_SQL["replicas_by_person"], whose)
        }
        renewed = _Renewed([], [])
        for row in old:
            number = row["integrated_number"]
            if len(copies[number]) < there.get(number, 0):
                continue  # somebody holds a copy of this person: the next pass
            try:
                key, done = self._person(number, row["wrapped"], copies[number])
            except (SealBroken, KeyUnusable):
                renewed.unreadable += 1  # somebody changed a row; nothing of the person is touched
            else:
                renewed.keys.append(key)
                renewed.copies += done
        return renewed

    def _person(
        self, number: str, wrapped: bytes, copies: list[Record]
    ) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
        before = registration.open_person_key(self.agency, number, wrapped)
        fresh = new_box_key()
        after = Box(fresh)
        done = [self._copy(copy, before, after) for copy in copies]
        return (number, registration.wrap_person_key(self.agency, number, fresh)), done

    def _copy(self, copy: Record, before: Box, after: Box) -> tuple[Any, ...]:
        said = {name: copy[name] for name in _SAID if copy.get(name) is not None}
        items = registration.open_items(self.agency, copy, before)
        record = ReplicaItem(**said, operation="register", items=items)
        index = registration.content_index(self.agency.keys.ring, record)
        return record.record_id, index, registration.seal_items(self.agency.id, record, after)


def resealing_of(agency: HostedAgency) -> Resealing:
    """The job of one agency; its `run()` must be running once."""

    def entry(facts: dict[str, str | int]) -> NewEntry:
        return note_about(agency, agency.clock(), EntryKind.KEYS_RESEALED, None, facts)

    return Resealing(
        agency=agency.id,
        tenant=agency.tenant,
        database=agency.database,
        committer=agency.committer,
        ring=agency.keys.ring,
        rows=(PersonKeyRows(agency),),
        clock=agency.clock,
        entry=entry,
        begun_step=_RESEALED,
        stretch_step=_ROWS,
        settle_s=agency.limits.reseal_settle_s,
    )
