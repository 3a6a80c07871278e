"""The core's own reading of the wire: permit requests, inquiry requests, codes, outcomes (docs/architecture.md).

Written apart from the intermediate server's reading on purpose. Decides the form; who may do what is decided elsewhere.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from evidence import canonical

LARGEST_REQUEST: Final = 10 * 1024
"""So that a permit, which repeats the request in base64, stays within the 16 KiB that its readers take."""
LARGEST_OUTCOME: Final = 16 * 1024

Agency = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,30}\Z")]
InquiryNumberText = Annotated[str, Meta(pattern=r"^Q[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
PermitIdText = Annotated[str, Meta(pattern=r"^K[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
AcquisitionNumberText = Annotated[str, Meta(pattern=r"^P[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Instant = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z")]
PeriodText = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
OPTIONAL: Final = ("non_disclosure", "period", "inquirer_for", "provider_for")
Words = Annotated[str, Meta(min_length=1, max_length=4_000, pattern=r"\A[^\x00]*\Z")]


class PermitAsk(Struct, forbid_unknown_fields=True):
    """IF_SKI_90001: `request` are the canonical bytes that A signed; `code` is A's own code of the person."""

    request: bytes
    signature: bytes
    code: bytes


class InquiryAsk(Struct, forbid_unknown_fields=True):
    """IF_SKI_90002: a permit presented with the one-time key and the request it was issued for."""

    permit: Annotated[str, Meta(max_length=16 * 1024)]
    public_key: bytes
    request: bytes
    signature: bytes


class LateOutcome(Struct, forbid_unknown_fields=True):
    """IF_TKY_90004: an outcome that was held or lost and comes by push."""

    permit_id: PermitIdText
    outcome: bytes
    signature: bytes
    sealed: bytes | None = None


class Revocation(Struct, forbid_unknown_fields=True):
    """IF_SKI_90045: a permit to be taken back."""

    permit_id: PermitIdText


class CodeAsk(Struct, forbid_unknown_fields=True):
    """IF_FGU_90008: the person reference under an acquisition number."""

    acquisition_number: AcquisitionNumberText
    person_ref: bytes


class Renewal(Struct, forbid_unknown_fields=True):
    """IF_FGU_90130: a code of the caller's own."""

    code: bytes


class InquiryRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """What A signed. `items` are sorted item names, empty for all of the layout.

    Said only when it is so: 不開示 (番号法23条2項), the period asked about, the agencies that have delegated asking or answering.
    """

    v: Literal[1]
    inquiry_number: InquiryNumberText
    inquirer: Agency
    provider: Agency
    basis: Words | None
    item: Words
    information: Words
    items: list[Words]
    list_digest: Digest
    key_hash: Digest
    expires_at: Instant
    non_disclosure: Literal[True] | UnsetType = UNSET
    period: PeriodText | UnsetType = UNSET
    inquirer_for: Agency | UnsetType = UNSET
    provider_for: Agency | UnsetType = UNSET

    @property
    def said(self) -> dict[str, Any]:
        """What this request says beyond what every one must."""
        found = {name: getattr(self, name) for name in OPTIONAL}
        return {name: value for name, value in found.items() if value is not UNSET}


class Outcome(Struct, forbid_unknown_fields=True, frozen=True):
    """What B signed about its provision."""

    v: Literal[1]
    permit_id: PermitIdText
    inquiry_number: InquiryNumberText
    inquirer: Agency
    provider: Agency
    disposition: Literal["provided", "not_provided", "held", "refused"]
    reason: Annotated[str, Meta(max_length=80)] | None
    info_digest: Digest | None
    sealed_digest: Digest | None
    at: Instant
    exchange_digest: Digest | None = None
    non_disclosure: Literal[True] | UnsetType = UNSET


class Refusal(Struct):
    reason: str


class Taken(Struct):
    """What an intermediate server answers to a code or a pushed outcome: one of the forms. Anything else is none."""

    bound: bool = False
    received: bool = False
    refused: Refusal | None = None
    retry: str | None = None


PERMIT_ASK: Final = msgspec.json.Decoder(PermitAsk)
INQUIRY_ASK: Final = msgspec.json.Decoder(InquiryAsk)
LATE_OUTCOME: Final = msgspec.json.Decoder(LateOutcome)
REVOCATION: Final = msgspec.json.Decoder(Revocation)
CODE_ASK: Final = msgspec.json.Decoder(CodeAsk)
RENEWAL: Final = msgspec.json.Decoder(Renewal)


def read_request(data: bytes) -> InquiryRequest | None:
    """The request, or None when the bytes are not its one canonical form."""
    if len(data) > LARGEST_REQUEST:
        return None
    try:
        request = msgspec.convert(canonical.decode(data), InquiryRequest)
        instant(request.expires_at)
        if request.period is not UNSET and not _in_order(request.period):
            return None
    except (canonical.NotCanonical, msgspec.ValidationError, ValueError, RecursionError):
        return None
    return request if request.items == sorted(set(request.items)) else None


def _in_order(period: str) -> bool:
    """Raises ValueError for a day that does not exist."""
    first, last = (date.fromisoformat(day) for day in period.split("/"))
    return first <= last


def read_outcome(data: bytes) -> Outcome | None:
    """The outcome, or None when the bytes are not its one canonical form."""
    if len(data) > LARGEST_OUTCOME:
        return None
    try:
        return msgspec.convert(canonical.decode(data), Outcome)
    except (canonical.NotCanonical, msgspec.ValidationError, RecursionError):
        return None


def read_taken(answer: object, done: Literal["bound", "received"]) -> dict[str, Any]:
    """An intermediate server's answer item as we hand it on: `done`, its refusal, or retry; never more than these words."""
    try:
        taken = msgspec.convert(answer, Taken)
    except (msgspec.ValidationError, RecursionError):
        return retry("peer_answer_malformed")
    if taken.refused is not None:
        return refused(reason_code(taken.refused.reason))
    if getattr(taken, done):
        return {done: True}
    return retry("peer_answer_malformed" if taken.retry is None else reason_code(taken.retry))


def reason_code(reason: object) -> str:
    """A peer's reason code, if it has the form of one: it goes into the log."""
    if isinstance(reason, str) and len(reason) <= 64 and reason.isascii() and reason.isidentifier():
        return reason
    return "provider_refused"


def instant(text: str) -> datetime:
    """The aware UTC instant of a timestamp on the wire. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused(reason: str) -> dict[str, Any]:
    """An answer item that says no."""
    return {"refused": {"reason": reason}}


def retry(reason: str) -> dict[str, Any]:
    """An answer item that says: ask again later with the same bytes."""
    return {"retry": reason}
