"""The outbox's broom: drives what is late, expires what is over, pushes what was decided. Each agency has a broom of its own (IS-7, IS-10)."""

from __future__ import annotations

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


async def _round(server: Server, agency: HostedAgency) -> None:
    now = agency.clock()
    for late in await reading.due(agency, now):
        agency.broom.call(agency.limits.resend_after.total_seconds())
        await reading.postpone(
            agency,
            late.number,
            late.answer_by if late.state is State.HELD and now < late.answer_by else now + agency.limits.resend_after,
        )
        server.start(agency, late)
    await held.expire(agency, now)
    if await held.push(agency, now):
        agency.broom.call(agency.limits.resend_after.total_seconds())
    await reading.expire_results(agency, now)


async def sweep(server: Server, agency: HostedAgency) -> None:
    """Run until cancelled. A failed round is logged and tried again: what it would have moved is still in its rows."""
    await agency.broom.wait()
    agency.broom.call(agency.limits.resend_after.total_seconds())  # what the process before us left is due by then
    while True:
        try:
            await _round(server, agency)
        except (StorageUnavailableError, PostgresError, ProblemError) as failure:
            agency.broom.call(agency.limits.resend_after.total_seconds())
            _LOG.warning("sweep_failed", agency=agency.id, error=type(failure).__name__)
        await agency.broom.wait()
