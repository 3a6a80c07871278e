"""The simulated network: core system and interface system in one process behind one mutual-TLS listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import Counter

from adapters.jlis_mock.control import NETWORK, add_control_route
from adapters.jlis_mock.core import list_lookup
from adapters.jlis_mock.core.code_desk import CodeDesk
from adapters.jlis_mock.core.codes import CodeBook
from adapters.jlis_mock.core.entrance import Entrance
from adapters.jlis_mock.core.log_routes import CoreLog, add_log_routes
from adapters.jlis_mock.core.permit_desk import CODE_PURPOSE, PermitDesk
from adapters.jlis_mock.core.routes import add_core_routes
from adapters.jlis_mock.core.store import PermitStore
from adapters.jlis_mock.faults import FaultBoard
from adapters.jlis_mock.interface.relay import Relay
from adapters.jlis_mock.interface.routes import add_interface_routes
from adapters.jlis_mock.interface.tampering import Tampering
from keys.sealing import new_one_time_key
from storage.committer import Committer
from storage.database import Database, StorageUnavailableError
from storage.fault_points import Step, declare
from storage.key_store import KeyStore
from transport import channel, listener, openapi, tls
from transport.channel import Channel
from transport.checkpoints import peer_notes
from transport.register import Register
from transport.role import RoleConfig

ORIGIN: Final = "sekisho.example/network/core"
INTERMEDIATE: Final = "intermediate/"
REDEEM_S: Final = 300
KEEP_EVERY_S: Final = 15.0
KEEPING_FAILURES: Final = Counter("sekisho_core_keeping_failures", "Turns of the core's clock that failed", ["reason"])
_LOG = structlog.get_logger()
SEND_PROVISIONS: Final = declare("core", "send.provisions")
SEND_OUTCOMES: Final = declare("core", "send.outcomes")
SEND_CODES: Final = declare("core", "send.codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The parts of a running network."""

    app: web.Application
    committer: Committer
    store: PermitStore
    channels: tuple[Channel, ...]
    redeem_s: int
    clock: Callable[[], datetime]


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError or RegisterBrokenError when it cannot start."""
    hosted = config.hosted[NETWORK]
    keys = config.open_keys(NETWORK)
    database = await Database.open(config.dsn)
    try:
        async with channel.session(tls.client_context(hosted.identity, hosted.identity.ca)) as client:
            network = _build(config, database, keys, client)
            await network.committer.load()
            await network.store.keep_time(network.clock(), network.redeem_s)
            await _run(config, network, stop)
    finally:
        await database.close()


async def _run(config: RoleConfig, network: Network, stop: asyncio.Event) -> None:
    context = tls.server_context(config.server, require_client=True)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(network.committer.run()), group.create_task(_keep(network))]
        running += [group.create_task(each.run()) for each in network.channels]
        async with listener.listening(
            network.app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        for task in running:
            task.cancel()


def _build(config: RoleConfig, database: Database, keys: KeyStore, client: aiohttp.ClientSession) -> Network:
    register = config.register
    clock = config.clock
    tenant = config.hosted[NETWORK].tenant
    committer = Committer(database, tenant, origin=ORIGIN, signer=keys.ring.signer("log"), clock=clock)
    keep_note = peer_notes(register, committer)
    entrance = Entrance(committer=committer, clock=clock, keep_note=keep_note)
    store = PermitStore(database, tenant)
    codes = CodeBook.open(keys, register.agencies)
    faults = FaultBoard()
    urls = {name.removeprefix(INTERMEDIATE): url for name, url in config.peers.items() if name.startswith(INTERMEDIATE)}

    def channels(path: str, step: Step) -> dict[str, Channel]:
        return {
            agency: Channel(
                client,
                f"{url.rstrip('/')}/{agency}/{path}",
                name=f"network {path} {agency}",
                step=step,
                checkpoint=lambda: committer.note,
                on_checkpoint=keep_note,
            )
            for agency, url in urls.items()
        }

    provisions = channels("provisions", SEND_PROVISIONS)
    outcomes = channels("outcomes", SEND_OUTCOMES)
    code_ways = channels("codes", SEND_CODES)
    redeem_s = int(config.options.get("permit_redeem_s", REDEEM_S))
    permits = PermitDesk(
        register=register,
        lookup=list_lookup.build(list_lookup.read_documents()),
        codes=codes,
        ring=keys.ensure(CODE_PURPOSE),
        store=store,
        committer=committer,
        faults=faults,
        redeem_s=redeem_s,
    )
    relay = Relay(
        register=register,
        ring=keys.ring,
        store=store,
        committer=committer,
        faults=faults,
        tampering=Tampering(faults=faults, codes=codes, own_key=new_one_time_key()),
        provisions=provisions,
        outcomes=outcomes,
        redeem_s=redeem_s,
    )
    app = _application(register, entrance)
    add_core_routes(
        app, entrance=entrance, permits=permits, codes=CodeDesk(codes=codes, committer=committer, channels=code_ways)
    )
    add_interface_routes(app, relay)
    add_log_routes(app, CoreLog(database=database, tenant=tenant, public_key=keys.ring.signer("log").public_key))
    add_control_route(app, faults)
    openapi.add_route(app, "network")
    return Network(
        app=app,
        committer=committer,
        store=store,
        channels=_all(provisions, outcomes, code_ways),
        redeem_s=redeem_s,
        clock=clock,
    )


def _application(register: Register, entrance: Entrance) -> web.Application:
    return listener.application(listener.require_peer(lambda: register, entrance.turned_away))


def _all(*ways: Mapping[str, Channel]) -> tuple[Channel, ...]:
    return tuple(each for way in ways for each in way.values())


async def _keep(network: Network) -> None:
    """Say that the network is up, and drop sealed codes past their time. What fails is tried again at the next turn."""
    while True:
        try:
            await network.store.keep_time(network.clock(), network.redeem_s)
            await network.store.forget_codes(network.clock())
        except StorageUnavailableError:
            KEEPING_FAILURES.labels("storage_unavailable").inc()
        except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
            KEEPING_FAILURES.labels(type(error).__name__).inc()
            _LOG.error("keeping_failed", error=type(error).__name__)
        await asyncio.sleep(KEEP_EVERY_S)
