"""SKY2 (保険料収納): the business system of the ward, thin but real. It reaches the gateway by its business API only."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import Counter as Metric

from adapters.sky2 import refund_flow, unemployment_flow
from adapters.sky2.asking import Asking
from adapters.sky2.linkage_desk import Credentials, LinkageDesk
from adapters.sky2.loading import read_ledgers
from adapters.sky2.refund_flow import Refunds
from adapters.sky2.routes import COUNTER, Counter, add_routes, staff_only
from adapters.sky2.seals import Seals
from adapters.sky2.store import Store
from adapters.sky2.unemployment_flow import UnemploymentInquiries
from storage.database import Database, StorageUnavailableError
from transport import channel, listener, tls
from transport.role import RoleConfig

AGENCY: Final = "setagaya"
LINKAGE: Final = f"linkage/{AGENCY}"
ACCOUNT_ITEM: Final = "69"
UNEMPLOYMENT_ITEM: Final = "71"
FOLLOW_UP_FAILURES: Final = Metric(
    "sekisho_sky2_follow_up_failures", "Turns of bringing inquiries on that failed", ["reason"]
)
_LOG = structlog.get_logger()


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError, KeyStoreError, RegisterBrokenError or CredentialsError at the start.

    Options: `account_item`, `unemployment_item` (rows of the list in force), `patience_s` (how long one call waits for
    results), `follow_up_s` (how often open inquiries are brought on; what a crash left is brought on at the start).
    """
    hosted = config.hosted[AGENCY]
    credentials = Credentials.read(config.folder / "client.json")
    seals = Seals(config.open_keys(AGENCY))
    database = await Database.open(config.dsn)
    try:
        async with channel.session(tls.client_context(hosted.identity, hosted.identity.ca), connections=16) as client:
            await _run(config, _counter(config, Store(database, hosted.tenant), seals, client, credentials), stop)
    finally:
        await database.close()


def _counter(
    config: RoleConfig, store: Store, seals: Seals, client: aiohttp.ClientSession, credentials: Credentials
) -> Counter:
    clock = config.clock
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
        ledgers=read_ledgers(),
        refunds=refunds,
        unemployment=unemployment,
        clock=clock,
    )


async def _run(config: RoleConfig, counter: Counter, stop: asyncio.Event) -> None:
    register = config.register
    app = listener.application(
        listener.require_peer(lambda: register, _turned_away), staff_only(counter.agency, _turned_away)
    )
    app[COUNTER] = counter
    add_routes(app)
    context = tls.server_context(config.server, require_client=True)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(_follow_up(counter, float(config.options.get("follow_up_s", 20))))
        async with listener.listening(
            app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        following.cancel()


async def _follow_up(counter: Counter, every_s: float) -> None:
    """Bring open inquiries on: held ones whose outcome came since, and those that a crash left unsent or unread."""
    while True:
        try:
            failures = await refund_flow.follow_up(counter.refunds)
            failures |= await unemployment_flow.follow_up(counter.unemployment)
        except StorageUnavailableError:
            FOLLOW_UP_FAILURES.labels("storage_unavailable").inc()
            _LOG.warning("follow_up_failed", reason="storage_unavailable")
        except Exception as error:  # noqa: BLE001 (the loop outlives any one turn; the type is all that is said)
            FOLLOW_UP_FAILURES.labels(type(error).__name__).inc()
            _LOG.error("follow_up_failed", error=type(error).__name__)
        else:
            if failures:
                _LOG.warning("follow_up_failed", reason=min(failures.values()), count=len(failures))
        await asyncio.sleep(every_s)


async def _turned_away(_request: web.Request, reason: str) -> None:
    """SKY2 has no evidence log of this network's kind: its refusals go to the operational log."""
    _LOG.warning("access_refused", reason=reason)
