"""Whether data of a restored database may leave: not before its restore is lifted by somebody else (SC-15; docs/adr/0076)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from transport.problem import ProblemError


class Release:
    """One agency's. Open unless a restore holds it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def lift(self) -> None:
        self._open.set()

    def check(self) -> None:
        """Raises ProblemError 409 while a restore holds what would leave."""
        if not self._open.is_set():
            raise ProblemError(
                409,
                "restore_not_lifted",
                "This database was restored from a backup; until an administrator has lifted that, nothing leaves it.",
            )

    async def then(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a loop as soon as nothing holds it."""
        await self._open.wait()
        await run()
