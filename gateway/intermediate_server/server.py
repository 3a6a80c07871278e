"""The running 中間サーバー: wires agencies, routes and the loops that keep exchanges moving (IS-4, IS-7)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog

from gateway.intermediate_server.hosting import Hosting
from gateway.intermediate_server.inquiry import registering
from gateway.intermediate_server.inquiry.under_way import KeyStock
from gateway.intermediate_server.lists.in_force import ListShelf
from gateway.intermediate_server.metrics import POOL
from gateway.intermediate_server.routes import Server, add_routes, record_refused_access
from gateway.opening import Openings
from storage import list_files
from storage.database import Database, StorageUnavailableError
from transport import listener, tls
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole

_LOG = structlog.get_logger()


async def _watch_pool(database: Database) -> None:
    while True:
        POOL.labels("open").set(database.pool.get_size())
        POOL.labels("idle").set(database.pool.get_idle_size())
        await asyncio.sleep(1)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run one intermediate server with the agencies of its configuration until `stop` is set."""
    register = StandingRegister(config.register_path, config.register_root)
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=int(config.options.get("connections", 4)))
        stack.push_async_callback(database.close)
        stock = KeyStock()
        openings = Openings(config)
        async with asyncio.TaskGroup() as group:
            server = Server(hosted=config.hosted, stock=stock, group=group, register=register)
            renewal = Renewal(register=register, role=StandingRole(config))
            hosting = Hosting(
                config=config,
                database=database,
                known=registering.look_of(database),
                renewal=renewal,
                shelf=ListShelf(register),
                given=tuple(list_files.read(config.folder / list_files.FILE_NAME)),
                server=server,
                stack=stack,
                openings=openings,
            )
            server.open = hosting.open
            app = listener.application(listener.require_peer(register, record_refused_access(server), config.clock))
            add_routes(app, server)
            tasks = [group.create_task(stock.run()), group.create_task(_watch_pool(database))]
            await hosting.open_those_in_use()
            tasks.append(group.create_task(renewal.run()))
            serving = listener.listening(
                app,
                host=config.host,
                port=config.port,
                context=renewal.of_certificate(config.server, tls.server_context(config.server, require_client=True)),
                metrics_port=config.metrics_port,
            )
            async with openings.listening(), serving:
                _LOG.info("listening", port=config.port, count=len(server.agencies))
                await stop.wait()
            await _write_last_refusals(server)
            for task in (*tasks, *hosting.tasks, *server.driving):
                task.cancel()


async def _write_last_refusals(server: Server) -> None:
    for agency, refusals in server.refusals.items():
        try:
            await refusals.flush(all_of_them=True)
        except StorageUnavailableError:
            _LOG.warning("access_refusals:not_written", agency=agency)
