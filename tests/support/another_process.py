"""Another process of the same agency in the middle of an act: written into its transaction, and not committed yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import StandingBars
from storage.committer import Committer


@asynccontextmanager
async def half_way(
    agency: HostedAgency, act: Callable[[HostedAgency], Coroutine[Any, Any, Any]]
) -> AsyncIterator[None]:
    """`act` (one commit) stands there while the block runs; it is committed when somebody waits for it after that."""
    bars = StandingBars(told=deepcopy(agency.bars.told))
    await bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    committer = Committer(
        agency.database, agency.tenant, origin=agency.committer.origin, signer=lambda: agency.keys.ring.signer("log"), clock=agency.clock
    )  # fmt: skip
    acting = asyncio.create_task(act(replace(agency, committer=committer, bars=bars)))
    async with asyncio.timeout(20):
        while not (batch := committer.take()):
            await asyncio.sleep(0.01)
        async with agency.database.inside(agency.tenant) as connection:
            written = await committer.write(connection, [one.commit for one in batch], all_at_once=False)
            yield
            while not await connection.fetchval("select exists (select from pg_locks where not granted)"):
                await asyncio.sleep(0.01)
    for waiting, result in zip(batch, written.results, strict=True):
        waiting.done.set_result(result)
    await acting
