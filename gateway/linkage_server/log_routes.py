"""The linkage server's own evidence log for those who audit it: whole as an export, or by inquiry number (IF_TKM_90017, 90018)."""

from __future__ import annotations

from aiohttp import web

from evidence.export import LogParty
from gateway.api.authorization import require
from gateway.linkage_server.inquiry_desk.inquiry import RESULT_WANTED
from gateway.linkage_server.tenant import AGENCIES
from storage.evidence_log import store as log_store
from transport import wire
from transport.streaming import stream


async def get_log(request: web.Request) -> web.StreamResponse:
    """One fiscal year's log (`?year=`), the latest unless told, as NDJSON; empty while there is nothing in it."""
    caller = await require(request, "log", "read")
    agency = request.app[AGENCIES][caller.agency]
    blocks = log_store.export(
        agency.database,
        agency.tenant,
        agency=agency.id,
        party=LogParty.LINKAGE,
        public_key=agency.log_key(),
        year=wire.read_year(request.query.get("year")),
    )
    return await stream(request, blocks)


async def post_log_search(request: web.Request) -> web.Response:
    """The entries of each inquiry number, in order."""
    caller = await require(request, "log", "read")
    agency = request.app[AGENCIES][caller.agency]
    wanted = wire.parse_items(wire.read_envelope(await request.read()), RESULT_WANTED)
    found = [{"entries": await log_store.search(agency.database, agency.tenant, one.inquiry_number)} for one in wanted]
    return web.json_response({"items": found})
