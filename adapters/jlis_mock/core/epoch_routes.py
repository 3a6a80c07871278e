"""コアシステム: epochs of codes, as agencies follow them and the network's staff announce and watch them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.jlis_mock.core.code_epochs import EpochDesk
from adapters.jlis_mock.core.log_routes import NETWORK
from adapters.jlis_mock.core.messages import Agency, refused
from adapters.jlis_mock.core.routes import ENTRANCE
from transport.listener import PEER
from transport.register import Use
from transport.wire import parse_items

LONGEST_S: Final = 400 * 24 * 3600


class Settled(Struct, forbid_unknown_fields=True):
    """IF_FGU_90131: the epoch under which all codes of the caller are; 0 says nothing of it."""

    settled: Annotated[int, Meta(ge=0, le=255)] = 0


class _Announced(Struct, forbid_unknown_fields=True):
    """IF_FGU_90132. `accept_s`: how long the epoch before is taken after the agency has renewed its codes."""

    agency: Agency
    epoch: Annotated[int, Meta(ge=2, le=255)]
    accept_s: Annotated[int, Meta(ge=0, le=LONGEST_S)]


SETTLED: Final = msgspec.json.Decoder(Settled)
_ANNOUNCED: Final = msgspec.json.Decoder(_Announced)
EPOCHS: Final = web.AppKey("code_epochs", EpochDesk)


async def post_epochs(request: web.Request) -> web.Response:
    """IF_FGU_90131: an agency's own epochs, after what it says of them; all agencies' for the network's staff."""
    entrance, desk = request.app[ENTRANCE], request.app[EPOCHS]
    by_staff = request[PEER].use is Use.STAFF
    peer = await (
        entrance.admit(request, Use.STAFF, NETWORK) if by_staff else entrance.admit(request, Use.INTERMEDIATE)
    )
    asks = parse_items(await entrance.read(request), SETTLED)
    if by_staff:
        return entrance.answer([{"epochs": desk.shown(sorted(desk.agencies()))} for _ in asks])
    for ask in asks:
        await desk.settled(peer.agency, ask.settled, entrance.clock())
    return entrance.answer([{"epochs": desk.shown([peer.agency])} for _ in asks])


async def post_announcements(request: web.Request) -> web.Response:
    """IF_FGU_90132."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.STAFF, NETWORK)
    answers = []
    for one in parse_items(await entrance.read(request), _ANNOUNCED):
        desk = request.app[EPOCHS]
        reason = await desk.announce(one.agency, one.epoch, one.accept_s, peer.name, entrance.clock())
        answers.append({"announced": True} if reason is None else refused(reason))
    return entrance.answer(answers)


def add_epoch_routes(app: web.Application, desk: EpochDesk) -> None:
    app[EPOCHS] = desk
    app.router.add_post("/code-epochs", post_epochs)
    app.router.add_post("/code-epochs/announce", post_announcements)
