"""A dishonest inquirer for tests and the demonstration: it speaks the wire by itself, with a real agency's identity.

It can ask for anything, present what it should not, and look at what comes back. What it must never get is an answer
that the permission list does not give it. Building functions are pure; the calls go over mutual TLS.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec

from codebook.identifiers import INQUIRY_PREFIX, new_sortable_id
from evidence import canonical
from keys import labels
from keys.binding import bind
from keys.sealing import SUITE_XWING, OneTimeKey, key_hash, new_one_time_key, open_sealed
from keys.signing import Signer
from transport import channel

DEFAULT_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to ask for. `list_digest`: hex; `basis` None: whatever is in force that day."""

    provider: str
    item: str
    information: str
    list_digest: str
    basis: str | None = None
    items: tuple[str, ...] = ()
    inquirer: str | None = None
    inquiry_number: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it is signed, sent and, if one likes, bent. `one_time_key` opens the answer."""

    inquiry_number: str
    request: bytes
    signature: bytes
    one_time_key: OneTimeKey

    def with_other_key(self) -> SignedRequest:
        """The same signed request with a one-time key that its hash does not cover."""
        return replace(self, one_time_key=new_one_time_key())

    def with_request(self, other: SignedRequest) -> SignedRequest:
        """The bytes of another signed request, to be presented under this one's permit."""
        return replace(self, request=other.request, signature=other.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class DishonestPeer:
    """`client`: a session with the agency's certificate; `signer`: its signing key; base URLs."""

    agency: str
    client: aiohttp.ClientSession
    signer: Signer
    core: str
    interface: str
    timeout_s: float = 20.0

    def build(self, wish: Wish, now: datetime) -> SignedRequest:
        """A request in the wire's canonical form, signed by this agency whoever it names as inquirer."""
        key = new_one_time_key()
        number = wish.inquiry_number or new_sortable_id(
            INQUIRY_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10)
        )
        request = canonical.encode(
            {
                "v": 1,
                "inquiry_number": number,
                "inquirer": wish.inquirer or self.agency,
                "provider": wish.provider,
                "basis": wish.basis,
                "item": wish.item,
                "information": wish.information,
                "items": sorted(wish.items),
                "list_digest": wish.list_digest,
                "key_hash": key_hash(key.public).hex(),
                "expires_at": canonical.timestamp(wish.expires_at or now + DEFAULT_LIFE),
            }
        )
        return SignedRequest(
            inquiry_number=number,
            request=request,
            signature=self.signer.sign(labels.INQUIRY, request),
            one_time_key=key,
        )

    async def ask_permits(self, asks: Sequence[tuple[SignedRequest, bytes]]) -> list[dict[str, Any]]:
        """IF_SKI_90001 for requests with the code to show for each. Raises ChannelError."""
        items = [
            {"request": _text(signed.request), "signature": _text(signed.signature), "code": _text(code)}
            for signed, code in asks
        ]
        return await self._post(f"{self.core}/permits", items)

    async def ask_permit(self, signed: SignedRequest, code: bytes) -> dict[str, Any]:
        """As `ask_permits`, for one."""
        return (await self.ask_permits([(signed, code)]))[0]

    async def present(self, permit: str, signed: SignedRequest) -> dict[str, Any]:
        """IF_SKI_90002: present a permit, its own or not, with this request and key. Raises ChannelError."""
        item = {
            "permit": permit,
            "public_key": _text(signed.one_time_key.public),
            "request": _text(signed.request),
            "signature": _text(signed.signature),
        }
        return (await self._post(f"{self.interface}/inquiries", [item]))[0]

    async def _post(self, url: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = msgspec.json.encode({"checkpoint": None, "items": items})
        answer = msgspec.json.decode(await channel.post(self.client, url, body, timeout_s=self.timeout_s))
        found: list[dict[str, Any]] = answer["items"]
        return found


def permit_claims(permit: str) -> dict[str, Any]:
    """What a permit says, unchecked."""
    part = permit.split(".")[1]
    claims: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def payload_info(claims: dict[str, Any]) -> bytes:
    """What the payload is bound to, by the permit's claims (docs/architecture.md, Payload info)."""
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
    )


def open_answer(answer: dict[str, Any], permit: str, key: OneTimeKey) -> dict[str, Any]:
    """The payload of a sealed answer. Raises SealBroken when it is not for this permit and key."""
    sealed = base64.b64decode(answer["sealed"])
    # reveal: a test or the demonstration shows what the inquirer received
    payload: dict[str, Any] = msgspec.json.decode(
        open_sealed(key.private, payload_info(permit_claims(permit)), sealed).reveal()
    )
    return payload


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
