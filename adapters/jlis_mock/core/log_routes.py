"""The core's evidence log for staff of the network: export and search (TKM)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from adapters.jlis_mock.core.messages import InquiryNumberText
from adapters.jlis_mock.core.routes import ENTRANCE
from evidence.export import LogParty
from storage.database import Database
from storage.evidence_log import store
from transport.register import Use
from transport.streaming import stream
from transport.wire import parse_items, read_year

NETWORK: Final = "network"


class _Wanted(Struct, forbid_unknown_fields=True):
    """IF_TKM_90018."""

    inquiry_number: InquiryNumberText


_WANTED: Final = msgspec.json.Decoder(_Wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreLog:
    """Where the core's log lies, and the public key that signs its checkpoints; `earlier`: those before that one."""

    database: Database
    tenant: str
    public_key: Callable[[], bytes]
    earlier: Callable[[bytes], tuple[bytes, ...]] = lambda _: ()


LOG: Final = web.AppKey("core_log", CoreLog)


async def get_log(request: web.Request) -> web.StreamResponse:
    """IF_TKM_90017: one fiscal year's log (`?year=`), the latest unless told."""
    await request.app[ENTRANCE].admit(request, Use.STAFF, NETWORK)
    log = request.app[LOG]
    key = log.public_key()
    blocks = store.export(
        log.database,
        log.tenant,
        agency=NETWORK,
        party=LogParty.CORE,
        public_key=key,
        earlier=log.earlier(key),
        year=read_year(request.query.get("year")),
    )
    return await stream(request, blocks)


async def post_log_search(request: web.Request) -> web.Response:
    """IF_TKM_90018: the entries under each inquiry number."""
    entrance = request.app[ENTRANCE]
    await entrance.admit(request, Use.STAFF, NETWORK)
    log = request.app[LOG]
    wanted = parse_items(await entrance.read(request), _WANTED)
    return entrance.answer(
        [{"entries": await store.search(log.database, log.tenant, item.inquiry_number)} for item in wanted]
    )


def add_log_routes(app: web.Application, log: CoreLog) -> None:
    app[LOG] = log
    app.router.add_get("/log", get_log)
    app.router.add_post("/log/search", post_log_search)
