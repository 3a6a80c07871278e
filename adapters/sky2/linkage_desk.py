"""SKY2 as a client of the linkage server's business API: OAuth client credentials by client_secret_jwt, then inquiries."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from adapters.sky2.received import Answer
from keys.masked import Secret
from storage.fault_points import Step, declare
from transport.channel import ChannelError, RefusedByPeerError

SEND_TOKEN: Final = declare("sky2", "send.token")
SEND_INQUIRIES: Final = declare("sky2", "send.inquiries")
SEND_INQUIRY_RESULTS: Final = declare("sky2", "send.inquiry_results")
SEND_PUSH_TARGET: Final = declare("sky2", "send.push_target")

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE_S: Final = 60
_RENEW_BEFORE_S: Final = 30
_TIMEOUT_S: Final = 40.0
_JSON: Final = {"Content-Type": "application/json"}


class _Credentials(msgspec.Struct, frozen=True):
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return "<Credentials>"


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int

    def __repr__(self) -> str:
        return "<Token>"


class _Answers(msgspec.Struct, frozen=True):
    items: list[Answer]


class _Problem(msgspec.Struct, frozen=True):
    reason: str


class _PushTarget(msgspec.Struct, frozen=True):
    secret: str

    def __repr__(self) -> str:
        return "<PushTarget>"


_PUSH_TARGET: Final = msgspec.json.Decoder(_PushTarget)
_ANSWERS: Final = msgspec.json.Decoder(_Answers)
_TOKEN: Final = msgspec.json.Decoder(_Token)
_PROBLEM: Final = msgspec.json.Decoder(_Problem)


class CredentialsError(Exception):
    """client.json is missing or not what set-up writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """SKY2's own OAuth client at the linkage server."""

    client_id: str
    secret: Secret

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """Raises CredentialsError."""
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_Credentials)
        except (OSError, msgspec.DecodeError):
            raise CredentialsError("client.json is missing or not what `sekisho up` writes") from None
        return cls(client_id=stored.client_id, secret=Secret(stored.client_secret.encode()))

    def assertion(self, audience: str, now: datetime) -> str:
        """A JWT signed with the client secret, good for one use within a minute (RFC 7523 §3)."""
        issued = int(now.timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": issued,
            "exp": issued + _ASSERTION_LIFE_S,
            "jti": secrets.token_urlsafe(24),
        }
        head = _base64(msgspec.json.encode({"alg": "HS256", "typ": "JWT"}))
        text = f"{head}.{_base64(msgspec.json.encode(claims))}"
        # reveal: the key of the signature
        return f"{text}.{_base64(hmac.digest(self.secret.reveal(), text.encode(), 'sha256'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def inquiry_body(
    *, addressee_number: str, provider: str, item: str, information: str, purpose: str, staff: str, wait_ms: int
) -> bytes:
    """The bytes of one inquiry; they are stored before they are sent, so that a repetition sends the same."""
    wanted = {
        "addressee_number": addressee_number,
        "provider": provider,
        "item": item,
        "information": information,
        "items": [],
        "purpose": purpose,
        "staff": staff,
    }
    return msgspec.json.encode({"items": [wanted], "wait_ms": wait_ms})


class LinkageDesk:
    """照会受付 of the agency's linkage server. Every function raises ChannelError: nothing is known, ask again alike."""

    def __init__(
        self, client: aiohttp.ClientSession, base_url: str, credentials: Credentials, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._base = base_url.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    async def inquire(self, key: str, body: bytes) -> Answer:
        """One inquiry under its Idempotency-Key: asked again with the same key it is the same inquiry."""
        headers = _JSON | {"Idempotency-Key": key}
        return (await self._call("/v1/inquiries", body, headers, count=1, step=SEND_INQUIRIES))[0]

    async def results(self, inquiry_numbers: Sequence[str]) -> list[Answer]:
        """What became of inquiries; answers in order."""
        body = msgspec.json.encode({"items": [{"inquiry_number": number} for number in inquiry_numbers]})
        return await self._call(
            "/v1/inquiry-results", body, _JSON, count=len(inquiry_numbers), step=SEND_INQUIRY_RESULTS
        )

    async def have_changes_pushed(self, url: str, staff: str) -> Secret:
        """Changes of the people whom we hold, and that inquiries have results, go to `url` from now on, signed with the secret that comes back."""
        wanted = {"staff": staff, "kind": "webhook", "url": url, "new_secret": True, "inquiry_results": True}
        body = msgspec.json.encode(wanted)
        data = await self._authorised("/v1/push-targets", body, _JSON, SEND_PUSH_TARGET)
        try:
            return Secret(_PUSH_TARGET.decode(data).secret.encode())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ChannelError("peer_answer_malformed") from None

    async def _authorised(self, path: str, body: bytes, headers: dict[str, str], step: Step) -> bytes:
        token = await self._current_token()
        status, data = await self._post(path, body, headers | {"Authorization": f"Bearer {token}"}, step)
        if status == 401:
            self._drop(token)
            token = await self._current_token()
            status, data = await self._post(path, body, headers | {"Authorization": f"Bearer {token}"}, step)
        if status != 200:
            raise RefusedByPeerError(_reason(data))
        return data

    async def _call(self, path: str, body: bytes, headers: dict[str, str], *, count: int, step: Step) -> list[Answer]:
        data = await self._authorised(path, body, headers, step)
        try:
            answers = _ANSWERS.decode(data).items
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ChannelError("peer_answer_malformed") from None
        if len(answers) != count:
            raise ChannelError("peer_answer_malformed")
        return answers

    def _drop(self, token: str) -> None:
        if self._token == token:
            self._renew_at = 0.0

    async def _current_token(self) -> str:
        async with self._renewing:
            now = self._clock()
            if now.timestamp() < self._renew_at:
                return self._token
            url = f"{self._base}/oauth/token"
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._credentials.assertion(url, now),
            }
            status, data = await self._post("/oauth/token", aiohttp.FormData(form), {}, SEND_TOKEN)
            if status != 200:
                raise RefusedByPeerError(_reason(data))
            try:
                found = _TOKEN.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise ChannelError("peer_answer_malformed") from None
            self._token = found.access_token
            self._renew_at = now.timestamp() + found.expires_in - _RENEW_BEFORE_S
            return self._token

    async def _post(self, path: str, body: Any, headers: dict[str, str], step: Step) -> tuple[int, bytes]:
        step.before.reached()
        try:
            async with self._client.post(
                self._base + path,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                answer = response.status, await response.read()
        except TimeoutError:
            raise ChannelError("peer_timeout") from None
        except aiohttp.ClientSSLError:
            raise ChannelError("peer_tls") from None
        except (aiohttp.ClientError, OSError):
            raise ChannelError("peer_unreachable") from None
        step.after.reached()
        return answer


def _reason(data: bytes) -> str:
    try:
        reason = _PROBLEM.decode(data).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "peer_answer_malformed"
    return reason if len(reason) < 64 and reason.isidentifier() else "peer_answer_malformed"
