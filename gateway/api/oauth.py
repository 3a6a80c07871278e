"""OAuth 2.0 for business systems: /oauth/token (client credentials, RFC 6749 §4.4) and /oauth/introspect (RFC 7662)."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.api import tokens
from gateway.api.authorization import DOORS, Doors
from gateway.api.client_authentication import authenticate_client
from gateway.api.clients import Client
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


async def _invalid_client(doors: Doors, known: str | None) -> web.Response:
    agency = None
    if known is not None:
        client = await doors.find_client(known)
        agency = client.agency if client else None
    await doors.refuse(agency, "invalid_client", known)
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
    client, known = await authenticate_client(request, form, doors)
    if client is None:
        return await _invalid_client(doors, known)
    if form.get("grant_type") != "client_credentials":
        return _refusal(400, "unsupported_grant_type", "Only grant_type=client_credentials is offered.")
    scopes = frozenset(form.get("scope", "").split()) or client.scopes
    if not scopes <= client.scopes:
        await doors.refuse(client.agency, "invalid_scope", client.client_id)
        return _refusal(400, "invalid_scope", "A scope was asked for that this client is not granted.")
    token = tokens.issue(client, scopes, doors.by_agency[client.agency].ring, doors.clock())
    answer = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(tokens.LIFETIME.total_seconds()),
        "scope": " ".join(sorted(scopes)),
    }
    return web.json_response(answer, headers=_NO_STORE)


def _introspection(token: str, client: Client, doors: Doors) -> dict[str, object]:
    """A client learns about tokens of its own agency only; of all others, and of expired ones, that they are not active."""
    caller = tokens.read(token, client.agency, doors.by_agency[client.agency].ring)
    if caller is None or caller.expires <= doors.clock().timestamp():
        return {"active": False}
    return {
        "active": True,
        "client_id": caller.client_id,
        "scope": " ".join(sorted(caller.scopes)),
        "token_type": "Bearer",
        "exp": int(caller.expires),
    }


async def post_introspect(request: web.Request) -> web.Response:
    doors = request.app[DOORS]
    form = await _form(request)
    if form is None:
        return _invalid_request()
    client, known = await authenticate_client(request, form, doors)
    if client is None:
        return await _invalid_client(doors, known)
    return web.json_response(_introspection(form.get("token", ""), client, doors), headers=_NO_STORE)


def add_routes(app: web.Application) -> None:
    app.router.add_post("/oauth/token", post_token)
    app.router.add_post("/oauth/introspect", post_introspect)
