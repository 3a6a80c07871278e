"""The running 中間サーバー: wires agencies, routes and the loops that keep exchanges moving (IS-4, IS-7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog

from gateway.intermediate_server.agency import HostedAgency, Limits, Lists
from gateway.intermediate_server.inquiry.under_way import KeyStock
from gateway.intermediate_server.metrics import POOL
from gateway.intermediate_server.routes import Server, add_routes, record_refused_access
from gateway.intermediate_server.sweeping import sweep
from storage.committer import Committer
from storage.database import Database
from storage.fault_points import Step, declare
from storage.reference_data import read_layouts, read_permission_list
from transport import listener, tls
from transport.channel import Channel, session
from transport.checkpoints import peer_notes
from transport.register import Register
from transport.role import Hosted, RoleConfig

_LOG = structlog.get_logger()
SEND_PERMITS = declare("intermediate", "send.permits")
SEND_INQUIRIES = declare("intermediate", "send.inquiries")
SEND_LATE = declare("intermediate", "send.late_outcomes")
_PURPOSES = ("signing", "log", "codes", "replicas")


def _limits(config: RoleConfig) -> Limits:
    options = config.options
    return Limits(
        answer_within=timedelta(seconds=float(options.get("answer_within_s", 3 * 24 * 3600))),
        keep_result=timedelta(seconds=float(options.get("keep_result_s", 7 * 24 * 3600))),
        resend_after=timedelta(seconds=float(options.get("resend_after_s", 5))),
        acquisition_within=timedelta(seconds=float(options.get("acquisition_within_s", 24 * 3600))),
    )


async def _open_agency(
    config: RoleConfig, hosted: Hosted, database: Database, lists: Lists, register: Register, stack: AsyncExitStack
) -> HostedAgency:
    keys = await asyncio.to_thread(config.open_keys, hosted.id)
    for purpose in _PURPOSES:
        keys.ensure(purpose)
    committer = Committer(
        database,
        hosted.tenant,
        origin=f"sekisho.example/{hosted.id}/intermediate",
        signer=keys.ring.signer("log"),
        clock=config.clock,
    )
    await committer.load()
    note = peer_notes(register, committer)
    client = await stack.enter_async_context(
        session(tls.client_context(hosted.identity, hosted.identity.ca), connections=8)
    )
    core, interface = config.peers["core"], config.peers["interface"]

    def channel(url: str, name: str, step: Step) -> Channel:
        return Channel(client, url, name=name, step=step, checkpoint=lambda: committer.note, on_checkpoint=note)

    return HostedAgency(
        id=hosted.id,
        tenant=hosted.tenant,
        database=database,
        committer=committer,
        keys=keys,
        signer=keys.ring.signer("signing"),
        register=register,
        lists=lists,
        layouts=read_layouts(),
        limits=_limits(config),
        clock=config.clock,
        permits=channel(f"{core}/permits", "permits", SEND_PERMITS),
        inquiries=channel(f"{interface}/inquiries", "inquiries", SEND_INQUIRIES),
        late_outcomes=channel(f"{interface}/late-outcomes", "late_outcomes", SEND_LATE),
        peer_note=note,
    )


async def _watch_pool(database: Database) -> None:
    while True:
        POOL.labels("open").set(database.pool.get_size())
        POOL.labels("idle").set(database.pool.get_idle_size())
        await asyncio.sleep(1)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run one intermediate server with the agencies of its configuration until `stop` is set."""
    register = config.register
    lists = Lists(read_permission_list(), register)
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=int(config.options.get("connections", 4)))
        stack.push_async_callback(database.close)
        agencies = {
            hosted.id: await _open_agency(config, hosted, database, lists, register, stack)
            for hosted in config.hosted.values()
        }
        stock = KeyStock()
        async with asyncio.TaskGroup() as group:
            server = Server(agencies=agencies, stock=stock, group=group, register=register)
            app = listener.application(listener.require_peer(lambda: register, record_refused_access(server)))
            add_routes(app, server)
            loops: list[Callable[[], Coroutine[Any, Any, None]]] = [stock.run, lambda: _watch_pool(database)]
            for agency in agencies.values():
                loops += [
                    agency.committer.run,
                    agency.permits.run,
                    agency.inquiries.run,
                    agency.late_outcomes.run,
                    _sweeper(server, agency),
                ]
            tasks = [group.create_task(loop()) for loop in loops]
            async with listener.listening(
                app,
                host=config.host,
                port=config.port,
                context=tls.server_context(config.server, require_client=True),
                metrics_port=config.metrics_port,
            ):
                _LOG.info("listening", port=config.port)
                await stop.wait()
            for task in (*tasks, *server.driving):
                task.cancel()


def _sweeper(server: Server, agency: HostedAgency) -> Callable[[], Coroutine[Any, Any, None]]:
    return lambda: sweep(server, agency)
