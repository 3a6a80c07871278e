"""Intermediate servers of the agencies in these tests: real TLS servers that keep codes and answer provisions, honestly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from adapters.jlis_mock.dishonest import payload_info, permit_claims
from evidence import canonical
from keys import labels
from keys.masked import Plaintext
from keys.sealing import key_hash, seal
from keys.signing import Signer
from transport import listener, tls
from transport.clock import Clock
from transport.tls import Identity


@dataclass
class Neighbours:
    """What they hold and have seen. `dispositions`: what to answer to the next provisions, else `provided`; `busy_s`: how long each takes, and each outcome."""

    signers: dict[str, Signer]
    codes: dict[tuple[str, str], bytes] = field(default_factory=dict)
    provisions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    dispositions: list[str] = field(default_factory=list)
    answered: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    busy_s: float = 0.0

    async def post_codes(self, request: web.Request) -> web.Response:
        agency = request.match_info["agency"]
        answers = []
        for item in (await _body(request))["items"]:
            self.codes[agency, item["acquisition_number"]] = base64.b64decode(item["code"])
            answers.append({"bound": True})
        return _answer(answers)

    async def post_outcomes(self, request: web.Request) -> web.Response:
        items = (await _body(request))["items"]
        self.outcomes += items
        await asyncio.sleep(self.busy_s)
        return _answer([{"received": True} for _ in items])

    async def post_provisions(self, request: web.Request) -> web.Response:
        agency = request.match_info["agency"]
        items = (await _body(request))["items"]
        self.provisions += items
        await asyncio.sleep(self.busy_s)
        return _answer([self.provide(agency, item) for item in items])

    def provide(self, agency: str, item: dict[str, Any]) -> dict[str, Any]:
        """The provider's checks of what a network could forge, then an answer; the same bytes get the same answer."""
        claims = permit_claims(item["permit"])
        public_key = base64.b64decode(item["public_key"])
        bound = hashlib.sha256(base64.b64decode(item["nonce"]) + base64.b64decode(item["code"])).hexdigest()
        seen = msgspec.json.encode(item).decode()
        before = self.answered.get(claims["permit_id"])
        if before is not None:
            return before[1] if before[0] == seen else self.outcome(agency, claims, public_key, "refused")
        if key_hash(public_key).hex() != claims["key_hash"]:
            return {"refused": {"reason": "permit_key_differs"}}
        if bound != claims["code_binding"]:
            return {"refused": {"reason": "permit_other_person"}}
        if claims["provider"] != agency:
            return {"refused": {"reason": "permit_other_party"}}
        disposition = self.dispositions.pop(0) if self.dispositions else "provided"
        if disposition == "retry":
            return {"retry": "busy"}
        answer = self.outcome(agency, claims, public_key, disposition)
        if disposition == "forged":  # other bytes each time, signed by nobody
            answer["signature"] = _text(bytes(64))
        elif disposition != "held":
            self.answered[claims["permit_id"]] = (seen, answer)
        return answer

    def outcome(self, agency: str, claims: dict[str, Any], public_key: bytes, disposition: str) -> dict[str, Any]:
        info = payload_info(claims)
        payload = canonical.encode({"kind": "answered", "records": []})
        sealed = seal(public_key, info, Plaintext(payload)) if disposition == "provided" else None
        body = canonical.encode(
            {
                "v": 1,
                "permit_id": claims["permit_id"],
                "inquiry_number": claims["inquiry_number"],
                "inquirer": claims["inquirer"],
                "provider": agency,
                "disposition": disposition,
                "reason": "permit_replayed" if disposition == "refused" else None,
                "info_digest": hashlib.sha256(info).hexdigest(),
                "sealed_digest": hashlib.sha256(sealed).hexdigest() if sealed else None,
                "at": canonical.timestamp(Clock()()),
            }
        )
        return {
            "outcome": _text(body),
            "signature": _text(self.signers[agency].sign(labels.OUTCOME, body)),
            "sealed": _text(sealed) if sealed else None,
        }

    @asynccontextmanager
    async def listening(self, identity: Identity) -> AsyncIterator[int]:
        app = web.Application()
        app.router.add_post("/{agency}/codes", self.post_codes)
        app.router.add_post("/{agency}/provisions", self.post_provisions)
        app.router.add_post("/{agency}/outcomes", self.post_outcomes)
        context = tls.server_context(identity, require_client=True)
        async with listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port:
            yield port


async def _body(request: web.Request) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(await request.read())
    return body


def _answer(items: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"checkpoint": None, "items": items})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
