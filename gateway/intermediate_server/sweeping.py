"""The outbox's broom: drives what is late, expires what is over, pushes what was decided. One round a second per agency (IS-7, IS-10)."""

from __future__ import annotations

import asyncio

import structlog
from asyncpg import PostgresError

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry import reading
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.provision import held
from gateway.intermediate_server.routes import Server
from storage.database import StorageUnavailableError
from transport.problem import ProblemError

_LOG = structlog.get_logger()
_ROUND_S = 1.0


async def _round(server: Server, agency: HostedAgency) -> None:
    now = agency.clock()
    for late in await reading.due(agency, now):
        await reading.postpone(
            agency,
            late.number,
            late.answer_by if late.state is State.HELD and now < late.answer_by else now + agency.limits.resend_after,
        )
        server.start(agency, late)
    await held.expire(agency, now)
    await held.push(agency, now)
    await reading.expire_results(agency, now)


async def sweep(server: Server, agency: HostedAgency) -> None:
    """Run until cancelled. A failed round is logged and tried again: what it would have moved is still in its rows."""
    while True:
        await asyncio.sleep(_ROUND_S)
        try:
            await _round(server, agency)
        except (StorageUnavailableError, PostgresError, ProblemError) as failure:
            _LOG.warning("sweep_failed", agency=agency.id, error=type(failure).__name__)
