"""The outbox's broom: drives what is late, expires what is over, pushes what was decided. Each agency has a broom of its own (IS-7, IS-10)."""

from __future__ import annotations

import structlog

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry import reading
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.metrics import SWEEP_FAILURES
from gateway.intermediate_server.provision import held
from gateway.intermediate_server.routes import Server

_LOG = structlog.get_logger()


async def _drive_late(server: Server, agency: HostedAgency) -> None:
    now = agency.clock()
    for late in await reading.due(agency, now):
        agency.broom.call(agency.limits.resend_after.total_seconds())
        waits = late.state is State.HELD and now < late.answer_by and late.private is not None
        await reading.postpone(agency, late.number, late.answer_by if waits else now + agency.limits.resend_after)
        server.start(agency, late)


async def _expire_held(_server: Server, agency: HostedAgency) -> None:
    await held.expire(agency, agency.clock())


async def _push_decided(_server: Server, agency: HostedAgency) -> None:
    if await held.push(agency, agency.clock()):
        agency.broom.call(agency.limits.resend_after.total_seconds())


async def _expire_results(_server: Server, agency: HostedAgency) -> None:
    await reading.expire_results(agency, agency.clock())


async def sweep(server: Server, agency: HostedAgency) -> None:
    """Run until cancelled. A failed round is logged and tried again: what it would have moved is still in its rows."""
    agency.broom.call(agency.limits.resend_after.total_seconds())
    while True:
        await agency.broom.wait()
        for part in (_drive_late, _expire_held, _push_decided, _expire_results):
            try:
                await part(server, agency)
            except Exception as failure:  # noqa: BLE001 (one bad row must end neither the broom nor the server)
                SWEEP_FAILURES.labels(type(failure).__name__).inc()
                agency.broom.call(agency.limits.resend_after.total_seconds())
                _LOG.warning("sweep_failed", agency=agency.id, error=type(failure).__name__, kind=part.__name__)
