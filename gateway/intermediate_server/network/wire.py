"""Messages of the network as this server reads and writes them (IF_SKI, IF_TKY, IF_FGU, IF_DBM of docs/architecture.md).

The simulated core has a codec of its own; the two meet on the socket and in golden vectors only. Binary travels as base64.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from evidence import canonical
from keys import labels
from keys.binding import bind
from keys.sealing import SUITE_XWING
from permission_lists.permit import Permit


class MessageBrokenError(Exception):
    """A signed message is not what the documentation says, or does not fit its signature."""


class Refusal(msgspec.Struct):
    reason: str


class PermitAnswer(msgspec.Struct):
    """Answer of IF_SKI_90001: exactly one of the three."""

    permit: str | None = None
    refused: Refusal | None = None
    retry: str | None = None


class OutcomeAnswer(msgspec.Struct):
    """Answer of IF_SKI_90002 and IF_TKY_90003: an outcome with its signature, or a refusal by the network, or `retry`."""

    outcome: bytes | None = None
    signature: bytes | None = None
    sealed: bytes | None = None
    refused: Refusal | None = None
    retry: str | None = None


class ProvisionItem(msgspec.Struct, forbid_unknown_fields=True):
    """One request of IF_TKY_90003."""

    permit: str
    public_key: bytes
    request: bytes
    signature: bytes
    code: bytes
    nonce: bytes


class LateOutcome(msgspec.Struct, forbid_unknown_fields=True):
    """One item of IF_TKY_90004 and IF_SKI_90005."""

    permit_id: str
    outcome: bytes
    signature: bytes
    sealed: bytes | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """情報照会: what the inquirer signs. `items` is sorted; empty means all items of the layout.

    What is not asked for is not said (docs/adr/0039): `non_disclosure` (番号法23条2項), `period` (codebook.periods), `inquirer_for` and
    `provider_for`, the agencies that have delegated asking or answering.
    """

    basis: str
    expires_at: str
    information: str
    inquirer: str
    inquiry_number: str
    item: str
    items: tuple[str, ...]
    key_hash: str
    list_digest: str
    provider: str
    v: int = 1
    non_disclosure: bool = False
    period: str | None = None
    inquirer_for: str | None = None
    provider_for: str | None = None

    def encode(self) -> bytes:
        """Canonical JSON: the bytes that are signed, sent, stored and sent again."""
        return canonical.encode(
            {
                name: list(value) if name == "items" else value
                for name, value in msgspec.structs.asdict(self).items()
                if value or name not in OPTIONAL
            }
        )


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider signs about one permit: what became of it, the digest of the bytes it judged, and of what it sealed."""

    at: str
    disposition: str
    exchange_digest: str
    info_digest: str
    inquirer: str
    inquiry_number: str
    permit_id: str
    provider: str
    reason: str | None
    sealed_digest: str | None
    v: int = 1
    non_disclosure: bool = False
    """Marked by the provider (番号法23条2項); not said when it is not."""

    def encode(self) -> bytes:
        said = msgspec.structs.asdict(self)
        return canonical.encode({name: value for name, value in said.items() if value or name not in OPTIONAL})


OPTIONAL = frozenset({"non_disclosure", "period", "inquirer_for", "provider_for"})
_CODE = re.compile(r"[a-z][a-z_]{0,63}")
_ASKED = msgspec.json.Decoder(Asked)
_OUTCOME = msgspec.json.Decoder(Outcome)
PERMIT_ANSWER = msgspec.json.Decoder(PermitAnswer)
PROVISION_ITEM = msgspec.json.Decoder(ProvisionItem)
LATE_OUTCOME = msgspec.json.Decoder(LateOutcome)


def read_asked(data: bytes) -> Asked:
    """Parse a signed request; it must be in canonical form, so that one request has one digest. Raises MessageBrokenError."""
    try:
        asked = _ASKED.decode(data)
        if asked.v != 1 or asked.encode() != data:
            raise MessageBrokenError("a request that is not in canonical form")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, canonical.NotCanonical):
        raise MessageBrokenError("a request that is not as documented") from None
    return asked


def reason_code(text: str | None) -> str:
    """A peer's reason if it has the form of a code, else `other`: it goes into records, and is no place for free text."""
    return text if text is not None and _CODE.fullmatch(text) else "other"


def read_outcome(data: bytes) -> Outcome:
    """Parse a signed outcome, canonical form only. Raises MessageBrokenError."""
    try:
        outcome = _OUTCOME.decode(data)
        if outcome.v != 1 or outcome.encode() != data:
            raise MessageBrokenError("an outcome that is not in canonical form")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, canonical.NotCanonical):
        raise MessageBrokenError("an outcome that is not as documented") from None
    return outcome


def payload_info(permit: Permit) -> bytes:
    """The context that a payload is bound to (DESIGN §5); each side builds it from its own records.

    What a request leaves unsaid adds nothing; what it says is bound by name.
    """
    said = [[name, "true" if value is True else value] for name in sorted(OPTIONAL) if (value := getattr(permit, name))]
    more = (said,) if said else ()
    return bind(
        labels.PAYLOAD,
        permit.permit_id,
        permit.inquiry_number,
        permit.inquirer,
        permit.provider,
        permit.basis,
        permit.item,
        permit.information,
        tuple(permit.items),
        canonical.timestamp(permit.answer_by),
        SUITE_XWING,
        bytes.fromhex(permit.key_hash),
        *more,
    )


def exchange_digest(permit: str, request: bytes, public_key: bytes, signature: bytes) -> bytes:
    """SHA-256 over everything the inquirer sent under a permit: the same bytes are a resend, others are a replay."""
    return hashlib.sha256(bind(permit, request, public_key, signature)).digest()


def hexdigest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def instant(text: str) -> datetime:
    """`2026-11-24T05:06:07.123Z` → aware UTC. Raises MessageBrokenError."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise MessageBrokenError("a time that is not as documented") from None


def encode_payload(kind: str, records: Sequence[dict[str, Any]]) -> bytes:
    """What is sealed: `kind` and the records asked for. Deterministic, so a release can be compared by hash."""
    return msgspec.json.encode({"kind": kind, "records": list(records)}, order="deterministic")
