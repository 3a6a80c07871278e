"""コアシステム: distributing versions of the permission list, and taking a new one from its publisher's staff."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.jlis_mock.core.list_shelf import ListShelf
from adapters.jlis_mock.core.list_versions import SIGNED
from adapters.jlis_mock.core.log_routes import NETWORK
from adapters.jlis_mock.core.messages import refused
from adapters.jlis_mock.core.routes import ENTRANCE
from adapters.jlis_mock.faults import FaultBoard, Switch
from transport.listener import PEER
from transport.problem import ProblemError
from transport.register import Use
from transport.wire import parse_items

MOST_AT_ONCE: Final = 16
"""Versions in one answer; whoever lacks more asks again."""


class Held(Struct, forbid_unknown_fields=True):
    """IF_SCM_90023: the highest version number that the caller holds, 0 for none."""

    held: Annotated[int, Meta(ge=0, le=1_000_000)]


HELD: Final = msgspec.json.Decoder(Held)
LISTS: Final = web.AppKey("list_shelf", ListShelf)
_FAULTS: Final = web.AppKey("list_faults", FaultBoard)


async def post_list_versions(request: web.Request) -> web.Response:
    """IF_SCM_90023: the versions after the one that the caller holds, oldest first."""
    entrance = request.app[ENTRANCE]
    if request[PEER].use is Use.STAFF:
        await entrance.admit(request, Use.STAFF, NETWORK)
    else:
        await entrance.admit(request, Use.INTERMEDIATE)
    wanted = parse_items(await entrance.read(request), HELD)
    if len(wanted) > 1:
        raise ProblemError(413, "too_many_items", "One item a request: an answer carries whole lists.")
    stale = request[PEER].use is not Use.STAFF and request.app[_FAULTS].take(Switch.STALE_LIST)
    versions = [] if stale else request.app[LISTS].versions
    return entrance.answer(
        [{"versions": [one.signed for one in versions if one.number > item.held][:MOST_AT_ONCE]} for item in wanted]
    )


async def post_publish(request: web.Request) -> web.Response:
    """IF_SCM_90024."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.STAFF, NETWORK)
    shelf = request.app[LISTS]
    answers = []
    for signed in parse_items(await entrance.read(request), SIGNED):
        reason = await shelf.publish(signed, peer.name, entrance.clock())
        answers.append({"published": True} if reason is None else refused(reason))
    return entrance.answer(answers)


def add_list_routes(app: web.Application, shelf: ListShelf, faults: FaultBoard) -> None:
    app[LISTS] = shelf
    app[_FAULTS] = faults
    app.router.add_post("/list-versions", post_list_versions)
    app.router.add_post("/list-versions/publish", post_publish)
