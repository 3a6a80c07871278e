"""A synthetic citizen at the portal of a system on which the whole job has run."""

from __future__ import annotations

import asyncio
import base64
import ssl

from gateway.citizen_calls import CitizenCard, Device
from gateway.demonstration.exchanging import ASKERS, chosen
from keys.signing import Signer, generate_seed

WAIT_S = 20.0


def device_of(job) -> Device:
    context = ssl.create_default_context(cafile=str(job.system.running.client("juki").ca))
    return Device(url=job.system.running.url("portal"), context=context)


def suginami(job):
    return chosen(job.stage, ASKERS[2])


def card_of(job, person) -> CitizenCard:
    return asyncio.run(issued(job, person))


async def issued(job, person) -> CitizenCard:
    seed = generate_seed()
    item = {
        "individual_number": person.individual_number,
        "card_key": base64.b64encode(Signer(seed).public_key).decode(),
    }
    async with job.stage.staff("resident-network", "resident-network") as window:
        answer = (await window.items("/cards", [item]))[0]
    return CitizenCard(seed=seed, certificate=base64.b64decode(answer["certificate"]))


def see(device: Device, token: str, provider: str, information: str, items: list[str] | None = None) -> dict:
    return device.wait(token, device.request(token, provider, information, items or []), WAIT_S)
