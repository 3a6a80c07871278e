"""POST /v1/code-requests starts a run of code requests and reports counts; GET reports them (LS-4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.authorization import idempotency_key, require
from gateway.linkage_server import intake
from gateway.linkage_server.code_requests import store
from gateway.linkage_server.code_requests.runner import CodeRequests
from transport.problem import ProblemError

CODE_REQUESTS: web.AppKey[Mapping[str, CodeRequests]] = web.AppKey("code_requests", Mapping[str, Any])
_LONGEST_WAIT_MS: Final = 600_000


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_WAIT_MS)] = 0


_BODY = msgspec.json.Decoder(_Body)


async def post_code_requests(request: web.Request) -> web.Response:
    caller = await require(request, "code-requests", "create")
    requests = request.app[CODE_REQUESTS][caller.agency]
    key = intake.request_key(requests.agency, caller.client_id, "code-requests", idempotency_key(request))
    body = await request.read()
    try:
        wanted = _BODY.decode(body) if body else _Body()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(400, "malformed_body", 'The body is empty or {"wait_ms": 0 to 600000}.') from None
    await requests.start(key)
    done = (
        await requests.wait(key, wanted.wait_ms / 1000) if wanted.wait_ms else await store.is_done(requests.agency, key)
    )
    counts = await store.counts(requests.agency)
    return web.json_response(
        {"state": "done" if done else "running", "people": counts},
        status=200 if done else 202,
        headers={"Location": "/v1/code-requests"},
    )


async def get_code_requests(request: web.Request) -> web.Response:
    caller = await require(request, "code-requests", "create")
    agency = request.app[CODE_REQUESTS][caller.agency].agency
    running = bool(await store.open_runs(agency))
    return web.json_response({"state": "running" if running else "done", "people": await store.counts(agency)})
