"""Access tokens: short-lived, opaque, sealed under a ring key of the agency, so any process of the role reads them; no refresh tokens.

A token says what it was made for; whether its client may still use it is asked at each call (gateway.api.standings).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.api.clients import Client
from keys.binding import bind
from keys.ring import KeyDestroyed, KeyDisabled, KeyMissing, Keyring, SealBroken

TOKEN_PURPOSE: Final = "oauth-token"  # noqa: S105 (the name of a purpose)
LIFETIME: Final = timedelta(seconds=300)
_LABEL = b"sekisho/oauth-token/v2"


class _Claims(msgspec.Struct, array_like=True, frozen=True):
    token_id: str
    client_id: str
    secret_id: str
    system: str
    scopes: list[str]
    may_use_individual_number: bool
    issued: float
    expires: float


_CLAIMS = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling the business API, and what for; `scopes` are those of the token. `secret_id`: by which secret it was got."""

    agency: str
    client_id: str
    system: str
    scopes: frozenset[str]
    may_use_individual_number: bool
    issued: float
    expires: float
    token_id: str
    secret_id: str

    def may(self, resource: str, operation: str) -> bool:
        return f"{self.system}:{resource}:{operation}" in self.scopes


def agency_of(token: str) -> str:
    """The agency that a token says it belongs to; nothing is checked."""
    return token.partition(".")[0]


def issue(client: Client, secret_id: str, scopes: frozenset[str], ring: Keyring, now: datetime) -> str:
    claims = _Claims(
        token_id=secrets.token_hex(16),
        client_id=client.client_id,
        secret_id=secret_id,
        system=client.system,
        scopes=sorted(scopes),
        may_use_individual_number=client.may_use_individual_number,
        issued=now.timestamp(),
        expires=(now + LIFETIME).timestamp(),
    )
    sealed = ring.encrypt(TOKEN_PURPOSE, msgspec.json.encode(claims), bind(_LABEL, client.agency))
    return f"{client.agency}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def read(token: str, agency: str, ring: Keyring) -> Caller | None:
    """Open a token of this agency; None when it is not one of ours. The caller checks `expires` and the client's standing."""
    _, _, body = token.partition(".")
    try:
        sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        claims = _CLAIMS.decode(ring.decrypt(TOKEN_PURPOSE, sealed, bind(_LABEL, agency)))
    except (binascii.Error, ValueError, SealBroken, KeyMissing, KeyDisabled, KeyDestroyed):
        return None
    return Caller(
        agency=agency,
        client_id=claims.client_id,
        system=claims.system,
        scopes=frozenset(claims.scopes),
        may_use_individual_number=claims.may_use_individual_number,
        issued=claims.issued,
        expires=claims.expires,
        token_id=claims.token_id,
        secret_id=claims.secret_id,
    )
