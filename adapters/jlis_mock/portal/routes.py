"""Routes of the portal: parse, hand over, render (docs/openapi/portal.yaml). Who is asked about stands in no request: the session says it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from aiohttp import web

from adapters.jlis_mock.portal.asking import Asking
from adapters.jlis_mock.portal.citizens import Citizens
from adapters.jlis_mock.portal.sign_in import MOST_PROCESSES, TICKET_FOR, Asked, Session, SignIns
from transport import openapi
from transport.clock import Clock
from transport.problem import ProblemError
from transport.wire import JsonBrokenError, decode_typed

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FORM: Final = "application/x-www-form-urlencoded"
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What the routes share."""

    sign_ins: SignIns
    citizens: Citizens
    asking: Asking
    clock: Clock


PORTAL: Final = web.AppKey("portal", Portal)


class _Shown(msgspec.Struct, forbid_unknown_fields=True):
    """A card that was shown: its key, its certificate, and its signature of the ticket."""

    ticket: Annotated[str, msgspec.Meta(max_length=8_000)]
    card_key: bytes
    certificate: bytes
    signature: bytes


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What a citizen asks for about themselves; no items: all."""

    provider: _Name
    information: _Name
    items: Annotated[list[_Name], msgspec.Meta(max_length=64)] = []


class _Polled(msgspec.Struct, forbid_unknown_fields=True):
    process_id: Annotated[str, msgspec.Meta(max_length=200)]


_SHOWN: Final = msgspec.json.Decoder(_Shown)
_WANTED: Final = msgspec.json.Decoder(_Wanted)
_POLLED: Final = msgspec.json.Decoder(_Polled)


async def _read(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decode_typed(await request.read(), decoder)
    except JsonBrokenError:
        raise ProblemError(400, "malformed_body", "The body is not the JSON that /openapi.json describes.") from None


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers=_NO_STORE)


def _fields(text: str) -> dict[str, str]:
    """The fields of a query or form, none twice. Raises ProblemError 400."""
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=32, errors="strict")
    except ValueError:
        fields = [("", ""), ("", "")]
    if len(dict(fields)) != len(fields) or any(len(value) > 2_000 for _, value in fields):
        raise ProblemError(400, "malformed_body", "Fields in UTF-8, none twice, none longer than 2,000 characters.")
    return dict(fields)


async def get_authorize(request: web.Request) -> web.Response:
    """A ticket for the card to sign (RFC 6749 §4.1.1). There is no page: whoever plays the citizen's device reads JSON."""
    portal = request.app[PORTAL]
    given = _fields(request.query_string)
    if given.get("response_type") != "code" or given.get("code_challenge_method") != "S256":
        raise ProblemError(400, "pkce_required", "Only response_type=code with code_challenge_method=S256 is offered.")
    asked = Asked(
        client_id=given.get("client_id", ""),
        redirect_uri=given.get("redirect_uri", ""),
        state=given.get("state", ""),
        challenge=given.get("code_challenge", ""),
    )
    ticket = portal.sign_ins.begin(asked, portal.clock())
    return _json({"ticket": ticket, "expires_in": int(TICKET_FOR.total_seconds())})


async def post_authorize(request: web.Request) -> web.Response:
    """The card's answer; the code goes to the client's registered address (RFC 6749 §4.1.2)."""
    portal = request.app[PORTAL]
    shown: _Shown = await _read(request, _SHOWN)
    asked = portal.sign_ins.opened(shown.ticket, shown.card_key, shown.signature, portal.clock())
    number = await portal.citizens.holder_of(shown.card_key, shown.certificate)
    code = portal.sign_ins.grant(shown.ticket, asked, number, portal.clock())
    sent = {"code": code, **({"state": asked.state} if asked.state else {})}
    joint = "&" if "?" in asked.redirect_uri else "?"
    return web.Response(status=303, headers={**_NO_STORE, "Location": f"{asked.redirect_uri}{joint}{urlencode(sent)}"})


def _refusal(status: int, error: str, detail: str) -> web.Response:
    """A problem document that OAuth clients read too: it has the member `error` (RFC 6749 §5.2)."""
    body = json.loads(ProblemError(status, error, detail).response().text or "{}") | {"error": error}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=_NO_STORE)


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != _FORM:
        raise ProblemError(400, "malformed_body", "The body must be application/x-www-form-urlencoded.")
    try:
        return _fields((await request.read()).decode())
    except UnicodeDecodeError:
        raise ProblemError(400, "malformed_body", "The body must be in UTF-8.") from None


async def post_token(request: web.Request) -> web.Response:
    portal = request.app[PORTAL]
    form = await _form(request)
    if form.get("grant_type") != "authorization_code":
        return _refusal(400, "unsupported_grant_type", "Only grant_type=authorization_code is offered.")
    token = portal.sign_ins.redeem(form, portal.clock())
    if token is None:
        return _refusal(
            400, "invalid_grant", "This code, client, redirect_uri or code_verifier does not fit; sign in anew."
        )
    seconds = int(portal.sign_ins.session_for.total_seconds())
    return _json({"access_token": token, "token_type": "Bearer", "expires_in": seconds})


async def post_revoke(request: web.Request) -> web.Response:
    """Signing out (RFC 7009): what is no live token needs no revoking."""
    request.app[PORTAL].sign_ins.end((await _form(request)).get("token", ""))
    return web.Response(headers=_NO_STORE)


def _session(request: web.Request, now: datetime) -> Session:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    found = request.app[PORTAL].sign_ins.session(token, now) if kind == "Bearer" else None
    if found is None:
        raise ProblemError(401, "session_ended", "Nobody is signed in under this token, or no longer; sign in anew.")
    return found


async def post_request(request: web.Request) -> web.Response:
    """First step: ask. 202 and the process to ask for."""
    portal = request.app[PORTAL]
    session = _session(request, portal.clock())
    wanted: _Wanted = await _read(request, _WANTED)
    if len(session.processes) + session.beginning >= MOST_PROCESSES:
        raise ProblemError(429, "too_many_processes", "Read what you asked for before you ask for more.")
    process_id = secrets.token_urlsafe(24)
    session.beginning += 1
    try:
        process = await portal.asking.begin(session, wanted.provider, wanted.information, wanted.items)
    finally:
        session.beginning -= 1
    session.processes[process_id] = process
    return _json({"process_id": process_id}, 202)


async def post_result(request: web.Request) -> web.Response:
    """Second step: what came of it. A result that was read is forgotten here."""
    portal = request.app[PORTAL]
    session = _session(request, portal.clock())
    polled: _Polled = await _read(request, _POLLED)
    process = session.processes.get(polled.process_id)
    if process is None:
        raise ProblemError(
            404, "process_unknown", "This session has no such request, or its result was read; ask anew."
        )
    found = await portal.asking.result(process)
    if found["state"] == "ready":
        session.processes.pop(polled.process_id, None)
    return _json(found)


def add_routes(app: web.Application) -> None:
    """All paths of docs/openapi/portal.yaml."""
    app.router.add_get("/oauth/authorize", get_authorize)
    app.router.add_post("/oauth/authorize", post_authorize)
    app.router.add_post("/oauth/token", post_token)
    app.router.add_post("/oauth/revoke", post_revoke)
    app.router.add_post("/request", post_request)
    app.router.add_post("/result", post_result)
    openapi.add_route(app, "portal")
