"""An agency whose server is not ours (架空市長): the demonstration plays it, honestly for its codes and dishonestly for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import aiohttp
import msgspec

from adapters.jlis_mock.dishonest import DishonestPeer, DishonestProvider
from gateway.demonstration.stage import Stage
from keys.signing import Signer
from partner.mailbox import Mailbox
from partner.serving import application, serving
from synthetic.people import Person
from transport import channel, tls
from transport.role import RoleConfig
from transport.standing_register import StandingRegister

AGENCY = "tashi"
_TRIES = 60
_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """The agency's own server: what it needs to obtain a code, the peer that misbehaves with it, and what it says when it is asked."""

    peer: DishonestPeer
    provider: DishonestProvider
    linkage: aiohttp.ClientSession
    resident_network: str
    mailbox: Mailbox

    async def code_of(self, person: Person, now: datetime) -> bytes:
        """Obtain this agency's code of a person as every agency does (FGU): the code arrives at our own listener.

        While the network cannot reach us yet (we have only just begun to listen), the same request again.
        """
        number = self.mailbox.new_number(str(person.index), now)
        body = {"items": [{"acquisition_number": number, "individual_number": person.individual_number}]}
        url = f"{self.resident_network}/code-requests"
        for _ in range(_TRIES):
            answer = await channel.post(self.linkage, url, msgspec.json.encode(body), timeout_s=20)
            if "retry" not in msgspec.json.decode(answer)["items"][0]:
                break
            await asyncio.sleep(_AGAIN_S)
        return await self.mailbox.code(number)


def signer_of(config: RoleConfig, agency: str) -> Signer:
    return config.open_keys(agency).ring.signer("signing")


@asynccontextmanager
async def vendor(stage: Stage, mailbox: Mailbox | None = None) -> AsyncIterator[Vendor]:
    """Run the other vendor's server while the block lasts. `mailbox`: what it takes in with, when that is wrong (tests)."""
    config = stage.running.elsewhere(AGENCY)
    hosted = config.hosted[AGENCY]
    network = stage.running.url("network")
    mailbox = mailbox or Mailbox()
    signer = await asyncio.to_thread(signer_of, config, AGENCY)
    register = StandingRegister(config.register_path, config.register_root)
    provider = DishonestProvider(agency=AGENCY, signer=signer, register=register)
    app = application(register, mailbox, provider, AGENCY, config.clock)
    linkage = tls.Identity(
        certificate=hosted.identity.certificate.with_name(f"{AGENCY}-linkage.pem"),
        key=hosted.identity.key.with_name(f"{AGENCY}-linkage.key.pem"),
        ca=hosted.identity.ca,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(app, config.server, host=config.host, port=config.port))
        own = await stack.enter_async_context(channel.session(tls.client_context(hosted.identity, hosted.identity.ca)))
        acquiring = await stack.enter_async_context(channel.session(tls.client_context(linkage, linkage.ca)))
        peer = DishonestPeer(
            agency=AGENCY,
            client=own,
            signer=signer,
            core=network,
            interface=network,
        )
        yield Vendor(
            peer=peer,
            provider=provider,
            linkage=acquiring,
            resident_network=stage.running.url("resident-network"),
            mailbox=mailbox,
        )
