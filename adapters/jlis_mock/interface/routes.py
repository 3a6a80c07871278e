"""インターフェイスシステム: routes of inquiries and late outcomes."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from adapters.jlis_mock.core.messages import INQUIRY_ASK, LATE_OUTCOME, REVOCATION
from adapters.jlis_mock.core.routes import ENTRANCE
from adapters.jlis_mock.interface.relay import Relay
from adapters.jlis_mock.interface.revoking import RevocationDesk
from transport.listener import PEER
from transport.register import Peer, Use
from transport.wire import parse_items

RELAY: Final = web.AppKey("relay", Relay)
REVOCATIONS: Final = web.AppKey("revocations", RevocationDesk)
NETWORK: Final = "network"


async def post_inquiries(request: web.Request) -> web.Response:
    """IF_SKI_90002."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.INTERMEDIATE)
    asks = parse_items(await entrance.read(request), INQUIRY_ASK)
    return entrance.answer(await request.app[RELAY].inquire(peer.agency, asks, entrance.clock()))


async def post_late_outcomes(request: web.Request) -> web.Response:
    """IF_TKY_90004."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.INTERMEDIATE)
    lates = parse_items(await entrance.read(request), LATE_OUTCOME)
    return entrance.answer(await request.app[RELAY].late_outcomes(peer.agency, lates, entrance.clock()))


async def post_revocations(request: web.Request) -> web.Response:
    """IF_SKI_90045: by the inquirer's intermediate server, or by the network's staff."""
    entrance = request.app[ENTRANCE]
    peer: Peer = request[PEER]
    by_staff = peer.use is Use.STAFF and peer.agency == NETWORK
    if not by_staff:
        await entrance.admit(request, Use.INTERMEDIATE)
    asks = parse_items(await entrance.read(request), REVOCATION)
    caller = None if by_staff else peer.agency
    return entrance.answer(await request.app[REVOCATIONS].revoke(caller, asks, entrance.clock()))


def add_interface_routes(app: web.Application, relay: Relay, revocations: RevocationDesk) -> None:
    app[RELAY] = relay
    app[REVOCATIONS] = revocations
    app.router.add_post("/permits/revoke", post_revocations)
    app.router.add_post("/inquiries", post_inquiries)
    app.router.add_post("/late-outcomes", post_late_outcomes)
