"""OAuth 2.0 for business systems: token (client credentials, RFC 6749 §4.4), introspection (RFC 7662) and revocation (RFC 7009)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.api import tokens
from gateway.api.authorization import DOORS
from gateway.api.client_authentication import Proved, authenticate_client
from transport.problem import ProblemError

_FORM: Final = "application/x-www-form-urlencoded"
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
_MOST_FIELDS: Final = 32
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _refusal(status: int, error: str, detail: str) -> web.Response:
    """A problem document that OAuth clients read too: it has the member `error` (RFC 6749 §5.2)."""
    response = ProblemError(status, error, detail).response()
    body = json.loads(response.text or "{}") | {"error": error}
    headers = _NO_STORE | ({"WWW-Authenticate": 'Basic realm="sekisho"'} if status == 401 else {})
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


async def _form(request: web.Request) -> dict[str, str] | None:
    """The fields of a form (RFC 6749 §3.2: UTF-8, none twice), or None when the body is not one."""
    body = await request.read()
    if body and (request.content_type != _FORM or (request.charset or "").lower() not in _CHARSETS):
        return None
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    form = dict(fields)
    return form if len(form) == len(fields) else None


def _invalid_request() -> web.Response:
    return _refusal(
        400, "invalid_request", "The body must be application/x-www-form-urlencoded in UTF-8, with no field twice."
    )


async def _proved(request: web.Request, form: Mapping[str, str]) -> Proved | web.Response:
    """The client, or the one answer for all that did not prove who they are; why is on record alone."""
    doors = request.app[DOORS]
    found = await authenticate_client(request, form, doors)
    if isinstance(found, Proved):
        return found
    await doors.refuse(found.agency, found.reason, found.client_id)
    return _refusal(
        401,
        "invalid_client",
        "This client is not registered or did not prove who it is; have it registered, or check its secret.",
    )


async def post_token(request: web.Request) -> web.Response:
    doors = request.app[DOORS]
    form = await _form(request)
    if form is None:
        return _invalid_request()
    found = await _proved(request, form)
    if isinstance(found, web.Response):
        return found
    client = found.client
    if form.get("grant_type") != "client_credentials":
        return _refusal(400, "unsupported_grant_type", "Only grant_type=client_credentials is offered.")
    scopes = frozenset(form.get("scope", "").split()) or client.scopes
    if not scopes <= client.scopes:
        await doors.refuse(client.agency, "invalid_scope", client.client_id)
        return _refusal(400, "invalid_scope", "A scope was asked for that this client is not granted.")
    token = tokens.issue(client, found.secret_id, scopes, doors.by_agency[client.agency].ring, doors.clock())
    answer = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(tokens.LIFETIME.total_seconds()),
        "scope": " ".join(sorted(scopes)),
    }
    return web.json_response(answer, headers=_NO_STORE)


async def post_introspect(request: web.Request) -> web.Response:
    """A client learns about tokens of its own agency only; of all others, and of dead ones, that they are not active."""
    form = await _form(request)
    if form is None or "token" not in form:
        return _invalid_request()
    found = await _proved(request, form)
    if isinstance(found, web.Response):
        return found
    caller = await request.app[DOORS].standing(form["token"], found.client.agency)
    answer: dict[str, object] = {"active": False}
    if caller is not None:
        answer = {
            "active": True,
            "client_id": caller.client_id,
            "scope": " ".join(sorted(caller.scopes)),
            "token_type": "Bearer",
            "iat": int(caller.issued),
            "exp": int(caller.expires),
        }
    return web.json_response(answer, headers=_NO_STORE)


async def post_revoke(request: web.Request) -> web.Response:
    """A client gives a token of its own back. What is no live token of its agency needs no revoking: 200 as well (RFC 7009 §2.2)."""
    doors = request.app[DOORS]
    form = await _form(request)
    if form is None or "token" not in form:
        return _invalid_request()
    found = await _proved(request, form)
    if isinstance(found, web.Response):
        return found
    client = found.client
    caller = await doors.standing(form["token"], client.agency)
    if caller is not None and caller.client_id != client.client_id:
        await doors.refuse(client.agency, "unauthorized_client", client.client_id)
        return _refusal(400, "unauthorized_client", "A client can revoke its own tokens only.")
    if caller is not None:
        expires = datetime.fromtimestamp(caller.expires, UTC)
        await doors.by_agency[client.agency].clients.revoke_token(caller.token_id, expires, doors.clock())
    return web.Response(headers=_NO_STORE)


def add_routes(app: web.Application) -> None:
    app.router.add_post("/oauth/token", post_token)
    app.router.add_post("/oauth/introspect", post_introspect)
    app.router.add_post("/oauth/revoke", post_revoke)
