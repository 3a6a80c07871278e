"""番号連携サーバー: hosts one or many agencies; business API over TLS with OAuth, spool folders, and the way to the network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from gateway.api import oauth
from gateway.api.authorization import DOORS, Door, Doors, authenticate
from gateway.api.clients import ClientStore
from gateway.batch import spool
from gateway.batch.run import SpoolChannel, run_spool
from gateway.linkage_server import free_text, log_routes
from gateway.linkage_server.access_refusals import AccessRefusals
from gateway.linkage_server.addressees import routes as addressee_routes
from gateway.linkage_server.addressees import run as addressee_files
from gateway.linkage_server.business_information import run as business_files
from gateway.linkage_server.code_requests import routes as code_routes
from gateway.linkage_server.code_requests.runner import CodeRequests
from gateway.linkage_server.inquiry_desk import routes as desk_routes
from gateway.linkage_server.inquiry_desk.finder import AddresseeFinder
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.forwarding import Forwarding
from gateway.linkage_server.outbound import Outbound
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.registration import CHANNELS, ready_ring
from gateway.linkage_server.supervision import supervised
from gateway.linkage_server.tenant import AGENCIES, Agency
from keys.ring import Keyring
from storage.committer import Committer
from storage.database import Database, StorageUnavailableError
from storage.reference_data import read_layouts
from transport import channel, listener, openapi, tls
from transport.checkpoints import peer_notes
from transport.register import Register
from transport.role import Hosted, RoleConfig

_LOG = structlog.get_logger()
_CONNECTIONS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """One agency with what runs for it."""

    agency: Agency
    ring: Keyring
    desk: Desk
    codes: CodeRequests
    refusals: AccessRefusals


async def _open(
    config: RoleConfig,
    hosted: Hosted,
    database: Database,
    register: Register,
    group: asyncio.TaskGroup,
    stack: AsyncExitStack,
) -> _Running:
    ring = ready_ring(await asyncio.to_thread(config.open_keys, hosted.id))
    committer = Committer(
        database,
        hosted.tenant,
        origin=f"sekisho.example/{hosted.id}/linkage",
        signer=ring.signer("log"),
        clock=config.clock,
    )
    await committer.load()
    client = await stack.enter_async_context(
        channel.session(tls.client_context(hosted.identity, hosted.identity.ca), connections=16)
    )
    keep_note = peer_notes(register, committer)
    outbound = Outbound(client, hosted.id, config.peers, checkpoint=lambda: committer.note, keep_note=keep_note)
    agency = Agency(
        id=hosted.id,
        tenant=hosted.tenant,
        database=database,
        committer=committer,
        clients=ClientStore(database, hosted.tenant, hosted.id, ring),
        keys=PersonalKeys(ring),
        outbound=outbound,
        layouts=read_layouts(),
        clock=config.clock,
        compare_with_resident_network=bool(config.options.get("compare_with_resident_network", True)),
        log_key=ring.signer("log").public_key,
    )
    forwarding = Forwarding(
        outbound,
        group,
        in_flight=int(config.options.get("desk_requests_in_flight", 6)),
        most=int(config.options.get("desk_items_per_request", 64)),
    )
    desk = Desk(agency=agency, finder=AddresseeFinder(database, hosted.tenant), forwarding=forwarding)
    return _Running(
        agency=agency,
        ring=ring,
        desk=desk,
        codes=CodeRequests(agency),
        refusals=AccessRefusals(agency.record_access_refused, clock=config.clock),
    )


def _application(running: Mapping[str, _Running], config: RoleConfig) -> web.Application:
    async def record(agency: str, reason: str, client_id: str | None) -> None:
        await running[agency].refusals.record(reason, client_id)

    doors = {name: Door(agency=name, clients=one.agency.clients, ring=one.ring) for name, one in running.items()}
    app = listener.application(authenticate)
    app[DOORS] = Doors(doors, clock=config.clock, record=record, issuer=config.options.get("issuer"))
    app[AGENCIES] = {name: one.agency for name, one in running.items()}
    app[desk_routes.DESKS] = {name: one.desk for name, one in running.items()}
    app[code_routes.CODE_REQUESTS] = {name: one.codes for name, one in running.items()}
    add_routes(app)
    return app


def add_routes(app: web.Application) -> None:
    """All paths of docs/openapi/linkage.yaml."""
    oauth.add_routes(app)
    openapi.add_route(app, "linkage")
    app.router.add_post("/v1/addressees", addressee_routes.post_addressees)
    app.router.add_post("/v1/inquiries", desk_routes.post_inquiries)
    app.router.add_post("/v1/inquiry-results", desk_routes.post_inquiry_results)
    app.router.add_post("/v1/code-requests", code_routes.post_code_requests)
    app.router.add_get("/v1/log", log_routes.get_log)
    app.router.add_post("/v1/log/search", log_routes.post_log_search)
    app.router.add_get("/v1/code-requests", code_routes.get_code_requests)


async def _prepare_spool(config: RoleConfig, agency: Agency) -> None:
    for system in await agency.clients.systems():
        try:
            await asyncio.to_thread(spool.prepare, config.spool, agency.id, system, CHANNELS)
        except OSError as failure:  # files of this system cannot come in; calls can
            _LOG.error("spool:folders_not_made", agency=agency.id, error=type(failure).__name__)


def _start(group: asyncio.TaskGroup, one: _Running, config: RoleConfig) -> list[asyncio.Task[None]]:
    channels = {
        addressee_files.CHANNEL: SpoolChannel(
            header_lines=addressee_files.HEADER_LINES, run=partial(addressee_files.load_file, one.agency)
        ),
        business_files.CHANNEL: SpoolChannel(
            header_lines=business_files.HEADER_LINES, run=partial(business_files.register_file, one.agency)
        ),
    }
    agency = one.agency
    take_files = partial(
        run_spool,
        config.spool,
        agency.id,
        channels,
        agencies=len(config.hosted),
        name_is_refused=free_text.file_name_holds_individual_number,
    )
    loops: dict[str, Callable[[], Awaitable[None]]] = {
        "committer": agency.committer.run,
        "finder": one.desk.finder.run,
        "code_requests": one.codes.run,
        "access_refusals": one.refusals.run,
        "spool": take_files,
    }
    return [group.create_task(supervised(name, agency.id, run)) for name, run in loops.items()]


async def _write_last_refusals(running: Mapping[str, _Running]) -> None:
    for one in running.values():
        try:
            await one.refusals.flush(all_of_them=True)
        except StorageUnavailableError:
            _LOG.warning("access_refusals:not_written", agency=one.agency.id)


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises StorageUnavailableError, KeyStoreError, RegisterBrokenError when it cannot start."""
    register = config.register
    async with AsyncExitStack() as stack:
        database = await Database.open(config.dsn, connections=int(config.options.get("connections", _CONNECTIONS)))
        stack.push_async_callback(database.close)
        async with asyncio.TaskGroup() as group:
            running = {
                name: await _open(config, hosted, database, register, group, stack)
                for name, hosted in config.hosted.items()
            }
            tasks: list[asyncio.Task[None]] = []
            for one in running.values():
                await _prepare_spool(config, one.agency)
                tasks += _start(group, one, config)
            async with listener.listening(
                _application(running, config),
                host=config.host,
                port=config.port,
                context=tls.server_context(config.server, require_client=False),
                metrics_port=config.metrics_port,
            ) as port:
                _LOG.info("role:ready", port=port, count=len(running))
                await stop.wait()
            await _write_last_refusals(running)
            for task in tasks:
                task.cancel()
            for one in running.values():
                one.desk.forwarding.stop()
