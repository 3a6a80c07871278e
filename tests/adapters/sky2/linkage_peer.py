"""A linkage server of tests: a real TLS server that speaks the documented token endpoint and inquiry desk."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from codebook.identifiers import new_sortable_id
from transport import tls
from transport.clock import Clock

CLIENT_ID = "sky2-client"
CLIENT_SECRET = "a client secret of tests"
Answer = Mapping[str, Any]


def answered(data_set: str, items: Mapping[str, Any], *more: tuple[str, Mapping[str, Any]]) -> Answer:
    sets = [(data_set, items), *more]
    values = [{"data_set": name, "version": "0001", "items": dict(found)} for name, found in sets]
    return {"state": "answered", "outcome": "answered", "reason": None, "values": values}


def ended(state: str, outcome: str, reason: str | None = None) -> Answer:
    return {"state": state, "outcome": outcome, "reason": reason, "values": None}


def under_way(state: str) -> Answer:
    return {"state": state, "outcome": "held" if state == "held" else None, "reason": None, "values": None}


@dataclass
class Kept:
    """One inquiry by its Idempotency-Key; `script`: what is answered, step by step, the last for ever."""

    number: str
    body: bytes
    script: list[Answer]

    def next(self) -> dict[str, Any]:
        step = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        return {"inquiry_number": self.number, **step}


@dataclass
class LinkagePeer:
    """`scripts`: addressee number → answers. `kept`: what was asked, by key."""

    url: str = ""
    scripts: dict[str, list[Answer]] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    wanted: list[dict[str, Any]] = field(default_factory=list)
    conflicts: int = 0
    tokens: int = 0
    push_secret: str = ""
    push_targets: list[dict[str, Any]] = field(default_factory=list)
    down: bool = False
    forget_tokens: bool = False
    _assertions: set[str] = field(default_factory=set)
    _valid: set[str] = field(default_factory=set)

    async def post_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        head, body, tag = str(form["client_assertion"]).split(".")
        claims = msgspec.json.decode(_decode(body))
        expected = hmac.digest(CLIENT_SECRET.encode(), f"{head}.{body}".encode(), "sha256")
        life = claims["exp"] - Clock()().timestamp()
        proven = (
            msgspec.json.decode(_decode(head))["alg"] == "HS256"
            and hmac.compare_digest(expected, _decode(tag))
            and claims["iss"] == claims["sub"] == CLIENT_ID
            and claims["aud"] == f"{self.url}/oauth/token"
            and 0 < life <= 600
            and claims["jti"] not in self._assertions
            and form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            and form["grant_type"] == "client_credentials"
        )
        if not proven:
            return _problem(401, "invalid_client")
        self._assertions.add(claims["jti"])
        self.tokens += 1
        token = f"setagaya.token{self.tokens}"
        self._valid.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": ""})

    async def post_inquiries(self, request: web.Request) -> web.Response:
        body, key = await request.read(), request.headers["Idempotency-Key"]
        if (refusal := self._refusal(request)) is not None:
            return refusal
        [wanted] = msgspec.json.decode(body)["items"]
        if key not in self.kept:
            script = list(self.scripts.get(wanted["addressee_number"], [ended("not_provided", "no_replica")]))
            number = new_sortable_id("Q", len(self.kept), b"\x07" * 10)
            self.kept[key] = Kept(number=number, body=body, script=script)
            self.wanted.append(wanted)
        if self.kept[key].body != body:
            self.conflicts += 1
            return _problem(422, "idempotency_key_reused")
        return web.json_response({"items": [self.kept[key].next()]})

    async def post_results(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        by_number = {kept.number: kept for kept in self.kept.values()}
        wanted = msgspec.json.decode(await request.read())["items"]
        return web.json_response({"items": [by_number[one["inquiry_number"]].next() for one in wanted]})

    async def post_push_target(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.push_targets.append(msgspec.json.decode(await request.read()))
        self.push_secret = f"push secret {len(self.push_targets)}"
        return web.json_response({"kind": "webhook", "state": "on", "secret": self.push_secret})

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.down:
            return _problem(503, "intermediate_server_unavailable")
        if self.forget_tokens:
            self.forget_tokens = False
            self._valid.clear()
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._valid:
            return _problem(401, "token_invalid")
        return None


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _problem(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason, "status": status}, status=status)


@asynccontextmanager
async def linkage_peer(identity: tls.Identity, port: int) -> AsyncIterator[LinkagePeer]:
    peer = LinkagePeer(url=f"https://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_post("/oauth/token", peer.post_token)
    app.router.add_post("/v1/inquiries", peer.post_inquiries)
    app.router.add_post("/v1/inquiry-results", peer.post_results)
    app.router.add_post("/v1/push-targets", peer.post_push_target)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls.server_context(identity, require_client=False)).start()
    try:
        yield peer
    finally:
        await runner.cleanup()
