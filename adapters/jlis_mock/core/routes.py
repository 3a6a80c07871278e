"""コアシステム: routes of permits and codes. Parses, calls the desk, answers; nothing is decided here."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from adapters.jlis_mock.core.code_desk import CodeDesk
from adapters.jlis_mock.core.entrance import Entrance
from adapters.jlis_mock.core.messages import CODE_ASK, PERMIT_ASK, RENEWAL
from adapters.jlis_mock.core.permit_desk import PermitDesk
from transport.problem import ProblemError
from transport.register import Use
from transport.wire import parse_items

ENTRANCE: Final = web.AppKey("entrance", Entrance)
PERMITS: Final = web.AppKey("permits", PermitDesk)
CODES: Final = web.AppKey("codes", CodeDesk)


async def post_permits(request: web.Request) -> web.Response:
    """IF_SKI_90001."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.INTERMEDIATE)
    asks = parse_items(await entrance.read(request), PERMIT_ASK)
    return entrance.answer(await request.app[PERMITS].decide(peer.agency, asks, entrance.clock()))


async def post_codes(request: web.Request) -> web.Response:
    """IF_FGU_90008."""
    entrance = request.app[ENTRANCE]
    await entrance.admit(request, Use.RESIDENT_NETWORK)
    envelope = await entrance.read(request)
    if envelope.agency is None:
        raise ProblemError(400, "malformed_body", "The body must name the agency that the codes are for.")
    asks = parse_items(envelope, CODE_ASK)
    return entrance.answer(await request.app[CODES].issue(envelope.agency, asks, entrance.clock()))


async def post_renewals(request: web.Request) -> web.Response:
    """IF_FGU_90130."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.INTERMEDIATE)
    asks = parse_items(await entrance.read(request), RENEWAL)
    return entrance.answer(await request.app[CODES].renew(peer.agency, asks, entrance.clock()))


def add_core_routes(app: web.Application, *, entrance: Entrance, permits: PermitDesk, codes: CodeDesk) -> None:
    app[ENTRANCE] = entrance
    app[PERMITS] = permits
    app[CODES] = codes
    app.router.add_post("/permits", post_permits)
    app.router.add_post("/codes", post_codes)
    app.router.add_post("/code-renewals", post_renewals)
