"""What an agency's server signs, sends, reads and answers on the network (docs/openapi/network.yaml; docs/architecture.md, Messages).

Written for somebody who connects a server of their own. It uses the house's cryptography (`keys`), canonical JSON (`evidence.canonical`) and
ids (`codebook`), and nothing of the two servers: neither `gateway` nor the permission list.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from codebook.identifiers import INQUIRY_PREFIX, new_sortable_id
from evidence import canonical
from keys import labels
from keys.binding import bind
from keys.sealing import SUITE_XWING, OneTimeKey, key_hash, new_one_time_key, open_sealed
from keys.signing import Signer, verify_raw

DEFAULT_LIFE: Final = timedelta(hours=1)
_HEADER: Final = {"alg": "Ed25519", "typ": "sekisho-permit"}
_SAID: Final = ("inquirer_for", "non_disclosure", "period", "provider_for")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class MessageBrokenError(ValueError):
    """What came over the network is not what the documentation says. The message is a constant."""


_Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Instant = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z")]
_Words = Annotated[str, Meta(min_length=1)]


class _Claims(Struct, forbid_unknown_fields=True):
    """What a permit says: whoever reads one may rely on every one of these (docs/architecture.md, Permit)."""

    v: Literal[1]
    permit_id: _Words
    inquiry_number: _Words
    inquirer: _Words
    provider: _Words
    basis: _Words | None
    item: _Words
    information: _Words
    items: list[str]
    list_digest: _Digest
    request_digest: _Digest
    key_hash: _Digest
    code_binding: _Digest
    issued_at: _Instant
    redeem_by: _Instant
    answer_by: _Instant
    non_disclosure: Literal[True] | UnsetType = UNSET
    period: _Words | UnsetType = UNSET
    inquirer_for: _Words | UnsetType = UNSET
    provider_for: _Words | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask for. `list_digest`: hex; `basis` None: whatever is in force that day; `items` () for all of the layout.

    `said`: what goes beyond what every request says (`period`, `non_disclosure`, `inquirer_for`, `provider_for`).
    """

    provider: str
    item: str
    information: str
    list_digest: str
    basis: str | None = None
    items: tuple[str, ...] = ()
    inquirer: str | None = None
    inquiry_number: str | None = None
    expires_at: datetime | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it is signed and sent. `one_time_key` opens the answer: keep it until then, and use it for nothing else."""

    inquiry_number: str
    request: bytes
    signature: bytes
    one_time_key: OneTimeKey

    def with_other_key(self) -> SignedRequest:
        """The same signed request with a one-time key that its hash does not cover (for those who test others)."""
        return replace(self, one_time_key=new_one_time_key())

    def with_request(self, other: SignedRequest) -> SignedRequest:
        """The bytes of another signed request, to be presented under this one's permit (for those who test others)."""
        return replace(self, request=other.request, signature=other.signature)


def sign_request(question: Question, *, agency: str, signer: Signer, now: datetime) -> SignedRequest:
    """IF_SKI_90001: the request in canonical form under a fresh one-time key, signed by the agency."""
    key = new_one_time_key()
    number = question.inquiry_number or new_sortable_id(
        INQUIRY_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10)
    )
    request = canonical.encode(
        {
            **question.said,
            "v": 1,
            "inquiry_number": number,
            "inquirer": question.inquirer or agency,
            "provider": question.provider,
            "basis": question.basis,
            "item": question.item,
            "information": question.information,
            "items": sorted(question.items),
            "list_digest": question.list_digest,
            "key_hash": key_hash(key.public).hex(),
            "expires_at": canonical.timestamp(question.expires_at or now + DEFAULT_LIFE),
        }
    )
    return SignedRequest(
        inquiry_number=number,
        request=request,
        signature=signer.sign(labels.INQUIRY, request),
        one_time_key=key,
    )


def permit_claims(permit: str, permit_keys: tuple[bytes, ...] | None = None) -> dict[str, Any]:
    """What a permit says: checked with the core's public keys, unchecked without. Raises MessageBrokenError."""
    try:
        head, body, signature = permit.split(".")
        claims: dict[str, Any] = canonical.decode(_unpadded(body))
        header = canonical.decode(_unpadded(head))
        made, over = _unpadded(signature), f"{head}.{body}".encode()
        signed = permit_keys is None or any(verify_raw(key, over, made) for key in permit_keys)
    except (ValueError, RecursionError, canonical.NotCanonical):
        raise MessageBrokenError("a permit that is not as documented") from None
    if not signed or header != _HEADER:
        raise MessageBrokenError("a permit that the core did not sign")
    try:
        msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise MessageBrokenError("a permit that does not say what every permit does") from None
    return claims


def payload_info(claims: Mapping[str, Any]) -> bytes:
    """What the payload is bound to, by the permit's claims (docs/architecture.md, Payload info)."""
    said = [[name, "true" if claims[name] is True else claims[name]] for name in _SAID if name in claims]
    return bind(
        labels.PAYLOAD,
        claims["permit_id"],
        claims["inquiry_number"],
        claims["inquirer"],
        claims["provider"],
        claims["basis"],
        claims["item"],
        claims["information"],
        claims["items"],
        claims["answer_by"],
        SUITE_XWING,
        bytes.fromhex(claims["key_hash"]),
        *([said] if said else []),
    )


def exchange_digest(item: Mapping[str, Any]) -> str:
    """Hex digest of all that the inquirer sent under a permit: equal for a resend, another for a replay."""
    parts = (item["permit"], *(octets(item[name]) for name in ("request", "public_key", "signature")))
    return hashlib.sha256(bind(*parts)).hexdigest()


def code_binding(item: Mapping[str, Any]) -> str:
    """Hex digest that ties a permit to the provider's code of the person."""
    return hashlib.sha256(octets(item["nonce"]) + octets(item["code"])).hexdigest()


def open_answer(answer: Mapping[str, Any], permit: str, key: OneTimeKey) -> dict[str, Any]:
    """The payload of a sealed answer. Raises SealBroken when it is not for this permit and key."""
    # reveal: whoever asked reads what was answered
    opened = open_sealed(key.private, payload_info(permit_claims(permit)), octets(answer["sealed"])).reveal()
    payload: dict[str, Any] = msgspec.json.decode(opened)
    return payload


def envelope(items: Sequence[Any]) -> bytes:
    return msgspec.json.encode({"checkpoint": None, "items": list(items)})


def hexdigest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def text(data: bytes) -> str:
    """Binary as it travels: base64, standard alphabet, padded."""
    return base64.b64encode(data).decode()


def octets(value: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(value, validate=True)


def is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _unpadded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
