"""What goes wrong around the roles, in a process beside them: lines between any two, the clock of one, the log of one (simulation only).

`sekisho up --lines` starts it. It takes orders at the socket `lines/control`, which the network's own control port passes on to.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from msgspec import UNSET

from adapters.jlis_mock import lines
from adapters.jlis_mock.faults import BY_CALL, Switch
from adapters.jlis_mock.lines import Bad, Order, UnknownError
from gateway import full_log
from gateway.administrator import administrator_dsn
from gateway.data_folder import SKEW_FILE, DataFolder
from storage.postgres import EmbeddedPostgresError
from transport.clock import SharedOffset

K = TypeVar("K")
V = TypeVar("V")


def used_words(fault: str, times: int, *, drawn: bool) -> frozenset[str]:
    """Which of `ms`, `share`, `each` and `seed` say something beside this fault, so many times; `drawn`: a share of occasions is given."""
    if times == 0:
        return frozenset()
    delayed = fault == Bad.DELAY
    words = {"share": True, "ms": delayed, "seed": delayed or drawn, "each": fault in set(Switch) - BY_CALL}
    return frozenset(word for word, says in words.items() if says)


def clocks(data: DataFolder) -> dict[str, SharedOffset]:
    """Role → what makes its clock wrong."""
    found = sorted((data.root / "roles").glob(f"*/{SKEW_FILE}"))
    return {path.parent.name: SharedOffset(path) for path in found}


def wrong_clocks(data: DataFolder) -> dict[str, float]:
    """Role → by how many seconds its clock is wrong; those that are right are left out."""
    return {role: clock.microseconds / 1e6 for role, clock in clocks(data).items() if clock.microseconds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Clocks and logs of one data folder (`lines.Others`)."""

    data: DataFolder

    async def take(self, order: Order) -> dict[str, Any]:
        found: dict[str, Any] = {}
        skews = _named({} if order.clocks is UNSET else order.clocks, clocks(self.data), "role")
        if order.logs is not UNSET:
            try:
                with administrator_dsn(self.data) as dsn:
                    found["logs"] = await _filled(dsn, order.logs)
            except (asyncpg.PostgresError, EmbeddedPostgresError, OSError):
                raise UnknownError("PostgreSQL does not answer") from None
        for clock, seconds in skews:
            clock.move(timedelta(seconds=seconds))
        return found if order.clocks is UNSET else {**found, "clocks": wrong_clocks(self.data)}


async def _filled(dsn: str, logs: Mapping[str, bool]) -> list[str]:
    """Fill or free these logs; those that are full then. Raises UnknownError."""
    administrator = await asyncpg.connect(dsn)
    try:
        known = await full_log.there(administrator)
        for party, full in _named(logs, {name: name for name in known}, "log"):
            await full_log.fill(administrator, party, full=full)
        return [party for party in known if await full_log.is_full(administrator, party)]
    finally:
        await administrator.close()


def _named(wanted: Mapping[str, V], known: Mapping[str, K], what: str) -> list[tuple[K, V]]:
    """What is known under each name, and what is wanted of it. Raises UnknownError."""
    if unknown := sorted(set(wanted) - set(known)):
        raise UnknownError(f"{unknown[0]}: no such {what}; there are: {', '.join(sorted(known))}")
    return [(known[name], value) for name, value in wanted.items()]


async def _main(data: DataFolder) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await lines.serve(data.lines, Beside(data=data), stop)


if __name__ == "__main__":
    asyncio.run(_main(DataFolder(Path(sys.argv[1]))))
