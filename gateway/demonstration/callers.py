"""Whoever calls the running servers in the demonstration: business systems by OAuth, staff by certificate. The real interfaces, nothing else."""

from __future__ import annotations

import base64
import secrets
import ssl
import time
from typing import Any, Self

import aiohttp
import msgspec

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
        """POST JSON with a fresh Idempotency-Key unless one is given. Raises UnexpectedAnswerError."""
        headers = {
            "Authorization": f"Bearer {await self._bearer()}",
            "Content-Type": "application/json",
            "Idempotency-Key": key or secrets.token_hex(16),
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


class Staff:
    """A person with a certificate towards a server of their agency (or of the simulated network)."""

    def __init__(self, base: str, identity: Identity) -> None:
        self._base = base
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context(identity, identity.ca)),
            timeout=aiohttp.ClientTimeout(total=600),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: Any) -> Any:
        """Raises UnexpectedAnswerError."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        async with self._session.post(
            f"{self._base}{path}", data=msgspec.json.encode(body), headers=headers
        ) as response:
            return await _json(response)

    async def items(self, path: str, items: list[Any]) -> list[Any]:
        found: list[Any] = (await self.post(path, {"items": items}))["items"]
        return found

    async def download(self, path: str) -> bytes:
        async with self._session.get(f"{self._base}{path}") as response:
            if response.status != 200:
                raise UnexpectedAnswerError(f"{path}: {response.status}")
            return await response.read()
