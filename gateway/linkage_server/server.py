"""番号連携サーバー: hosts one or many agencies; business API over TLS with OAuth, spool folders, and the way to the network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from gateway.api import standings as token_standings
from gateway.api.authorization import DOORS, Closed, Doors, authenticate
from gateway.linkage_server import jobs
from gateway.linkage_server.backups import routes as backup_routes
from gateway.linkage_server.bulk_inquiries import routes as bulk_routes
from gateway.linkage_server.business_information import routes as business_routes
from gateway.linkage_server.business_information.runs import routes as business_run_routes
from gateway.linkage_server.code_requests import routes as code_routes
from gateway.linkage_server.hosting import Hosting, Looks
from gateway.linkage_server.inquiry_desk import finder as desk_finder
from gateway.linkage_server.inquiry_desk import routes as desk_routes
from gateway.linkage_server.inquiry_desk.online import ONLINE
from gateway.linkage_server.parts import Part
from gateway.linkage_server.pushes import routes as push_routes
from gateway.linkage_server.registration import prepare_spool
from gateway.linkage_server.routes import add_routes
from gateway.linkage_server.running import RunningAgency
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import AGENCIES
from gateway.opening import Openings
from storage.database import Database, StorageUnavailableError
from transport import listener, tls
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole

_LOG = structlog.get_logger()
_CONNECTIONS: Final = 12


def _application(running: Mapping[str, RunningAgency], config: RoleConfig, closed: Closed) -> web.Application:
    async def record(agency: str, reason: str, client_id: str | None) -> None:
        await running[agency].refusals.record(reason, client_id)

    app = listener.application(authenticate)
    doors = Part(running, lambda one: one.door)
    app[DOORS] = Doors(
        doors,
        clock=config.clock,
        record=record,
        closed=closed,
        made=partial(prepare_spool, config),
        issuer=config.options.get("issuer"),
    )
    app[AGENCIES] = Part(running, lambda one: one.agency)
    app[desk_routes.DESKS] = Part(running, lambda one: one.desk)
    app[ONLINE] = Part(running, lambda one: one.online)
    app[bulk_routes.BULK] = Part(running, lambda one: one.bulk)
    app[business_routes.OUTBOXES] = Part(running, lambda one: one.runs.outbox)
    app[business_run_routes.BUSINESS_RUNS] = Part(running, lambda one: one.runs)
    app[code_routes.CODE_REQUESTS] = Part(running, lambda one: one.codes)
    app[jobs.JOBS] = Part(running, lambda one: one.jobs)
    app[backup_routes.BACKUPS] = Part(running, lambda one: one.backups)
    app[push_routes.PUSHES] = Part(running, lambda one: one.pushes)
    add_routes(app)
    return app


async def _write_last_refusals(running: Mapping[str, RunningAgency]) -> None:
    for one in running.values():
        try:
            await one.refusals.flush(all_of_them=True)
        except StorageUnavailableError:
            _LOG.warning("access_refusals:not_written", agency=one.agency.id)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises StorageUnavailableError, KeyStoreError, RegisterBrokenError when it cannot start."""
    register = StandingRegister(config.register_path, config.register_root)
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=int(config.options.get("connections", _CONNECTIONS)))
        stack.push_async_callback(database.close)
        looks = Looks(token_standings.look_of(database), desk_finder.look_of(database))
        openings = Openings(config)
        async with asyncio.TaskGroup() as group:
            running: dict[str, RunningAgency] = {}
            renewal = Renewal(register=register, role=StandingRole(config))
            hosting = Hosting(
                config=config,
                database=database,
                looks=looks,
                renewal=renewal,
                group=group,
                stack=stack,
                running=running,
                openings=openings,
            )
            await hosting.open_those_in_use()
            renewing = group.create_task(supervised("renewal", "all", renewal.run))
            watching = group.create_task(supervised("newcomers", "all", hosting.watch))
            async with (
                listener.listening(
                    _application(running, config, hosting.closed_to),
                    host=config.host,
                    port=config.port,
                    context=renewal.of_certificate(
                        config.server, tls.server_context(config.server, require_client=False)
                    ),
                    metrics_port=config.metrics_port,
                ) as port,
                openings.listening(),
            ):
                _LOG.info("role:ready", port=port, count=len(running))
                await stop.wait()
            await _write_last_refusals(running)
            for task in (renewing, watching, *hosting.tasks):
                task.cancel()
            for one in running.values():
                one.desk.forwarding.stop()
