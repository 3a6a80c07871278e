"""Whose key is in somebody's hands: a copy must not be sealed under a key that is replaced before the copy is written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager


class PersonKeys:
    """Of one agency. Only one process writes an agency's copies (it holds the role's folder), so its memory is enough."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._replaced: set[str] = set()
        self._free = asyncio.Event()

    @asynccontextmanager
    async def using(self, numbers: Collection[str]) -> AsyncIterator[None]:
        """From reading these people's keys until what is sealed under them is written; waits while one of them is being replaced."""
        while not self._replaced.isdisjoint(numbers):
            self._free.clear()
            await self._free.wait()
        self._used.update(numbers)
        try:
            yield
        finally:
            self._used.subtract(numbers)
            self._used = +self._used

    @contextmanager
    def replacing(self, numbers: Collection[str]) -> Iterator[list[str]]:
        """Those of them whose keys nobody uses now; nobody does until the block ends."""
        free = [number for number in numbers if number not in self._used]
        self._replaced.update(free)
        try:
            yield free
        finally:
            self._replaced.difference_update(free)
            self._free.set()
