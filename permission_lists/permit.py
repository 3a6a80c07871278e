"""情報提供許可証 (provision permit): what the core signs for one inquiry, and how it is checked (PL-3, PL-4).

A permit is a compact JWS (RFC 7515) under Ed25519 (RFC 9864) whose claims are canonical JSON. Decoding is strict: one
permit has one encoding, so equal bytes mean the same permit and nothing rides along.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from keys.sealing import key_hash
from keys.signing import verify_raw

PERMIT_VERSION: Final = 1
ALGORITHM: Final = "Ed25519"
TYPE: Final = "sekisho-permit"
LARGEST_PERMIT: Final = 16_384
LARGEST_REQUEST: Final = 16_384

_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_DIGESTS: Final = ("list_digest", "request_digest", "key_hash", "code_binding")
_TIMES: Final = ("issued_at", "redeem_by", "answer_by")
_SHARED_WITH_REQUEST: Final = (
    "inquiry_number", "inquirer", "provider", "basis", "item", "information", "items", "list_digest", "key_hash",
    "non_disclosure", "period", "inquirer_for", "provider_for",
)  # fmt: skip
_OPTIONAL: Final = frozenset({"non_disclosure", "period", "inquirer_for", "provider_for"})
"""Claims that are there only when they say something."""
_PERIOD: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PermitBroken(ValueError):  # noqa: N818  (named by the fact, as the architecture page names it)
    """Not a permit, or not one that this key signed."""


class PermitRefusal(StrEnum):
    """Why a permit is not honoured; stable codes. A bad signature never gets as far as a `Permit` (PermitBroken)."""

    PERMIT_SIGNATURE = "permit_signature"
    PERMIT_OTHER_PARTY = "permit_other_party"
    PERMIT_REQUEST_DIFFERS = "permit_request_differs"
    PERMIT_KEY_DIFFERS = "permit_key_differs"
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_OTHER_PERSON = "permit_other_person"
    LIST_DIGEST_UNKNOWN = "list_digest_unknown"
    LIST_NOT_IN_FORCE = "list_not_in_force"


class PermitSigner(Protocol):
    """What signs: `keys.signing.Signer`, or a token that holds the key."""

    def sign_raw(self, message: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """One inquiry permitted. Digests are lower-case hex SHA-256; instants are aware, UTC, whole milliseconds.

    `items`: sorted item names, empty for the whole layout. `code_binding`: SHA-256(nonce ‖ the provider's code).
    `non_disclosure`: 番号法23条2項, marked by the inquirer. `period`: `YYYY-MM-DD/YYYY-MM-DD`. `inquirer_for`, `provider_for`: the agencies
    that have delegated asking or answering; their rows of the list count.
    """

    permit_id: str
    inquiry_number: str
    inquirer: str
    provider: str
    basis: str | None
    item: str
    information: str
    items: tuple[str, ...]
    list_digest: str
    request_digest: str
    key_hash: str
    code_binding: str
    issued_at: datetime
    redeem_by: datetime
    answer_by: datetime
    non_disclosure: bool = False
    period: str | None = None
    inquirer_for: str | None = None
    provider_for: str | None = None

    @property
    def askers(self) -> tuple[str, ...]:
        """Who asks, and who has delegated asking: what is kept from either of them is kept from this request."""
        return (self.inquirer,) if self.inquirer_for is None else (self.inquirer, self.inquirer_for)


_CLAIMS: Final = frozenset(field.name for field in fields(Permit))
_REQUIRED: Final = (_CLAIMS - _OPTIONAL) | {"v"}
_TEXTS: Final = tuple(sorted(_CLAIMS - {"basis", "items", *_DIGESTS, *_TIMES} - _OPTIONAL))


def sign_permit(permit: Permit, signer: PermitSigner, *, kid: str | None = None) -> str:
    """The permit as compact JWS; `kid` may name the core's key. Raises PermitBroken for what no reader would take."""
    said = {name: _encode_claim(getattr(permit, name)) for name in _CLAIMS}
    claims = {
        "v": PERMIT_VERSION,
        **{name: one for name, one in said.items() if one is not None or name not in _OPTIONAL},
    }
    if _permit(claims) != permit:
        raise PermitBroken("permit does not survive its own encoding")
    signing_input = f"{_segment(_header(kid))}.{_segment(claims)}"
    return f"{signing_input}.{_to_base64url(signer.sign_raw(signing_input.encode()))}"


def read_permit(jws: str, *public_keys: bytes) -> Permit:
    """The permit, if one of these keys signed exactly these bytes. Raises PermitBroken; the text never quotes the input."""
    header, claims, signing_input, signature = _take_apart(jws)
    if header != _header(header.get("kid")):
        raise PermitBroken("permit header is not ours")
    if not any(verify_raw(key, signing_input, signature) for key in public_keys):
        raise PermitBroken("permit signature does not verify")
    return _permit(claims)


def read_stored_permit(jws: str) -> Permit:
    """A permit that was verified before it was stored: its key may have been rotated since. Raises PermitBroken."""
    return _permit(_take_apart(jws)[1])


def code_binding(nonce: bytes, code: bytes) -> str:
    """Hex SHA-256(nonce ‖ code): binds a permit to the provider's code of the person without naming it."""
    return hashlib.sha256(nonce + code).hexdigest()


def matches_request(permit: Permit, request: bytes) -> bool:
    """Whether the permit is for exactly these signed request bytes, claim by claim and by digest."""
    if hashlib.sha256(request).hexdigest() != permit.request_digest or len(request) > LARGEST_REQUEST:
        return False
    try:
        asked = _parse_object(request)
    except PermitBroken:
        return False
    return all(asked.get(name) == _encode_claim(getattr(permit, name)) for name in _SHARED_WITH_REQUEST)


def check_permit(  # noqa: PLR0911 - one return for each numbered step
    permit: Permit,
    *,
    provider: str,
    signed_by: str,
    request: bytes,
    public_key: bytes,
    now: datetime,
    releasing: bool,
    nonce: bytes,
    code: bytes,
    known_lists: Collection[str],
) -> PermitRefusal | None:
    """The provider's own check of a permit (PL-4); None when it is to be honoured.

    `provider`: this agency. `signed_by`: the agency whose key verified the request. `request`, `public_key`, `nonce`,
    `code`: as received. `releasing`: a held provision is let go, so `answer_by` counts, not `redeem_by`.

    1. The core signed it: done by `read_permit`, which alone makes a Permit of bytes (番号法第21条第2項).
    2. It names this agency as provider (PL-4).
    3. Its inquirer is the agency that signed the request (PL-3).
    4. It is for exactly that request: parties, basis, item, information, items, list (SC-5).
    5. Its key is the one to seal to, so nobody else can open the answer (SC-1).
    6. It is still in time (SC-5).
    7. The code delivered with it is the one it was issued for (SC-9).
    8. The list it was decided on is one this agency holds (PL-4).
    """
    # 1: by type
    # 2
    if permit.provider != provider:
        return PermitRefusal.PERMIT_OTHER_PARTY
    # 3
    if permit.inquirer != signed_by:
        return PermitRefusal.PERMIT_OTHER_PARTY
    # 4
    if not matches_request(permit, request):
        return PermitRefusal.PERMIT_REQUEST_DIFFERS
    # 5
    if not hmac.compare_digest(key_hash(public_key).hex(), permit.key_hash):
        return PermitRefusal.PERMIT_KEY_DIFFERS
    # 6
    if now > (permit.answer_by if releasing else permit.redeem_by):
        return PermitRefusal.PERMIT_EXPIRED
    # 7
    if not hmac.compare_digest(code_binding(nonce, code), permit.code_binding):
        return PermitRefusal.PERMIT_OTHER_PERSON
    # 8
    if permit.list_digest not in known_lists:
        return PermitRefusal.LIST_DIGEST_UNKNOWN
    return None


def _header(kid: object) -> dict[str, str]:
    """The one header we write and take; a key's name is allowed, nothing else is."""
    header = {"alg": ALGORITHM, "typ": TYPE}
    return header | {"kid": kid} if isinstance(kid, str) else header


def _encode_claim(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if value is False:
        return None  # not said
    return list(value) if isinstance(value, tuple) else value


def _permit(claims: dict[str, Any]) -> Permit:
    """Claims as a Permit: exactly the known fields, each of its type and in its one form."""
    if set(claims) - _OPTIONAL != _REQUIRED or type(claims["v"]) is not int or claims["v"] != PERMIT_VERSION:
        raise PermitBroken("permit claims are not ours")
    texts: dict[str, Any] = {name: claims[name] for name in _TEXTS}
    basis = claims["basis"]
    digests: dict[str, Any] = {name: claims[name] for name in _DIGESTS}
    items = claims["items"]
    if not all(isinstance(text, str) and text for text in (*texts.values(), "-" if basis is None else basis)):
        raise PermitBroken("a permit claim is not text")
    if not all(isinstance(digest, str) and _HEX_DIGEST.fullmatch(digest) for digest in digests.values()):
        raise PermitBroken("a permit digest is malformed")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise PermitBroken("permit items are malformed")
    if items != sorted(set(items)):
        raise PermitBroken("permit items are not sorted")
    said = {name: claims[name] for name in _OPTIONAL if name in claims}
    if said and not _is_said(said):
        raise PermitBroken("an optional permit claim is malformed")
    issued_at, redeem_by, answer_by = (_instant(claims[name]) for name in _TIMES)
    if not issued_at <= redeem_by <= answer_by:
        raise PermitBroken("permit deadlines are out of order")
    return Permit(
        basis=basis,
        items=tuple(items),
        issued_at=issued_at,
        redeem_by=redeem_by,
        answer_by=answer_by,
        **texts,
        **digests,
        **said,
    )


def _is_said(said: dict[str, Any]) -> bool:
    """Each optional claim that is there says something, in its form."""
    period = said.get("period", "2000-01-01/2000-01-01")
    texts = [said[name] for name in ("inquirer_for", "provider_for") if name in said]
    return (
        said.get("non_disclosure", True) is True
        and isinstance(period, str)
        and _PERIOD.fullmatch(period) is not None
        and all(isinstance(text, str) and text for text in texts)
    )


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or _TIMESTAMP.fullmatch(value) is None:
        raise PermitBroken("a permit time is malformed")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise PermitBroken("a permit time is malformed") from None


def _take_apart(jws: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signing input, signature; each segment in its only encoding."""
    if len(jws) > LARGEST_PERMIT or not jws.isascii():
        raise PermitBroken("permit is malformed")
    segments = jws.split(".")
    if len(segments) != 3:
        raise PermitBroken("permit is malformed")
    header, claims = (_parse_object(_from_base64url(segment)) for segment in segments[:2])
    if _segment(header) != segments[0] or _segment(claims) != segments[1]:
        raise PermitBroken("permit is not in canonical form")
    return header, claims, ".".join(segments[:2]).encode(), _from_base64url(segments[2])


def _segment(value: dict[str, Any]) -> str:
    """Canonical JSON (RFC 8785: ASCII field names; text, lists and one small integer), then base64url."""
    try:
        return _to_base64url(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise PermitBroken("permit text is not Unicode") from None


def _parse_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise PermitBroken("not a JSON object") from None
    if not isinstance(value, dict):
        raise PermitBroken("not a JSON object")
    return value


def _to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    """Without padding, and only the canonical form: what encodes back to the same text."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PermitBroken("permit is malformed") from None
    if _to_base64url(data) != text:
        raise PermitBroken("permit is malformed")
    return data
