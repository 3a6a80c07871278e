"""コアシステム: handing the agency register to those who are in it, so that nobody waits for a file when a key is rotated (IS-8).

Its owner has signed it, and not the core: whoever takes it checks that, and that it is a newer one.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.jlis_mock.core.routes import ENTRANCE
from transport.problem import ProblemError
from transport.register import Use
from transport.standing_register import StandingRegister
from transport.wire import parse_items


class Held(Struct, forbid_unknown_fields=True):
    """IF_SCM_90025: the sequence number of the register that the caller holds, 0 for none."""

    held: Annotated[int, Meta(ge=0)]


HELD: Final = msgspec.json.Decoder(Held)
_REGISTER: Final = web.AppKey("register", StandingRegister)


async def post_registers(request: web.Request) -> web.Response:
    """IF_SCM_90025: the register in force here, when it is newer than the caller's."""
    entrance = request.app[ENTRANCE]
    await entrance.admit(request, Use.INTERMEDIATE)
    wanted = parse_items(await entrance.read(request), HELD)
    if len(wanted) > 1:
        raise ProblemError(413, "too_many_items", "One item a request: an answer carries a whole register.")
    found = request.app[_REGISTER]
    return entrance.answer([{"register": found.signed if found().sequence > item.held else None} for item in wanted])


def add_register_route(app: web.Application, register: StandingRegister) -> None:
    app[_REGISTER] = register
    app.router.add_post("/registers", post_registers)
