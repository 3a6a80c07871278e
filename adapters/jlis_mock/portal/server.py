"""マイナポータル, simulated: citizens sign in by card and see what agencies hold and have exchanged about them (JTK, 開示).

To the outside an OAuth server with an API of two steps; to the network an agency like any other, whose intermediate server asks for it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import aiohttp

from adapters.jlis_mock.portal.asking import AGENCY, Asking
from adapters.jlis_mock.portal.citizens import NUMBERS, Citizens
from adapters.jlis_mock.portal.routes import PORTAL, Portal, add_routes
from adapters.jlis_mock.portal.sign_in import TICKET, SignIns
from storage.database import Database
from storage.key_store import KeyStore
from transport import channel, listener, tls
from transport.channel import Channel
from transport.renewal import Renewal
from transport.role import RoleConfig
from transport.standing_register import StandingRegister
from transport.standing_role import StandingRole

_SWEEP_S: Final = 15.0


async def serve(config: RoleConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises StorageUnavailableError or KeyStoreError when it cannot start.

    Options: `clients` (id → addresses that codes may be sent to), `session_s` (1800), `idle_s` (600).
    """
    hosted = config.hosted[AGENCY]
    keys = config.open_keys(AGENCY)
    for purpose in (TICKET, NUMBERS):
        keys.ensure(purpose)
    renewal = Renewal(register=StandingRegister(config.register_path, config.register_root), role=StandingRole(config))
    renewal.of_keys(keys)
    context = renewal.of_certificate(hosted.identity, tls.client_context(hosted.identity, hosted.identity.ca))
    database = await Database.open(config.dsn)
    try:
        async with channel.session(context) as client:
            portal, ways = _build(config, database, keys, client)
            await _run(config, portal, ways, renewal, stop)
    finally:
        await database.close()


def _build(
    config: RoleConfig, database: Database, keys: KeyStore, client: aiohttp.ClientSession
) -> tuple[Portal, list[Channel]]:
    own = f"{config.peers[f'intermediate/{AGENCY}'].rstrip('/')}/{AGENCY}"
    resident_network = config.peers["resident_network"].rstrip("/")

    def way(url: str, name: str) -> Channel:
        return Channel(client, url, name=f"portal {name}")

    citizens = Citizens(
        database=database,
        tenant=config.hosted[AGENCY].tenant,
        ring=keys.ring,
        holders=way(f"{resident_network}/card-holders", "card-holders"),
        acquisition_numbers=way(f"{own}/acquisition-numbers", "acquisition-numbers"),
    )
    asking = Asking(
        inquiries=way(f"{own}/inquiries", "inquiries"), results=way(f"{own}/inquiry-results", "inquiry-results")
    )
    sign_ins = SignIns(
        clients={name: frozenset(uris) for name, uris in config.options.get("clients", {}).items()},
        ring=keys.ring,
        session_for=timedelta(seconds=float(config.options.get("session_s", 1800))),
        idle_for=timedelta(seconds=float(config.options.get("idle_s", 600))),
    )
    portal = Portal(sign_ins=sign_ins, citizens=citizens, asking=asking, clock=config.clock)
    return portal, [citizens.holders, citizens.acquisition_numbers, asking.inquiries, asking.results]


async def _run(config: RoleConfig, portal: Portal, ways: list[Channel], renewal: Renewal, stop: asyncio.Event) -> None:
    app = listener.application()
    app[PORTAL] = portal
    add_routes(app)
    context = renewal.of_certificate(config.server, tls.server_context(config.server, require_client=False))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each.run()) for each in ways]
        running += [group.create_task(_sweep(portal)), group.create_task(renewal.run())]
        async with listener.listening(
            app, host=config.host, port=config.port, context=context, metrics_port=config.metrics_port
        ):
            await stop.wait()
        for task in running:
            task.cancel()


async def _sweep(portal: Portal) -> None:
    while True:
        portal.sign_ins.sweep(portal.clock())
        await asyncio.sleep(_SWEEP_S)
