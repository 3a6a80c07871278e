"""SKY2 (保険料収納): the business system of the ward, thin but real. It reaches the gateway by its business API only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import Counter as Metric

from adapters.sky2 import backing_up, push_routes, refund_flow, unemployment_flow
from adapters.sky2.asking import Asking
from adapters.sky2.backing_up import BACKUPS, Backups
from adapters.sky2.forgotten import Forgetting
from adapters.sky2.linkage_desk import Credentials, LinkageDesk
from adapters.sky2.loading import read_ledgers
from adapters.sky2.refund_flow import Refunds
from adapters.sky2.resealing import resealing_of
from adapters.sky2.routes import CHANGES, COUNTER, Counter, add_routes, staff_only
from adapters.sky2.seals import Seals
from adapters.sky2.store import Store
from adapters.sky2.told import Told
from adapters.sky2.unemployment_flow import UnemploymentInquiries
from storage.database import Database, StorageUnavailableError
from storage.erasure_journal import PURPOSE as ERASED
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStore
from storage.resealing.job import Resealing
from transport import channel, listener, tls
from transport.backups import public_key
from transport.refusals import in_operational_log
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole

AGENCY: Final = "setagaya"
LINKAGE: Final = f"linkage/{AGENCY}"
ACCOUNT_ITEM: Final = "69"
UNEMPLOYMENT_ITEM: Final = "71"
LOG: Final = "log"
"""The purpose of the key that signs ends of backups: at a server with an evidence log it is that of the log."""
FOLLOW_UP_FAILURES: Final = Metric(
    "sekisho_sky2_follow_up_failures", "Turns of bringing inquiries on that failed", ["reason"]
)
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs."""

    database: Database
    keys: KeyStore
    counter: Counter
    resealing: Resealing


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError, RegisterBrokenError or CredentialsError at the start.

    Options: `account_item`, `unemployment_item` (rows of the list in force), `patience_s` (how long one call waits for
    results), `follow_up_s` (how often all open inquiries are brought on; those that the linkage server tells of at once; what a crash left is brought on at the start),
    `reseal_settle_s`, `reseal_share`: see storage.resealing.job.
    """
    hosted = config.hosted[AGENCY]
    credentials = Credentials.read(config.folder / "client.json")
    keys = config.open_keys(AGENCY)
    seals = Seals(keys)
    renewal = Renewal(register=StandingRegister(config.register_path, config.register_root), role=StandingRole(config))
    renewal.of_keys(keys)
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    database = await Database.open(config.dsn)
    try:
        store = Store(database, hosted.tenant)
        resealing = resealing_of(config, AGENCY, database, seals, keys.ring)
        async with channel.session(context, connections=16) as client:
            counter = _counter(config, store, keys, seals, client, credentials)
            parts = _Parts(database=database, keys=keys, counter=counter, resealing=resealing)
            await _run(config, parts, renewal, stop)
    finally:
        await database.close()


def _counter(
    config: RoleConfig,
    store: Store,
    keys: KeyStore,
    seals: Seals,
    client: aiohttp.ClientSession,
    credentials: Credentials,
) -> Counter:
    clock = config.clock
    journal = ErasureJournal.beside(config.hosted[AGENCY].keys, keys.ensure(ERASED))
    desk = LinkageDesk(client, config.peers[LINKAGE], credentials, clock)
    asking = Asking(desk, patience_s=float(config.options.get("patience_s", 5)))
    refunds = Refunds(
        store=store,
        seals=seals,
        asking=asking,
        item=str(config.options.get("account_item", ACCOUNT_ITEM)),
        clock=clock,
        turn=asyncio.Lock(),
    )
    unemployment = UnemploymentInquiries(
        store=store,
        seals=seals,
        asking=asking,
        item=str(config.options.get("unemployment_item", UNEMPLOYMENT_ITEM)),
        clock=clock,
        turn=asyncio.Lock(),
    )
    return Counter(
        agency=AGENCY,
        store=store,
        seals=seals,
        forgetting=Forgetting(seals=seals, journal=journal, clock=clock),
        ledgers=read_ledgers(),
        refunds=refunds,
        unemployment=unemployment,
        desk=desk,
        told=Told(),
        changes_url=f"https://{config.host}:{config.port}{CHANGES}",
        clock=clock,
    )


async def _run(config: RoleConfig, parts: _Parts, renewal: Renewal, stop: asyncio.Event) -> None:
    counter = parts.counter
    refusals = in_operational_log(lambda: counter.clock().timestamp())

    async def turned_away(request: web.Request, reason: str) -> None:
        await refusals.record(reason, listener.fingerprint(request) or b"")

    app = listener.application(
        listener.require_peer(renewal.register, turned_away, counter.clock), staff_only(counter.agency, turned_away)
    )
    app[COUNTER] = counter
    add_routes(app)
    push_routes.add_routes(app)
    app[BACKUPS] = backups = Backups(
        agency=AGENCY,
        tenant=config.hosted[AGENCY].tenant,
        database=parts.database,
        store=counter.store,
        register=renewal.register,
        signer=partial(parts.keys.ensure(LOG).signer, LOG),
        journal=counter.forgetting.journal,
        public=partial(public_key, config.folder, AGENCY),
        refused=turned_away,
        clock=counter.clock,
    )
    backing_up.add_routes(app)
    await backing_up.watch(backups)
    context = renewal.of_certificate(config.server, tls.server_context(config.server, require_client=True))
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(_follow_up(counter, float(config.options.get("follow_up_s", 20)))),
            group.create_task(refusals.run()),
            group.create_task(renewal.run()),
            group.create_task(parts.resealing.run()),
        ]
        async with listener.listening(
            app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        for task in running:
            task.cancel()


async def _follow_up(counter: Counter, every_s: float) -> None:
    """Bring open inquiries on: at once those that we are told of, and now and then all: held ones, and those that a crash left unsent or unread.

    When the clock is moved, all of them at once: something may be due that was far away.
    """
    loop = asyncio.get_running_loop()
    all_at, told = loop.time(), frozenset[str]()

    def all_now() -> None:
        nonlocal all_at
        all_at = loop.time()
        counter.told.wake()

    counter.clock.on_move(all_now)
    while True:
        everybody = loop.time() >= all_at
        if everybody:
            all_at = loop.time() + every_s
        try:
            failures = await refund_flow.follow_up(counter.refunds, None if everybody else told)
            failures |= await unemployment_flow.follow_up(counter.unemployment, None if everybody else told)
        except StorageUnavailableError:
            FOLLOW_UP_FAILURES.labels("storage_unavailable").inc()
            _LOG.warning("follow_up_failed", reason="storage_unavailable")
        except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
            FOLLOW_UP_FAILURES.labels(type(error).__name__).inc()
            _LOG.error("follow_up_failed", error=type(error).__name__)
        else:
            if failures:
                _LOG.warning("follow_up_failed", reason=min(failures.values()), count=len(failures))
        told = await counter.told.wait(all_at - loop.time())
