"""インターフェイスシステム: routes of inquiries and late outcomes."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from adapters.jlis_mock.core.messages import INQUIRY_ASK, LATE_OUTCOME
from adapters.jlis_mock.core.routes import ENTRANCE
from adapters.jlis_mock.interface.relay import Relay
from transport.register import Use
from transport.wire import parse_items

RELAY: Final = web.AppKey("relay", Relay)


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


def add_interface_routes(app: web.Application, relay: Relay) -> None:
    app[RELAY] = relay
    app.router.add_post("/inquiries", post_inquiries)
    app.router.add_post("/late-outcomes", post_late_outcomes)
