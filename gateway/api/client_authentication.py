"""How a client proves who it is at the token endpoint: client_secret_basic (RFC 6749 §2.3.1) or client_secret_jwt (RFC 7523, HS256).

Everything that is wrong ends in the same answer, `invalid_client`, and in the log; what exactly was wrong is nobody's business.
So does everything after too many failures (gateway.api.attempts), a right secret too.
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
from gateway.api.clients import Client, ClientSecret

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_LIFE: Final = 600.0
_LONGEST_JWT: Final = 4096


class _Assertion(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    jti: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,120}\Z")]
    nbf: float = 0.0


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
        for path in ("", "/oauth/token", "/oauth/introspect", "/oauth/revoke")
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


def _secret_of(shown: _Shown, client: Client, audiences: frozenset[str], now: datetime) -> ClientSecret | None:
    """The secret that signed it, when audience and time are right (RFC 7523 §3); the id must be new as well, which the store tells."""
    claims = shown.claims
    meant_for = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
    signed_by = [
        one
        for one in client.secrets
        # reveal: the key of the signature
        if hmac.compare_digest(hmac.digest(one.value.reveal(), shown.signed, "sha256"), shown.tag)
    ]
    at = now.timestamp()
    in_time = claims.nbf <= at and 0 < claims.exp - at <= _LONGEST_LIFE
    return signed_by[0] if signed_by and in_time and meant_for & audiences else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A client that proved who it is, and by which of its secrets."""

    client: Client
    secret_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproved:
    """For the record alone: why not, and whose registered id was used, if any."""

    reason: str
    agency: str | None = None
    client_id: str | None = None


def _unproved(reason: str, client: Client | None) -> Unproved:
    return Unproved(
        reason=reason,
        agency=client.agency if client else None,
        client_id=client.client_id if client else None,
    )


async def _by_assertion(
    request: web.Request, shown: _Shown, client: Client, doors: Doors, now: datetime
) -> ClientSecret | None:
    secret = _secret_of(shown, client, _audiences(request), now)
    if secret is None:
        return None
    fresh = await doors.by_agency[client.agency].clients.use_assertion(
        client.client_id, shown.claims.jti, datetime.fromtimestamp(shown.claims.exp, UTC), now
    )
    return secret if fresh else None


async def authenticate_client(request: web.Request, form: Mapping[str, Any], doors: Doors) -> Proved | Unproved:
    """Who is asking for a token. Raises StorageUnavailableError."""
    assertion = _parse(form) if "client_assertion" in form else None
    basic = _basic(request.headers.get("Authorization", "")) if "client_assertion" not in form else None
    named = assertion.claims.iss if assertion else basic[0] if basic else ""
    address = request.remote or ""
    client = await doors.find_client(named) if named else None
    if not doors.attempts.allowed(named, address):
        return _unproved("too_many_attempts", client)
    now = doors.clock()
    secret = None
    if client is not None and assertion is not None:
        secret = await _by_assertion(request, assertion, client, doors, now)
    elif client is not None and basic is not None:
        secret = client.secret_shown(basic[1])
    if client is None or secret is None:
        doors.attempts.failed(named, address)
        return _unproved("invalid_client", client)
    reason = client.why_not(now)
    return Proved(client=client, secret_id=secret.id) if reason is None else _unproved(reason, client)
