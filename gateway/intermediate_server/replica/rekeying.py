"""Copies under a new version of the ring's key (IS-6, IS-8): each person is given a new key, and everything of theirs is sealed under it.

A person is done whole or not at all: key, copies and the index of what they say. An old ring together with an old copy of the database opens
nothing of what is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncpg import Record

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import PURPOSE, ReplicaItem
from keys.box import Box, new_box_key
from keys.errors import KeyUnusable, SealBroken
from keys.masked import Secret
from storage import sql
from storage.database import Connection
from storage.resealing.rows import OTHERS, Advance, Stretch
from storage.turns import with_turns

_SQL = sql.load("gateway.intermediate_server.replica")
COUNT: Final = _SQL["count_person_keys"]
"""How many people's keys lie under version $1, or under any other ($2)."""
_COPIES_EACH: Final = 4
"""About so many copies a person has: a stretch of so many rows is that many fewer people."""
_BESIDE: Final = tuple(
    name for name in ReplicaItem.__struct_fields__ if name not in {"operation", "auto_response", "items"}
)
"""What stands in clear beside what is sealed, in columns of the same names."""
_COUNT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Renewed:
    keys: list[tuple[str, bytes]]
    copies: list[tuple[str, bytes, bytes]]
    unreadable: int


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
        fresh, done, unreadable = [], [], 0
        async for row in with_turns(old):
            number = row["integrated_number"]
            if len(copies[number]) < there.get(number, 0):
                continue  # somebody holds a copy of this person: the next pass
            try:
                key, sealed = self._person(number, row["wrapped"], copies[number])
            except (SealBroken, KeyUnusable):
                unreadable += 1  # somebody changed a row; nothing of the person is touched
            else:
                fresh.append((number, key))
                done += sealed
        wrapped = registration.wrap_person_keys(self.agency, fresh)
        keys = [(number, one) for (number, _), one in zip(fresh, wrapped, strict=True)]
        return _Renewed(keys=keys, copies=done, unreadable=unreadable)

    def _person(
        self, number: str, wrapped: bytes, copies: list[Record]
    ) -> tuple[Secret, list[tuple[str, bytes, bytes]]]:
        """A new key, and (record id, content index, sealed) of each copy under it: what was sealed is sealed as it was, not written anew."""
        agency = self.agency
        before = registration.open_person_key(agency.keys.ring, agency.id, number, wrapped)
        opened, indexes = [], []
        for copy in copies:
            bound = registration.record_aad(agency.id, copy)
            said = before.open(copy["sealed"], bound)
            opened.append((said, bound))
            indexes.append(registration.content_index(agency.keys.ring, _record_of(copy, said)))
        fresh = new_box_key()
        sealed = Box(fresh).seal_many(opened)
        names = [copy["record_id"] for copy in copies]
        return fresh, list(zip(names, indexes, sealed, strict=True))


def _record_of(copy: Record, said: bytes) -> ReplicaItem:
    opened = registration.read_said(said)
    beside = {name: copy[name] for name in _BESIDE if copy.get(name) is not None}
    return ReplicaItem(**beside, operation="register", auto_response=opened.auto_response.value, items=opened.items)
