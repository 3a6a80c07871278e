"""Who may call what: bearer tokens, scopes (denied unless granted), and the retry identity of a changing request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web
from prometheus_client import Counter

from gateway.api import tokens
from gateway.api.attempts import Attempts
from gateway.api.clients import Client, ClientStore
from gateway.api.standings import Standings
from gateway.api.tokens import Caller
from keys.ring import Keyring
from storage.committer import Committer
from storage.keepers import KeysClosedError
from transport.problem import Handler, ProblemError

CALLER = web.RequestKey("caller", Caller)
REFUSED = Counter("sekisho_api_refused", "Calls of the business API that were refused", ["reason"])
_KEY = re.compile(r"[!-~]{1,120}")
_RANDOM = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORTEST_NUMBER: Final = 10
_PROTECTED: Final = "/v1/"

Closed = Callable[[str | None, str | None], Awaitable[bool]]
"""Whether the ring of a client's agency, or of a named one, is hosted here and not open."""
_CLOSED: Final = "the agency's ring is not open"
Recorder = Callable[[str, str, str | None], Awaitable[None]]
"""Records `access.refused`: agency, reason, client id or None."""
Made = Callable[[str, str], Awaitable[None]]
"""What is to be done when a client was made: agency, business system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One hosted agency as the API sees it."""

    agency: str
    clients: ClientStore
    ring: Keyring
    standings: Standings
    committer: Committer


class Doors:
    """The hosted agencies by id, and by client: a client id is unique in the process."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        *,
        clock: Callable[[], datetime],
        record: Recorder,
        closed: Closed,
        made: Made,
        issuer: str | None = None,
    ) -> None:
        self.by_agency = doors
        self.clock = clock
        self.issuer = issuer
        self.attempts = Attempts(lambda: clock().timestamp())
        self._record = record
        self._closed = closed
        self._made = made
        self._agencies: dict[str, str] = {}
        self._read_at = 0.0
        self._read_of = 0
        self._reading = asyncio.Lock()

    async def find_client(self, client_id: str) -> Client | None:
        """The client as registered now. An unknown id makes us look through all agencies again, at most once a second
        unless an agency was opened since.

        Raises KeysClosedError for a client of an agency whose ring is not open.
        """
        async with self._reading:  # whoever comes while the clients are being read waits for what was read
            stale = len(self.by_agency) != self._read_of or self.clock().timestamp() - self._read_at > 1.0
            if client_id not in self._agencies and stale:
                self._read_of = len(self.by_agency)
                there = list(self.by_agency.items())  # agencies come and go while their clients are read
                self._agencies = {found: name for name, door in there for found in await door.clients.ids()}
                self._read_at = self.clock().timestamp()
        door = self.by_agency.get(self._agencies.get(client_id, ""))
        if door is None and await self._closed(client_id, None):
            raise KeysClosedError(_CLOSED)
        return await door.clients.find(client_id) if door else None

    async def learn(self, client_id: str, agency: str, system: str) -> None:
        """A client that was just made is known at once, and its business system finds what it needs."""
        self._agencies[client_id] = agency
        await self._made(agency, system)

    async def refuse(self, agency: str | None, reason: str, client_id: str | None) -> None:
        """Put a refusal on record: in the log of the agency that is known, or of the first that this process hosts."""
        REFUSED.labels(reason).inc()
        known = agency if agency is not None and agency in self.by_agency else next(iter(self.by_agency), None)
        if known is None:
            raise KeysClosedError(_CLOSED)
        await self._record(known, reason, client_id)

    async def caller(self, request: web.Request) -> Caller:
        """Who shows this token, with what its client may do now. Raises ProblemError 401, StorageUnavailableError."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ProblemError(
                401, "token_missing", "Ask /oauth/token for an access token and send it as a Bearer token."
            )
        agency = tokens.agency_of(token)
        door = self.by_agency.get(agency)
        shown = tokens.read(token, agency, door.ring) if door else None
        if door is None and await self._closed(None, agency):
            raise KeysClosedError(_CLOSED)
        if door is None or shown is None:
            await self.refuse(agency, "token_invalid", None)
            raise ProblemError(401, "token_invalid", "This access token was not issued here; ask /oauth/token for one.")
        now = self.clock()
        if shown.expires <= now.timestamp():
            raise ProblemError(401, "token_expired", "The access token has expired; ask /oauth/token for a new one.")
        caller = await door.standings.of(shown, now)
        if caller is None:
            await self.refuse(agency, "token_revoked", shown.client_id)
            raise ProblemError(
                401,
                "token_revoked",
                "The access token is no longer good; ask /oauth/token for a new one, or your agency.",
            )
        return caller

    async def standing(self, token: str, agency: str) -> Caller | None:
        """What a token of this agency may be used for now; None for every other token and every dead one. Raises StorageUnavailableError."""
        door = self.by_agency[agency]
        shown = tokens.read(token, agency, door.ring) if tokens.agency_of(token) == agency else None
        return await door.standings.of(shown, self.clock()) if shown else None


DOORS = web.AppKey("doors", Doors)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Below /v1/ nothing is answered without a token."""
    if request.path.startswith(_PROTECTED):
        request[CALLER] = await request.app[DOORS].caller(request)
    return await handler(request)


async def require(request: web.Request, resource: str, operation: str) -> Caller:
    """The caller, if the token has the scope; else the refusal is recorded. Raises ProblemError 403."""
    caller = request[CALLER]
    if not caller.may(resource, operation):
        await request.app[DOORS].refuse(caller.agency, "scope_missing", caller.client_id)
        raise scope_missing()
    return caller


def scope_missing() -> ProblemError:
    return ProblemError(
        403, "scope_missing", "This client is not granted the scope that the call needs; see /openapi.json."
    )


def idempotency_key(request: web.Request) -> str:
    """The `Idempotency-Key` header. Raises ProblemError 400 when it is missing or is not 1 to 120 visible ASCII characters.

    A key of ten digits or more and nothing but marks between them is somebody's number, not a key; UUIDs and 32 hex digits are always taken.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise ProblemError(
            400, "idempotency_key_missing", "Send an Idempotency-Key header; a retry repeats key and body."
        )
    if not _KEY.fullmatch(key) or (_is_number(key) and not _RANDOM.fullmatch(key)):
        raise ProblemError(
            400,
            "idempotency_key_malformed",
            "An Idempotency-Key is 1 to 120 visible ASCII characters without a number of a person; a UUID does.",
        )
    return key


def _is_number(key: str) -> bool:
    bare = re.sub(r"[^0-9A-Za-z]", "", key)
    return bare.isdigit() and len(bare) >= _SHORTEST_NUMBER
