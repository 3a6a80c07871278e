"""Asking as an agency: a permit from the core, then the inquiry under it, then the answer opened (IF_SKI_90001, IF_SKI_90002)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from evidence import canonical
from keys import labels
from keys.signing import Signer
from partner.calling import Caller
from partner.messages import (
    MessageBrokenError,
    Question,
    SignedRequest,
    exchange_digest,
    hexdigest,
    octets,
    open_answer,
    payload_info,
    permit_claims,
    sign_request,
    text,
)
from transport.register import Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker(Caller):
    """An agency that asks. `signer`: its signing key."""

    agency: str
    signer: Signer

    def build(self, question: Question, now: datetime) -> SignedRequest:
        return sign_request(question, agency=self.agency, signer=self.signer, now=now)

    async def ask_permits(self, asks: Sequence[tuple[SignedRequest, bytes]]) -> list[dict[str, Any]]:
        """IF_SKI_90001 for requests with the code to show for each: `permit`, `refused` or `retry`. Raises ChannelError."""
        items = [
            {"request": text(signed.request), "signature": text(signed.signature), "code": text(code)}
            for signed, code in asks
        ]
        return await self._post(f"{self.core}/permits", items)

    async def ask_permit(self, signed: SignedRequest, code: bytes) -> dict[str, Any]:
        """As `ask_permits`, for one."""
        return (await self.ask_permits([(signed, code)]))[0]

    async def present(self, permit: str, signed: SignedRequest) -> dict[str, Any]:
        """IF_SKI_90002: present a permit with its request and key. After `retry`, again with the same bytes. Raises ChannelError."""
        return (await self._post(f"{self.interface}/inquiries", [presented(permit, signed)]))[0]


def presented(permit: str, signed: SignedRequest) -> dict[str, str]:
    """An item of IF_SKI_90002."""
    return {
        "permit": permit,
        "public_key": text(signed.one_time_key.public),
        "request": text(signed.request),
        "signature": text(signed.signature),
    }


class DoubtedError(MessageBrokenError):
    """An answer that is not to be believed; `reason`: the code under which the documents name what is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_answer(
    register: Register, answer: Mapping[str, Any], permit: str, signed: SignedRequest, now: datetime
) -> dict[str, Any]:
    """The payload of an answer that is the provider's own, for exactly what was asked. Raises DoubtedError, SealBroken.

    Steps 1 to 4 as in `check_outcome`; 5. what is sealed opens with the one-time key  6. of what was asked for by name nothing else is in it.
    """
    # 1, 2, 3, 4
    check_outcome(register, answer, permit, signed, now)
    # 5
    if answer.get("sealed") is None:
        raise DoubtedError("payload_missing")
    try:
        payload = open_answer(answer, permit, signed.one_time_key)
        names = [name for record in payload["records"] for name in record["items"]]
    except (KeyError, TypeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DoubtedError("payload_malformed") from None
    # 6
    wanted = permit_claims(permit)["items"]
    if wanted and not set(names) <= set(wanted):
        raise DoubtedError("payload_beyond_request")
    return payload


def check_outcome(
    register: Register, answer: Mapping[str, Any], permit: str, signed: SignedRequest, now: datetime
) -> dict[str, Any]:
    """What the provider has signed of this inquiry: `disposition` and `reason` among it. Raises DoubtedError.

    1. The permit is the core's and for this request  2. the provider signed the outcome  3. of this inquiry, of these bytes and in this context
    4. what is sealed is what it names, and something is, or is not, as its disposition says.
    """
    # 1
    try:
        claims = permit_claims(permit, register.permit_keys.accepted(now))
    except MessageBrokenError:
        raise DoubtedError("permit_signature") from None
    if claims["request_digest"] != hexdigest(signed.request):
        raise DoubtedError("permit_request_differs")
    # 2
    provider = register.agencies.get(claims["provider"])
    outcome, signature, sealed = _parts(answer)
    if provider is None or not provider.signing_keys.verify(labels.OUTCOME, outcome, signature, now=now):
        raise DoubtedError("outcome_signature")
    said = _said(outcome)
    # 3
    if any(said.get(name) != claims[name] for name in ("permit_id", "inquiry_number", "inquirer", "provider")):
        raise DoubtedError("outcome_of_another_inquiry")
    if said.get("exchange_digest") != exchange_digest(presented(permit, signed)):
        raise DoubtedError("outcome_of_other_bytes")
    if said.get("info_digest") != hexdigest(payload_info(claims)):
        raise DoubtedError("outcome_context_differs")
    # 4
    if (sealed is None) != (said.get("disposition") in {"held", "refused"}):
        raise DoubtedError("payload_missing")
    if said.get("sealed_digest") != (None if sealed is None else hexdigest(sealed)):
        raise DoubtedError("payload_tampered")
    return said


def _parts(answer: Mapping[str, Any]) -> tuple[bytes, bytes, bytes | None]:
    """Outcome, signature, and what is sealed. Raises DoubtedError."""
    try:
        sealed = None if answer.get("sealed") is None else octets(answer["sealed"])
        return octets(answer["outcome"]), octets(answer["signature"]), sealed
    except (KeyError, TypeError, ValueError):
        raise DoubtedError("outcome_malformed") from None


def _said(outcome: bytes) -> dict[str, Any]:
    """What was signed, in its one form. Raises DoubtedError."""
    try:
        said = canonical.decode(outcome)
    except (ValueError, RecursionError, canonical.NotCanonical):
        raise DoubtedError("outcome_malformed") from None
    if not isinstance(said, dict):
        raise DoubtedError("outcome_malformed")
    return said
