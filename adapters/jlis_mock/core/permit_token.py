"""情報提供許可証 (provision permit) as the core writes it: a compact JWS (RFC 7515) with Ed25519 (RFC 9864)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from adapters.jlis_mock.core.messages import PermitIdText
from evidence import canonical
from keys.signing import Signer

_HEADER: Final = base64.urlsafe_b64encode(canonical.encode({"alg": "Ed25519", "typ": "sekisho-permit"})).rstrip(b"=")


_CLAIMS: Final = msgspec.json.Encoder(order="sorted")
"""Claims are texts, lists of texts and small numbers under names in ASCII: sorted, they are in canonical form."""


class PermitClaims(Struct, frozen=True, kw_only=True):
    """The claims, spelled as docs/architecture.md has them."""

    v: int = 1
    permit_id: str
    inquiry_number: str
    inquirer: str
    provider: str
    basis: str | None
    item: str
    information: str
    items: list[str]
    list_digest: str
    request_digest: str
    key_hash: str
    code_binding: str
    issued_at: str
    redeem_by: str
    answer_by: str
    non_disclosure: bool | UnsetType = UNSET
    period: str | UnsetType = UNSET
    inquirer_for: str | UnsetType = UNSET
    provider_for: str | UnsetType = UNSET


class _Name(Struct):
    permit_id: PermitIdText


_NAME = msgspec.json.Decoder(_Name)


def write_permit(claims: PermitClaims, signer: Signer) -> str:
    """`header.claims.signature`, each part base64url without padding; signed is `header.claims` in ASCII."""
    signed = _HEADER + b"." + _base64url(_CLAIMS.encode(claims))
    return (signed + b"." + _base64url(signer.sign_raw(signed))).decode()


def permit_id_of(token: str) -> str | None:
    """The id that a token claims, unchecked: only good for finding the row whose token it must then equal."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return _NAME.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).permit_id
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
        return None


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
