"""Whoever calls the running servers in the demonstration: business systems by OAuth, staff by log-in at a terminal. The real interfaces, nothing else."""

from __future__ import annotations

import base64
import secrets
import ssl
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import msgspec

from gateway import staff_cards
from gateway.staff_cards import StaffSecrets
from keys.signing import Signer
from transport.tls import Identity, client_context


class UnexpectedAnswerError(Exception):
    """A server answered otherwise than the demonstration expects; the message is path and reason code."""


async def _json(response: aiohttp.ClientResponse) -> Any:
    data = await response.read()
    if response.status >= 400:
        try:
            reason = msgspec.json.decode(data).get("reason", "no_reason")
        except (msgspec.DecodeError, RecursionError, AttributeError):
            reason = "no_problem_document"
        raise UnexpectedAnswerError(f"{response.url.path}: {response.status} {reason}")
    return msgspec.json.decode(data)


class BusinessSystem:
    """A business system: signs in with its client id, then calls the linkage server's API."""

    def __init__(self, base: str, client_id: str, secret: str, ca: ssl.SSLContext) -> None:
        self._base = base
        self._basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ca, limit=256), timeout=aiohttp.ClientTimeout(total=600)
        )
        self._token = ""
        self._until = 0.0
        self.client_id = client_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _bearer(self) -> str:
        if time.monotonic() > self._until:
            async with self._session.post(
                f"{self._base}/oauth/token",
                data={"grant_type": "client_credentials"},
                headers={"Authorization": f"Basic {self._basic}"},
            ) as response:
                answer = await _json(response)
            self._token = answer["access_token"]
            self._until = time.monotonic() + answer["expires_in"] / 2
        return self._token

    async def post(self, path: str, body: Any, *, key: str | None = None) -> Any:
        """POST JSON with a fresh Idempotency-Key unless one is given. Raises UnexpectedAnswerError.

        A token that has expired (a simulated clock may jump) is asked for anew.
        """
        key = key or secrets.token_hex(16)
        try:
            return await self._post(path, body, key)
        except UnexpectedAnswerError as problem:
            if not str(problem).endswith(": 401 token_expired"):
                raise
        self._until = 0.0
        return await self._post(path, body, key)

    async def _post(self, path: str, body: Any, key: str) -> Any:
        headers = {
            "Authorization": f"Bearer {await self._bearer()}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        async with self._session.post(
            f"{self._base}{path}", data=msgspec.json.encode(body), headers=headers
        ) as response:
            return await _json(response)

    async def download(self, path: str) -> bytes:
        """Raises UnexpectedAnswerError."""
        async with self._session.get(
            f"{self._base}{path}", headers={"Authorization": f"Bearer {await self._bearer()}"}
        ) as response:
            if response.status != 200:
                raise UnexpectedAnswerError(f"{path}: {response.status}")
            return await response.read()

    async def inquire(
        self, items: list[dict[str, Any]], *, wait_ms: int = 20_000, key: str | None = None
    ) -> list[dict[str, Any]]:
        answer = await self.post("/v1/inquiries", {"items": items, "wait_ms": wait_ms}, key=key)
        found: list[dict[str, Any]] = answer["items"]
        return found


@dataclass(slots=True, kw_only=True)
class Worker:
    """A synthetic member of staff: what they know and have, and the session that they have open (none: empty)."""

    agency: str
    staff_id: str
    known: StaffSecrets
    card: Signer
    reason: str = "held_review"
    token: str = ""


class Staff:
    """A terminal of an agency (or of the simulated network), and whoever has logged in at it. A session that is over is opened anew."""

    def __init__(self, base: str, identity: Identity, worker: Worker | None = None) -> None:
        self._base = base
        self._worker = worker
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context(identity, identity.ca)),
            timeout=aiohttp.ClientTimeout(total=600),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _request(self, method: str, path: str, body: Any, token: str) -> bytes:
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, f"{self._base}{path}", data=data, headers=headers) as response:
            if response.status != 200:
                await _json(response)
            return await response.read()

    async def _call(self, method: str, path: str, body: Any) -> bytes:
        """As the worker, whose session is opened when there is none; once more when it has ended."""
        worker = self._worker
        if worker is None:
            return await self._request(method, path, body, "")
        if worker.token:
            try:
                return await self._request(method, path, body, worker.token)
            except UnexpectedAnswerError as problem:
                if not str(problem).endswith("401 session_ended"):
                    raise
        await self.log_in()
        return await self._request(method, path, body, worker.token)

    async def prove(self, purpose: str) -> dict[str, str]:
        """Both factors of the worker for one purpose. Raises UnexpectedAnswerError."""
        worker = self._person()
        asked = [{"staff_id": worker.staff_id, "purpose": purpose}]
        answer = await self._request("POST", f"/{worker.agency}/staff/challenges", {"items": asked}, "")
        challenge = msgspec.json.decode(answer)["items"][0]["challenge"]
        return staff_cards.proof(worker.card, worker.agency, worker.staff_id, worker.known.password, purpose, challenge)

    async def log_in(self) -> dict[str, Any]:
        """Open a session with both factors. Raises UnexpectedAnswerError."""
        worker = self._person()
        item = {"staff_id": worker.staff_id, "proof": await self.prove("log_in"), "reason": worker.reason}
        answer = await self._request("POST", f"/{worker.agency}/staff/log-in", {"items": [item]}, "")
        opened: dict[str, Any] = msgspec.json.decode(answer)["items"][0]
        worker.token = opened["session"]
        return opened

    def _person(self) -> Worker:
        if self._worker is None:
            raise TypeError("nobody sits at this terminal")
        return self._worker

    async def post(self, path: str, body: Any) -> Any:
        """Raises UnexpectedAnswerError."""
        return msgspec.json.decode(await self._call("POST", path, body))

    async def items(self, path: str, items: list[Any]) -> list[Any]:
        found: list[Any] = (await self.post(path, {"items": items}))["items"]
        return found

    async def download(self, path: str) -> bytes:
        return await self._call("GET", path, None)
