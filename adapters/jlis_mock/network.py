"""The simulated network: core system and interface system in one process behind one mutual-TLS listener."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import Counter

from adapters.jlis_mock.caller import Caller
from adapters.jlis_mock.control import NETWORK, add_control_route, breaks_off
from adapters.jlis_mock.core.checkpoint_routes import add_checkpoint_routes
from adapters.jlis_mock.core.code_desk import CodeDesk
from adapters.jlis_mock.core.code_epochs import EpochDesk
from adapters.jlis_mock.core.codes import CodeBook
from adapters.jlis_mock.core.entrance import Entrance, refusals_of
from adapters.jlis_mock.core.epoch_routes import add_epoch_routes
from adapters.jlis_mock.core.list_routes import add_list_routes
from adapters.jlis_mock.core.list_shelf import FILE_NAME, ListShelf
from adapters.jlis_mock.core.log_routes import CoreLog, add_log_routes
from adapters.jlis_mock.core.permit_desk import CODE_PURPOSE, PermitDesk
from adapters.jlis_mock.core.register_routes import add_register_route
from adapters.jlis_mock.core.retention import keeping_of
from adapters.jlis_mock.core.routes import add_core_routes
from adapters.jlis_mock.core.store import PermitStore
from adapters.jlis_mock.faults import FaultBoard
from adapters.jlis_mock.interface.relay import Relay
from adapters.jlis_mock.interface.revoking import RevocationDesk
from adapters.jlis_mock.interface.routes import add_interface_routes
from adapters.jlis_mock.interface.tampering import Tampering
from adapters.jlis_mock.ways import Ways
from keys.sealing import new_one_time_key
from storage.committer import Committer, commit_step
from storage.committing import commit
from storage.database import Database, StorageUnavailableError
from storage.fault_points import Step, declare
from storage.key_changes import finish_destructions
from storage.key_store import KeyStore
from storage.log_keeping import LOOK_S, LogKeeping
from transport import channel, listener, openapi, tls
from transport.channel import Channel
from transport.checkpoints import peer_notes
from transport.circuit import Circuit
from transport.clock import Alarm, Clock
from transport.register_records import RegisterRecords
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole

ORIGIN: Final = "sekisho.example/network/core"
INTERMEDIATE: Final = "intermediate/"
REDEEM_S: Final = 300
KEEPING_FAILURES: Final = Counter("sekisho_core_keeping_failures", "Turns of the core's clock that failed", ["reason"])
_LOG = structlog.get_logger()
REGISTER: Final = commit_step("core", "register.looked")
SEND_PROVISIONS: Final = declare("core", "send.provisions")
SEND_OUTCOMES: Final = declare("core", "send.outcomes")
SEND_CODES: Final = declare("core", "send.codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The parts of a running network."""

    app: web.Application
    entrance: Entrance
    committer: Committer
    keeping: LogKeeping
    store: PermitStore
    lists: ListShelf
    epochs: EpochDesk
    ways: tuple[Ways, ...]
    redeem_s: int
    clock: Clock


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError or RegisterBrokenError or ListUnreadableError when it cannot start."""
    hosted = config.hosted[NETWORK]
    keys = config.open_keys(NETWORK)
    context = tls.client_context(hosted.identity, hosted.identity.ca)
    register = StandingRegister(config.register_path, config.register_root)
    database = await Database.open(config.dsn)
    try:
        wrong = tls.client_context(config.server, hosted.identity.ca)  # a server's: it is not good for calling
        async with channel.session(context) as client, channel.session(wrong) as other:
            faults = FaultBoard()
            network = _build(config, database, keys, Caller(right=client, wrong=other, faults=faults), register)
            await network.committer.load()
            await finish_destructions(database, hosted.tenant, keys)
            await network.store.keep_time(network.clock(), network.redeem_s)
            await network.lists.load()
            await network.epochs.load()
            renewal = Renewal(register=register, role=StandingRole(config))
            renewal.of_certificate(hosted.identity, context)
            renewal.of_keys(keys)
            renewal.on_change(lambda: network.epochs.book.admit(keys, register().agencies))
            await _run(config, network, renewal, stop)
    finally:
        await database.close()


async def _run(config: RoleConfig, network: Network, renewal: Renewal, stop: asyncio.Event) -> None:
    context = renewal.of_certificate(config.server, tls.server_context(config.server, require_client=True))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(commit([network.committer])), group.create_task(_keep(network))]
        running += [group.create_task(each.run()) for each in network.ways]
        running += [group.create_task(network.entrance.refusals.run()), group.create_task(renewal.run())]
        await renewal.recorded(RegisterRecords(committer=network.committer, step=REGISTER, clock=network.clock))
        await network.lists.take_given(config.folder / FILE_NAME, network.clock())
        async with listener.listening(
            network.app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        try:
            await network.entrance.refusals.flush(all_of_them=True)
        except StorageUnavailableError:
            _LOG.warning("access_refusals:not_written")
        for task in running:
            task.cancel()


def _build(
    config: RoleConfig, database: Database, keys: KeyStore, client: Caller, register: StandingRegister
) -> Network:
    clock = config.clock
    tenant = config.hosted[NETWORK].tenant
    committer = Committer(database, tenant, origin=ORIGIN, signer=partial(keys.ring.signer, "log"), clock=clock)
    keep_note = peer_notes(register, committer, clock)
    entrance = Entrance(committer=committer, clock=clock, keep_note=keep_note, refusals=refusals_of(committer, clock))
    store = PermitStore(database, tenant)
    codes = CodeBook.open(keys, register().agencies)
    faults = client.faults

    @cache
    def circuit_to(agency: str) -> Circuit:
        return Circuit(NETWORK, agency)

    def channels(path: str, step: Step) -> Ways:
        def way(agency: str) -> Channel:
            return Channel(
                client,
                f"{config.peers[f'{INTERMEDIATE}{agency}'].rstrip('/')}/{agency}/{path}",
                name=f"network {path} {agency}",
                step=step,
                checkpoint=lambda: committer.note,
                on_checkpoint=keep_note,
                circuit=circuit_to(agency),
            )

        return Ways(lambda agency: f"{INTERMEDIATE}{agency}" in config.peers, way)

    provisions = channels("provisions", SEND_PROVISIONS)
    outcomes = channels("outcomes", SEND_OUTCOMES)
    code_ways = channels("codes", SEND_CODES)
    redeem_s = int(config.options.get("permit_redeem_s", REDEEM_S))
    epochs = EpochDesk(
        book=codes,
        keys=keys,
        database=database,
        tenant=tenant,
        committer=committer,
        agencies=lambda: frozenset(register().agencies),
    )
    lists = ListShelf(database=database, tenant=tenant, committer=committer, keys=lambda: register().list_keys)
    permits = PermitDesk(
        register=register,
        lists=lists,
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
        lists=lists,
        clock=clock,
    )
    app = listener.application(listener.require_peer(register, entrance.turned_away, clock), breaks_off)
    add_core_routes(
        app, entrance=entrance, permits=permits, codes=CodeDesk(codes=codes, committer=committer, channels=code_ways)
    )
    add_interface_routes(app, relay, RevocationDesk(store=store, committer=committer, relay=relay))
    add_log_routes(
        app,
        CoreLog(
            database=database,
            tenant=tenant,
            public_key=lambda: keys.ring.signer("log").public_key,
            earlier=lambda key: register().log_keys_before(ORIGIN, key),
        ),
    )
    add_list_routes(app, lists, faults)
    add_epoch_routes(app, epochs)
    add_checkpoint_routes(app)
    add_register_route(app, register)
    place = config.options.get("surroundings")
    add_control_route(app, faults, None if place is None else config.folder / place)
    openapi.add_route(app, "network")
    return Network(
        app=app,
        entrance=entrance,
        committer=committer,
        keeping=keeping_of(committer),
        store=store,
        lists=lists,
        epochs=epochs,
        ways=(provisions, outcomes, code_ways),
        redeem_s=redeem_s,
        clock=clock,
    )


async def _keep(network: Network) -> None:
    """Say that the network is up, drop sealed codes past their time and records past theirs. What fails is tried again at the next turn."""
    alarm = Alarm(network.clock)
    while True:
        try:
            await network.store.keep_time(network.clock(), network.redeem_s)
            await network.store.forget_codes(network.clock())
            await network.lists.load()
            await network.keeping.turn(network.clock())
            await network.epochs.turn(network.clock())
        except StorageUnavailableError:
            KEEPING_FAILURES.labels("storage_unavailable").inc()
        except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
            KEEPING_FAILURES.labels(type(error).__name__).inc()
            _LOG.error("keeping_failed", error=type(error).__name__)
        await alarm.rest(LOOK_S)
