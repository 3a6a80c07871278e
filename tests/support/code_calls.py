"""What a ward's linkage server, its staff and a business system ask about codes, through the real servers."""

from __future__ import annotations

import json

import aiohttp

from gateway.demonstration.stage import WARD
from tests.support.running_system import RESIDENTS
from transport.tls import client_context

STATED = {"staff": "shokuin-1", "affair": "resident-changes", "reason": "符号の確認"}


async def linkage(system, function, *items):
    """The ward's linkage server asks its intermediate server."""
    identity = system.running.role("linkage").hosted[WARD].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    url = f"{system.running.url('intermediate')}/{WARD}/{function}"
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, json={"items": items}) as answer,
    ):
        body = await answer.json(content_type=None)
        return body["items"] if answer.status == 200 else (answer.status, body["reason"])


async def requested(system, given, person):
    """The ward's linkage server asks the resident network for one code (IF_FGU_90007)."""
    identity = system.running.role("linkage").hosted[WARD].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    url = f"{system.running.url('resident-network')}/code-requests"
    item = {**given, "individual_number": person.individual_number}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, json={"items": [item]}) as answer,
    ):
        return json.loads(await answer.read())["items"][0]


async def number_of(system, person):
    async with system.administrator() as connection:
        found = await connection.fetchval(
            "select integrated_number from a_setagaya_linkage.addressee where business_system_id = $1 and addressee_number = $2",
            RESIDENTS,
            system.number(RESIDENTS, person),
        )
    return f"{found:015d}"


async def status(system, person):
    [answer] = await linkage(system, "code-status", {"integrated_number": await number_of(system, person)})
    return answer["status"]


async def renewals(system):
    async with system.stage.staff(WARD, "intermediate", "staff-1") as staff:
        return (await staff.items(f"/{WARD}/jobs", [{"kind": "code_renewal"}]))[0]["jobs"]


async def notices(system):
    [told] = await linkage(system, "notices", {})
    return [(one["kind"], one["text"]) for one in told["notices"]]


async def order(system, operation, person, ground, key):
    async with system.stage.system(RESIDENTS) as caller:
        body = {**STATED, "addressee_numbers": [system.number(RESIDENTS, person)], "ground": ground}
        return (await caller.post(f"/v1/code-requests/{operation}", body, key=key))["items"][0]
