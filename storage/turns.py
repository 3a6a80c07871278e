"""Long arithmetic that gives everybody else at the event loop a turn now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

_TURN_S: Final = 0.002
T = TypeVar("T")


async def with_turns(things: Iterable[T]) -> AsyncIterator[T]:
    """One after the other, with a turn for everybody else whenever the work between them has held the event loop for some milliseconds."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    for thing in things:
        yield thing
        if loop.time() - since > _TURN_S:
            await asyncio.sleep(0)
            since = loop.time()
