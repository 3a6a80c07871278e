"""The linkage server's own evidence log for those who audit it: whole as an export, or by inquiry number (IF_TKM_90017, 90018)."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from asyncpg import Record

from evidence.export import LogParty
from gateway.api.authorization import require
from gateway.linkage_server.inquiry_desk.inquiry import INQUIRY_NAMED
from gateway.linkage_server.tenant import AGENCIES, Agency
from keys.errors import KeyUnusable, SealBroken
from storage.evidence_log import store as log_store
from transport import wire
from transport.streaming import stream


async def get_log(request: web.Request) -> web.StreamResponse:
    """One fiscal year's log (`?year=`), the latest unless told, as NDJSON; empty while there is nothing in it."""
    caller = await require(request, "log", "read")
    agency = request.app[AGENCIES][caller.agency]
    key = agency.log_key()
    blocks = log_store.export(
        agency.database,
        agency.tenant,
        agency=agency.id,
        party=LogParty.LINKAGE,
        public_key=key,
        earlier=agency.earlier_log_keys(key),
        year=wire.read_year(request.query.get("year")),
    )
    return await stream(request, blocks)


async def post_log_search(request: web.Request) -> web.Response:
    """The entries of each inquiry number, in order; beside a refused inquiry what it was for (`purpose_text`)."""
    caller = await require(request, "log", "read")
    agency = request.app[AGENCIES][caller.agency]
    wanted = wire.parse_items(wire.read_envelope(await request.read()), INQUIRY_NAMED)
    found = [{"entries": await log_store.search(agency.database, agency.tenant, one.inquiry_number)} for one in wanted]
    await _add_purposes(agency, [entry for answer in found for entry in answer["entries"]])
    return web.json_response({"items": found})


async def _add_purposes(agency: Agency, entries: list[dict[str, Any]]) -> None:
    """None where the words were changed or their key was destroyed."""
    named = [entry["id"] for entry in entries if "purpose" in entry]
    parts = await log_store.personal_parts(agency.database, agency.tenant, named)
    for entry in entries:
        if "purpose" in entry:
            entry["purpose_text"] = _purpose(agency, parts.get(entry["id"]), entry)


def _purpose(agency: Agency, row: Record | None, entry: dict[str, Any]) -> str | None:
    if row is None:
        return None
    try:
        text = agency.keys.open_access_reason(row["personal"], entry["id"])
    except (SealBroken, KeyUnusable):
        return None
    return text if agency.keys.purpose_commitment(text, entry["id"]) == entry["purpose"] else None
