"""宛名番号 → 団体内統合宛名番号 for many callers at once: what waits shares one look-up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from codebook.identifiers import IntegratedAddresseeNumber
from gateway.linkage_server.addressees import store
from storage.database import Database, StorageUnavailableError

_MOST = 2_000
Pair = tuple[str, str]
Found = dict[Pair, tuple[int, bool]]


@dataclass(slots=True, repr=False)
class _Waiting:
    pairs: Sequence[Pair]
    done: asyncio.Future[Found]


class AddresseeFinder:
    """`run()` must be running. One query at a time: what arrives meanwhile shares the next one."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    async def find(self, system: str, numbers: Sequence[str]) -> dict[str, IntegratedAddresseeNumber]:
        """The people that this system holds under these numbers; a number that it does not hold is absent. Raises StorageUnavailableError."""
        done: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting([(system, number) for number in numbers], done))
        self._wake.set()
        found = await done
        return {
            number: IntegratedAddresseeNumber(f"{held[0]:015d}")
            for number in numbers
            if (held := found.get((system, number)))
        }

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._answer(self._take())

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
        try:
            async with self._database.inside(self._tenant) as connection:
                found = await store.find_addressees(connection, pairs)
        except (StorageUnavailableError, asyncpg.PostgresError):
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(StorageUnavailableError("addressees could not be looked up"))
            return
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(found)
