"""How a client proves who it is at the token endpoint: client_secret_basic (RFC 6749 §2.3.1) or client_secret_jwt (RFC 7523, HS256).

Everything that is wrong ends in the same answer, `invalid_client`, and in the log; what exactly was wrong is nobody's business.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from gateway.api.authorization import DOORS, Doors
from gateway.api.clients import Client

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_LIFE: Final = 600.0
_LONGEST_JWT: Final = 4096


class _Assertion(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    jti: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,120}$")]


_ASSERTION = msgspec.json.Decoder(_Assertion)


def _decode(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:  # not ASCII, not base64 or not UTF-8
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if colon else None


def _audiences(request: web.Request) -> frozenset[str]:
    """The names that this token endpoint goes by: its configured issuer and its address as the socket knows it, never the caller's Host header."""
    socket = request.transport.get_extra_info("sockname") if request.transport else None
    hosts = [f"https://{name}:{socket[1]}" for name in (socket[0], "localhost")] if socket else []
    issuer = request.app[DOORS].issuer
    return frozenset(
        f"{name}{path}"
        for name in (*hosts, *([issuer] if issuer else []))
        for path in ("", "/oauth/token", "/oauth/introspect")
    )


def _header_is_hs256(part: str) -> bool:
    header: Any = msgspec.json.decode(_decode(part))
    return isinstance(header, dict) and header.get("alg") == "HS256" and "crit" not in header


@dataclass(frozen=True, slots=True, repr=False)
class _Shown:
    """An assertion in good form: claims, what is signed, and the signature that came with it."""

    claims: _Assertion
    signed: bytes
    tag: bytes


def _parse(form: Mapping[str, Any]) -> _Shown | None:
    token = form.get("client_assertion")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not isinstance(token, str) or len(token) > _LONGEST_JWT:
        return None
    try:
        head, body, tag = token.split(".")
        shown = _Shown(_ASSERTION.decode(_decode(body)), f"{head}.{body}".encode(), _decode(tag))
        good = _header_is_hs256(head) and shown.claims.iss == shown.claims.sub
    except (binascii.Error, ValueError):
        return None
    return shown if good else None


def _holds(shown: _Shown, client: Client, audiences: frozenset[str], now: datetime) -> bool:
    """Signature, audience and time (RFC 7523 §3); the id must be new as well, which the store tells."""
    claims = shown.claims
    meant_for = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
    # reveal: the key of the signature
    signed = hmac.compare_digest(hmac.digest(client.secret.reveal(), shown.signed, "sha256"), shown.tag)
    return signed and bool(meant_for & audiences) and 0 < claims.exp - now.timestamp() <= _LONGEST_LIFE


async def _by_assertion(
    request: web.Request, form: Mapping[str, Any], doors: Doors
) -> tuple[Client | None, str | None]:
    shown = _parse(form)
    client = await doors.find_client(shown.claims.iss) if shown else None
    if shown is None or client is None:
        return None, None
    now = doors.clock()
    if not _holds(shown, client, _audiences(request), now):
        return None, client.client_id
    fresh = await doors.by_agency[client.agency].clients.use_assertion(
        client.client_id, shown.claims.jti, datetime.fromtimestamp(shown.claims.exp, UTC), now
    )
    return (client if fresh else None), client.client_id


async def authenticate_client(
    request: web.Request, form: Mapping[str, Any], doors: Doors
) -> tuple[Client | None, str | None]:
    """The client, or None; and the registered id that was used, for the record."""
    if "client_assertion" in form:
        return await _by_assertion(request, form, doors)
    shown = _basic(request.headers.get("Authorization", ""))
    client = await doors.find_client(shown[0]) if shown else None
    if shown is None or client is None:
        return None, None
    return (client if client.has_secret(shown[1]) else None), client.client_id
