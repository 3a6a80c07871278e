"""宛名番号 → 団体内統合宛名番号, and what the desk refused before, for many callers at once: what waits shares one look-up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from codebook.identifiers import IntegratedAddresseeNumber
from gateway.linkage_server.addressees import store
from gateway.linkage_server.inquiry_desk import refusals
from gateway.linkage_server.inquiry_desk.refusals import Refusal
from storage.database import Database, StorageUnavailableError

_MOST = 2_000
Pair = tuple[str, str]
_People = dict[Pair, tuple[int, bool]]


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What is held for one list: people by addressee number, earlier refusals by retry identity."""

    people: dict[str, IntegratedAddresseeNumber]
    refusals: dict[str, Refusal]


@dataclass(slots=True, repr=False)
class _Waiting:
    pairs: Sequence[Pair]
    identities: Sequence[str]
    done: asyncio.Future[tuple[_People, dict[str, Refusal]]]


class AddresseeFinder:
    """`run()` must be running. One query at a time: what arrives meanwhile shares the next one."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    async def find(self, system: str, numbers: Sequence[str], identities: Sequence[str]) -> Found:
        """The people that this system holds under these numbers, and what was refused under these retry identities.

        What is not there is absent. Raises StorageUnavailableError.
        """
        done: asyncio.Future[tuple[_People, dict[str, Refusal]]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting([(system, number) for number in numbers], identities, done))
        self._wake.set()
        people, refused = await done
        held = {
            number: IntegratedAddresseeNumber(f"{one[0]:015d}")
            for number in numbers
            if (one := people.get((system, number)))
        }
        return Found(people=held, refusals={one: refused[one] for one in identities if one in refused})

    async def run(self) -> None:
        while True:
            while self._waiting:
                await self._answer(self._take())
            await self._wake.wait()
            self._wake.clear()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and (not taken or size + len(self._waiting[0].pairs) <= _MOST):
            one = self._waiting.pop(0)
            size += len(one.pairs)
            taken.append(one)
        return taken

    async def _answer(self, batch: list[_Waiting]) -> None:
        pairs = list({pair for waiting in batch for pair in waiting.pairs})
        identities = [one for waiting in batch for one in waiting.identities]
        try:
            async with self._database.inside(self._tenant) as connection:
                found = await store.find_addressees(connection, pairs), await refusals.find(connection, identities)
        except Exception as failure:
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(StorageUnavailableError("addressees could not be looked up"))
            if isinstance(failure, (StorageUnavailableError, asyncpg.PostgresError)):
                return
            raise  # nobody waits for it any more; who supervises the loop counts it
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(found)
