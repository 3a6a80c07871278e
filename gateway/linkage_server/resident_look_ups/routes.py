"""POST /v1/persons/number-look-up and /v1/persons/change-notices: staff ask the resident network (LS-1.2, SC-13, SC-18)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import DOORS
from gateway.linkage_server.access.sight import Sight, Stated, enter
from gateway.linkage_server.resident_look_ups import flow
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

_MOST: Final = 100
_Text = Annotated[str, msgspec.Meta(max_length=300)]
_Addressee = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\Z")]


class _FourItems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: _Text
    sex: _Text
    birth_date: _Text
    address: _Text
    kana: _Text = ""

    def __repr__(self) -> str:
        return "<_FourItems>"


class _Wanted(Stated, frozen=True, kw_only=True):
    items: Annotated[list[_FourItems], msgspec.Meta(min_length=1, max_length=_MOST)]


class _Changed(Stated, frozen=True, kw_only=True):
    since: date
    addressee_numbers: Annotated[list[_Addressee], msgspec.Meta(min_length=1, max_length=1_000)]


_WANTED: Final = msgspec.json.Decoder(_Wanted)
_CHANGED: Final = msgspec.json.Decoder(_Changed)


def add_routes(app: web.Application) -> None:
    app.router.add_post("/v1/persons/number-look-up", post_number_look_up)
    app.router.add_post("/v1/persons/change-notices", post_change_notices)


async def post_number_look_up(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _WANTED)
    sight = await enter(request, wanted, "numbers", "look-up")
    await _check(request, sight)
    asked = [{name: text for name, text in msgspec.to_builtins(one).items() if text} for one in wanted.items]
    return await _answered(flow.numbers(sight, asked))


async def post_change_notices(request: web.Request) -> web.Response:
    wanted = wire.read_body(await request.read(), _CHANGED)
    sight = await enter(request, wanted, "persons", "change")
    await _check(request, sight)
    return await _answered(flow.changes(sight, wanted.addressee_numbers, wanted.since))


async def _check(request: web.Request, sight: Sight) -> None:
    """Client and affair may use the 個人番号, and the affair needs all four items. Raises ProblemError 403, which is recorded."""
    needed = {"name", "sex", "birth_date", "address"}
    if sight.shows_individual_number and not sight.not_needed(needed):
        return
    await request.app[DOORS].refuse(sight.agency.id, "individual_number_not_allowed", sight.client_id)
    raise ProblemError(
        403,
        "individual_number_not_allowed",
        "Neither numbers nor all four items may be used by this client in this affair; nobody was asked.",
    )


async def _answered(work: Any) -> web.Response:
    try:
        return web.json_response({"items": await work})
    except ChannelError:
        raise ProblemError(
            503, "resident_network_unavailable", "The resident network did not answer; nothing was learnt. Ask again."
        ) from None
