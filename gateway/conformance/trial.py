"""What a conformance run plays: the network with its own identity and permit key, and an inquirer of the same data folder."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from adapters.jlis_mock.core.messages import OPTIONAL
from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from codebook.identifiers import PERMIT_PREFIX, new_sortable_id
from evidence.canonical import timestamp
from keys.sealing import OneTimeKey
from keys.signing import Signer
from partner.messages import Question, SignedRequest, envelope, hexdigest, sign_request, text
from permission_lists.model import PermissionRow
from transport import tls
from transport.clock import Clock
from transport.register import Register, Side
from transport.tls import Identity

NONCE_SIZE: Final = 32
PROVISIONS: Final = "provisions"
LIFE: Final = timedelta(hours=1)
"""Of a permit, from the run's beginning: a slow server is still in time at its end."""
LARGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; the few items of a check come to much less."""
MOST_SILENCES: Final = 3
"""Calls in a row that nobody answered in time, after which a run does not go on."""


class AnswerTooLargeError(aiohttp.ClientError):
    """More than `LARGEST_ANSWER`: the rest was not read."""


class TrialError(ValueError):
    """The run cannot begin; the message says why and what to do, in Japanese first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The provider's codes of the people that the run asks about. `barred` None: nobody was named, the step is left out.

    `pending`: an acquisition number that the server has given out and under which no code has come; None likewise. `awaited`: the code that
    the run brings under it, in a second run the same.
    """

    known: bytes
    unknown: bytes
    barred: bytes | None
    pending: str | None
    awaited: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the run listens in the network's place for what comes late: certificate, clock, and for how many seconds. `told`: what its engineer is to do."""

    host: str
    port: int
    seconds: float
    server: Identity
    clock: Clock
    told: Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Somebody of this folder who asks, and what."""

    agency: str
    signer: Signer
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One request under a permit as the network would pass it on, every part of which may be bent."""

    item: dict[str, str]
    claims: PermitClaims
    one_time_key: OneTimeKey


@dataclass(slots=True, kw_only=True)
class Trial:
    """`url`: the server's base with the agency in it. `asking`: who asks. `stranger`: an identity that must be turned away.

    `in_stead`: an inquiry that the list gives to who has delegated it, and not to who makes it. `strangers`: by side, an agency that has delegated
    nothing to the inquirer, or to the provider. None: there is none here. `unassessed`: who here may not ask today (28条), with the same question.
    `rows`: of the list that counts today, and those of other versions that are not in force today. `assessed`: whether the agency under test may
    provide at all today (28条). `listening` None: the run awaits nothing that comes late. `late`: what came so, item by item as it was sent.
    `within_s`: how long an answer is waited for. `silent`: how many calls in a row were not answered in time.
    """

    url: str
    agency: str
    register: Register
    network: Identity
    asking: Asking
    inquirer_identity: Identity
    stranger: Identity
    permit_signer: Signer
    people: People
    now: datetime
    in_stead: Asking | None
    strangers: Mapping[Side, str | None]
    rows: tuple[PermissionRow, ...]
    unassessed: tuple[Asking, ...]
    assessed: bool
    within_s: float
    listening: Listening | None
    late: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    silent: int = 0

    @property
    def inquirer(self) -> str:
        return self.asking.agency

    @property
    def question(self) -> Question:
        return self.asking.question

    def request(self, asking: Asking | None = None, **changes: Any) -> SignedRequest:
        """A request that the inquirer signed, or whoever else asks."""
        who = asking or self.asking
        question = replace(who.question, **{"expires_at": self.now + LIFE, **changes})
        return sign_request(question, agency=who.agency, signer=who.signer, now=self.now)

    def harmless(self, path: str) -> bytes:
        """A body for somebody who must be turned away before it is read."""
        return envelope([self.presented().item] if path == PROVISIONS else [])

    def presented(
        self,
        *,
        code: bytes | None = None,
        request: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        item: Mapping[str, str] | None = None,
        signer: Signer | None = None,
        stead: Asking | None = None,
    ) -> Presented:
        """A request that is in order, but for what is given: changes of the signed request, of the permit's claims, or of the item that is sent."""
        signed = self.request(stead, **(request or {}))
        asked = json.loads(signed.request)
        shown, nonce = code or self.people.known, secrets.token_bytes(NONCE_SIZE)
        permit = PermitClaims(
            permit_id=new_sortable_id(PERMIT_PREFIX, int(self.now.timestamp() * 1000), secrets.token_bytes(10)),
            **{name: asked[name] for name in ("inquiry_number", "inquirer", "provider", "basis", "item")},
            **{name: asked[name] for name in ("information", "items", "list_digest", "key_hash")},
            request_digest=hexdigest(signed.request),
            code_binding=hexdigest(nonce + shown),
            issued_at=timestamp(self.now),
            redeem_by=timestamp(self.now + LIFE / 2),
            answer_by=asked["expires_at"],
            **{name: asked[name] for name in OPTIONAL if name in asked},
        )
        bent = PermitClaims(**{**{name: getattr(permit, name) for name in permit.__struct_fields__}, **(claims or {})})
        sent = {
            "permit": write_permit(bent, signer or self.permit_signer),
            "public_key": text(signed.one_time_key.public),
            "request": text(signed.request),
            "signature": text(signed.signature),
            "code": text(shown),
            "nonce": text(nonce),
        }
        return Presented(item={**sent, **(item or {})}, claims=bent, one_time_key=signed.one_time_key)

    async def post(
        self, body: bytes, *, path: str, identity: Identity | None, newest: ssl.TLSVersion | None = None
    ) -> Answered:
        """POST to one of the server's paths as somebody. Raises aiohttp.ClientError, OSError, TimeoutError when there is no answer, or too long a one."""
        try:
            answered = await self._posted(body, path=path, identity=identity, newest=newest)
        except TimeoutError:
            self.silent += 1
            raise
        except (aiohttp.ClientError, OSError):
            self.silent = 0
            raise
        self.silent = 0
        return answered

    async def _posted(
        self, body: bytes, *, path: str, identity: Identity | None, newest: ssl.TLSVersion | None
    ) -> Answered:
        context = tls.client_context(identity, self.network.ca)
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        connector = aiohttp.TCPConnector(ssl=context)
        headers = {"Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=self.within_s)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.post(f"{self.url}/{path}", data=body, headers=headers, allow_redirects=False) as response,
        ):
            data = bytearray()
            async for block in response.content.iter_any():
                data += block
                if len(data) > LARGEST_ANSWER:
                    raise AnswerTooLargeError
            return Answered(status=response.status, content_type=response.content_type, body=bytes(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An HTTP answer as it came."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None
