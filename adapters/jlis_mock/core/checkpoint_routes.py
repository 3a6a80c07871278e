"""コアシステム: what an agency's own log looks like from here, for a server that has to know whether it lost something (SC-15)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.jlis_mock.core.log_routes import LOG
from adapters.jlis_mock.core.messages import refused
from adapters.jlis_mock.core.routes import ENTRANCE
from evidence.checkpoint import parse
from storage import sql
from transport.register import Use
from transport.wire import parse_items

_SQL = sql.load("storage.evidence_log")


class Origin(Struct, forbid_unknown_fields=True):
    """IF_TKM_90075: the origin of a log of the caller's, with its year."""

    origin: Annotated[str, Meta(max_length=200)]


ORIGIN: Final = msgspec.json.Decoder(Origin)


async def post_held_checkpoints(request: web.Request) -> web.Response:
    """IF_TKM_90075: the highest checkpoint that is held of each of these logs."""
    entrance = request.app[ENTRANCE]
    peer = await entrance.admit(request, Use.INTERMEDIATE)
    log = request.app[LOG]
    answers = []
    for wanted in parse_items(await entrance.read(request), ORIGIN):
        if f"/{peer.agency}/" not in wanted.origin:
            answers.append(refused("log_of_another_agency"))
            continue
        async with log.database.inside(log.tenant) as connection:
            written = await connection.fetchval(_SQL["held_checkpoint"], wanted.origin)
        held = [note for note in (written, entrance.committer.kept_of(wanted.origin)) if note is not None]
        answers.append({"note": max(held, key=lambda note: parse(note).size, default=None)})
    return entrance.answer(answers)


def add_checkpoint_routes(app: web.Application) -> None:
    app.router.add_post("/held-checkpoints", post_held_checkpoints)
