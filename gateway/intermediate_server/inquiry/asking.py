"""What an inquirer decides without asking anybody: whether to ask at all, what to sign, and whether an answer is to be believed. Pure.

An answer is believed when

1. the permit is the core's and says what we asked, no more and no less (PL-3);
2. the outcome is in canonical form and signed by the key that the agency register holds for the provider (SC-1);
3. the outcome is about this permit, this inquiry and these parties, and about the very bytes that we sent (SC-5);
4. its context digest is that of the context we build from our own records (DESIGN §5);
5. what is sealed has the digest that was signed, and opens with this inquiry's one-time key (SC-1);
6. of what was asked for by name nothing else is in it: more than was asked is not taken in (SC-5, SC-14).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.intermediate_server.network.wire import MessageBrokenError, Outcome, hexdigest, payload_info, read_outcome
from gateway.intermediate_server.outcomes import OutcomeKind
from keys import labels
from keys.masked import Secret
from keys.sealing import SealBroken, open_sealed
from permission_lists.permit import Permit, PermitBroken, matches_request, read_permit
from transport.register import Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A verified outcome; `payload` is the opened content (kind and records) or None when nothing was sealed."""

    outcome: Outcome
    payload: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """Why an answer is not believed: a stable reason code."""

    reason: str


def read_permit_for(register: Register, permit: str, request: bytes, now: datetime) -> Permit | Doubted:
    """Step 1."""
    # 1
    try:
        found = read_permit(permit, *register.permit_keys.accepted(now))
    except PermitBroken:
        return Doubted(reason="permit_signature")
    return found if matches_request(found, request) else Doubted(reason="permit_request_differs")


def told_by(
    register: Register, permit: Permit, exchange: bytes, outcome: bytes, signature: bytes, now: datetime
) -> Outcome | Doubted:
    """Steps 2 to 4: what its provider says became of an inquiry. `exchange`: digest of everything we sent under the permit."""
    # 2
    provider = register.agencies.get(permit.provider)
    if provider is None or not provider.signing_keys.verify(labels.OUTCOME, outcome, signature, now=now):
        return Doubted(reason="outcome_signature")
    try:
        said = read_outcome(outcome)
    except MessageBrokenError:
        return Doubted(reason="outcome_malformed")
    # 3
    if (said.permit_id, said.inquiry_number, said.inquirer, said.provider) != (
        permit.permit_id,
        permit.inquiry_number,
        permit.inquirer,
        permit.provider,
    ):
        return Doubted(reason="outcome_of_another_inquiry")
    if not hmac.compare_digest(said.exchange_digest, exchange.hex()):
        return Doubted(reason="outcome_of_other_bytes")
    # 4
    if not hmac.compare_digest(said.info_digest, hexdigest(payload_info(permit))):
        return Doubted(reason="outcome_context_differs")
    return said


def believe(
    register: Register,
    permit: Permit,
    exchange: bytes,
    outcome: bytes,
    signature: bytes,
    sealed: bytes | None,
    private: Secret,
    now: datetime,
) -> Believed | Doubted:
    """Steps 2 to 6. `exchange`: digest of everything we sent under the permit."""
    # 2 to 4
    said = told_by(register, permit, exchange, outcome, signature, now)
    if isinstance(said, Doubted):
        return said
    # 5
    if sealed is None or said.sealed_digest is None:
        same = sealed is None and said.sealed_digest is None and said.disposition in ("held", "refused")
        return Believed(outcome=said, payload=None) if same else Doubted(reason="payload_missing")
    if not hmac.compare_digest(said.sealed_digest, hexdigest(sealed)):
        return Doubted(reason="payload_tampered")
    try:
        # reveal: this is the inquirer, the only one who may read it; it goes sealed into the database and to the desk
        payload = open_sealed(private, payload_info(permit), sealed).reveal()
    except SealBroken:
        return Doubted(reason="payload_does_not_open")
    # 6
    if permit.items and _goes_beyond(payload, permit.items):
        return Doubted(reason="payload_beyond_request")
    return Believed(outcome=said, payload=payload)


def _goes_beyond(payload: bytes, wanted: Collection[str]) -> bool:
    """Whether some record holds an item that was not asked for; what is no payload at all is told as such later."""
    try:
        records = read_payload(payload).records
    except MessageBrokenError:
        return False
    return any(name not in wanted for record in records for name in record.get("items") or ())


class _Record(msgspec.Struct):
    """What a record is held to: its items are named, and each is a value or the reason of none."""

    items: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    data_set: str | None = None
    version: str | None = None


_KINDS: Final[Mapping[str, frozenset[OutcomeKind]]] = {
    "provided": frozenset({OutcomeKind.ANSWERED, OutcomeKind.EMPTY_BY_REASON}),
    "not_provided": frozenset({OutcomeKind.NO_SUCH_PERSON, OutcomeKind.NO_REPLICA, OutcomeKind.NONE_IN_PERIOD}),
}
"""By what a provider says in clear, what the sealed part may say (docs/outcomes.md)."""


class Payload(msgspec.Struct):
    """The opened content: a kind of `_KINDS`, and the records."""

    kind: str
    records: list[dict[str, Any]]


_PAYLOAD = msgspec.json.Decoder(Payload)


def read_payload(data: bytes) -> Payload:
    """Raises MessageBrokenError."""
    try:
        payload = _PAYLOAD.decode(data)
        msgspec.convert(payload.records, list[_Record])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MessageBrokenError("a payload that is not as documented") from None
    return payload


def check_payload(data: bytes, disposition: str) -> None:
    """Whether what is sealed is what the record will say: a kind of that disposition, and nobody's data where none was given.

    Raises MessageBrokenError.
    """
    payload = read_payload(data)
    if payload.kind not in _KINDS[disposition] or (payload.records and disposition != "provided"):
        raise MessageBrokenError("a payload that is not what its outcome says")
