"""GET /v1/notices: what business systems are told of the running state of the agency's servers (IS-10). Any client with a token may ask; nobody is in it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from aiohttp import web

from gateway.api.authorization import CALLER
from gateway.linkage_server.tenant import AGENCIES
from storage.fault_points import declare
from transport.channel import ChannelError

SEND_NOTICES: Final = declare("linkage", "send.notices")
_PATIENCE_S: Final = 5.0
_AWAY: Final = {
    "notice_id": None,
    "kind": "intermediate_server_away",
    "text": None,
    "posted_by": None,
    "posted_at": None,
    "shown_from": None,
    "shown_until": None,
}
"""The linkage server's own notice, in the form of the others."""
_LOG = structlog.get_logger()


async def get_notices(request: web.Request) -> web.Response:
    """The notices of the intermediate server, or that it does not answer."""
    outbound = request.app[AGENCIES][request[CALLER].agency].outbound
    found: list[Any] = [_AWAY]
    try:
        async with asyncio.timeout(_PATIENCE_S):
            [answer] = await outbound.ask_list(outbound.intermediate("notices"), [{}], step=SEND_NOTICES)
        told = answer.get("notices")
        found = told if isinstance(told, list) else found
    except (ChannelError, TimeoutError) as failure:
        _LOG.warning("notices:not_told", reason=getattr(failure, "reason", "peer_timeout"))
    return web.json_response({"notices": found})
