"""An agency whose server is not ours (架空市長): the demonstration plays it, honestly for its codes and dishonestly for everything else."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from adapters.jlis_mock.dishonest import DishonestPeer
from codebook.identifiers import ACQUISITION_PREFIX, new_sortable_id
from gateway.demonstration.stage import Stage
from keys.signing import Signer
from synthetic.people import Person
from transport import channel, listener, tls
from transport.role import RoleConfig

AGENCY = "tashi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """The agency's own server: what it needs to obtain a code, and the peer that misbehaves with it."""

    peer: DishonestPeer
    linkage: aiohttp.ClientSession
    resident_network: str
    codes: dict[str, bytes]

    async def code_of(self, person: Person, now: datetime) -> bytes:
        """Obtain this agency's code of a person as every agency does (FGU): the code arrives at our own listener."""
        number = new_sortable_id(ACQUISITION_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10))
        body = {"items": [{"acquisition_number": number, "individual_number": person.individual_number}]}
        await channel.post(
            self.linkage, f"{self.resident_network}/code-requests", msgspec.json.encode(body), timeout_s=20
        )
        for _ in range(100):
            if number in self.codes:
                return self.codes[number]
            await asyncio.sleep(0.05)
        raise RuntimeError("the code did not arrive")


def signer_of(config: RoleConfig, agency: str) -> Signer:
    return config.open_keys(agency).ring.signer("signing")


def _application(codes: dict[str, bytes]) -> web.Application:
    async def receive(request: web.Request) -> web.Response:
        items: list[dict[str, Any]] = msgspec.json.decode(await request.read())["items"]
        for item in items:
            codes[item["acquisition_number"]] = base64.b64decode(item["code"])
        return web.json_response({"checkpoint": None, "items": [{"bound": True} for _ in items]})

    app = web.Application()
    app.router.add_post(f"/{AGENCY}/codes", receive)
    return app


@asynccontextmanager
async def vendor(stage: Stage) -> AsyncIterator[Vendor]:
    """Run the other vendor's server while the block lasts."""
    config = stage.running.elsewhere(AGENCY)
    hosted = config.hosted[AGENCY]
    network = stage.running.url("network")
    codes: dict[str, bytes] = {}
    linkage = tls.Identity(
        certificate=hosted.identity.certificate.with_name(f"{AGENCY}-linkage.pem"),
        key=hosted.identity.key.with_name(f"{AGENCY}-linkage.key.pem"),
        ca=hosted.identity.ca,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            listener.listening(
                _application(codes),
                host=config.host,
                port=config.port,
                context=tls.server_context(config.server, require_client=True),
                metrics_port=config.metrics_port,
            )
        )
        own = await stack.enter_async_context(channel.session(tls.client_context(hosted.identity, hosted.identity.ca)))
        acquiring = await stack.enter_async_context(channel.session(tls.client_context(linkage, linkage.ca)))
        peer = DishonestPeer(
            agency=AGENCY,
            client=own,
            signer=await asyncio.to_thread(signer_of, config, AGENCY),
            core=network,
            interface=network,
        )
        yield Vendor(peer=peer, linkage=acquiring, resident_network=stage.running.url("resident-network"), codes=codes)
