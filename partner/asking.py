"""Asking as an agency: a permit from the core, then the inquiry under it, then the answer opened (IF_SKI_90001, IF_SKI_90002)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

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


def read_answer(
    register: Register, answer: dict[str, Any], permit: str, signed: SignedRequest, now: datetime
) -> dict[str, Any]:
    """The payload of an answer that is the provider's own, for exactly what was asked. Raises MessageBrokenError, SealBroken.

    1. The permit is the core's and for this request  2. the provider signed the outcome  3. of this exchange and context
    4. the sealed bytes are those it names  5. they open with the one-time key  6. of what was asked for by name nothing else is in them.
    """
    # 1
    claims = permit_claims(permit, register.permit_keys.accepted(now))
    if claims["request_digest"] != hexdigest(signed.request):
        raise MessageBrokenError("a permit for another request")
    # 2
    outcome = octets(answer["outcome"])
    provider = register.agencies[claims["provider"]]
    if not provider.signing_keys.verify(labels.OUTCOME, outcome, octets(answer["signature"]), now=now):
        raise MessageBrokenError("an outcome that the provider did not sign")
    # 3
    said: dict[str, Any] = msgspec.json.decode(outcome)
    named = {name: claims[name] for name in ("permit_id", "inquiry_number", "inquirer", "provider")}
    context = named | {
        "exchange_digest": exchange_digest(presented(permit, signed)),
        "info_digest": hexdigest(payload_info(claims)),
    }
    if {name: said.get(name) for name in context} != context:
        raise MessageBrokenError("an outcome of another exchange")
    # 4
    if answer.get("sealed") is None:
        raise MessageBrokenError("an outcome without an answer")
    if said.get("sealed_digest") != hexdigest(octets(answer["sealed"])):
        raise MessageBrokenError("an answer that the outcome does not name")
    # 5
    payload = open_answer(answer, permit, signed.one_time_key)
    # 6
    wanted = claims["items"]
    if wanted and any(name not in wanted for record in payload["records"] for name in record["items"]):
        raise MessageBrokenError("an answer that goes beyond the request")
    return payload
