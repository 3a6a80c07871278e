"""One system on which the whole job has run, for the tests that look at what it left behind; and a ward with a partner beside it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from gateway.demonstration import loading
from gateway.demonstration.run import STEPS
from gateway.demonstration.stage import WARD, Stage
from gateway.setting_up.ports import untaken
from gateway.topology import shipped
from partner.connection import Connection
from synthetic.people import Person
from tests.support.partner_world import connected
from tests.support.running_system import System, quick_stage, started
from transport.clock import Clock

RESIDENTS = 800
"""Enough that two provisions are held (自動応答不可) and every kind of bad row is in the file once."""


@dataclass(kw_only=True)
class Job:
    """The whole job, done: the running servers, its stage, and the body of every error that was provoked on the way.

    `terminal_port`: where the ward's servers let a browser's card speak.
    """

    system: System
    stage: Stage
    terminal_port: int
    errors: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """Load with planted errors, codes, replicas, inquiries, refusals, held provisions: the demonstration's steps, then errors."""
    roles = tuple(shipped().roles)
    port = untaken(1)[0]
    options = {
        "sky2": {"account_item": "42", "unemployment_item": "44"},
        "intermediate": {"staff_origins": [f"http://localhost:{port}"]},
    }
    with started(tmp_path_factory.mktemp("job"), roles=roles, role_options=options) as running:
        made = Job(system=System(running=running), stage=quick_stage(running, RESIDENTS), terminal_port=port)
        asyncio.run(_do(made))
        yield made


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """For tests of partners: the ward at work, a folder of the partner's own, and the partner's port."""
    with connected(tmp_path_factory.mktemp("partner")) as found:
        yield found


@pytest.fixture
def connection(world) -> Connection:
    """The partner's."""
    system, own, _ = world
    return Connection.read(own, system.running.data.clients / "partner")


@pytest.fixture
def clock(world) -> Clock:
    """The network's."""
    return world[0].running.role("network").clock


async def _do(job: Job) -> None:
    await loading.populate_resident_network(job.stage)
    for step in STEPS:
        await step(job.stage)
    await _provoke(job)


async def _provoke(job: Job) -> None:
    """Every kind of error, each with personal values in what was sent."""
    stage, person = job.stage, job.stage.people[0]
    token = await _token(job, "juki")
    base = stage.running.url("linkage")
    row = _row(job, person)
    bearer = {"Authorization": f"Bearer {token}"}

    def posting(path: str, body: Any, **headers: str) -> Callable[[aiohttp.ClientSession], Awaitable[bytes]]:
        async def call(session: aiohttp.ClientSession) -> bytes:
            given = {**bearer, "Idempotency-Key": secrets.token_hex(8), **headers}
            sent = {"data": body} if isinstance(body, bytes) else {"json": body}
            async with session.post(f"{base}{path}", headers=given, **sent) as response:
                assert response.status >= 400, path
                return f"{response.status}\n{response.headers}\n".encode() + await response.read()

        return call

    question = job.system.from_the_ward(person)
    number = person.individual_number
    calls = {
        "400 body": posting("/v1/addressees", b'{"items": [' + str(row).encode() + b"}"),
        "400 item": posting("/v1/addressees", {"items": [{**row, "favourite": row["name"]}]}),
        "400 date": posting("/v1/inquiries", {"items": [{**question, "purpose": f"{number} {person.name}"}]}),
        "400 key": posting("/v1/inquiries", {"items": [question]}, **{"Idempotency-Key": number}),
        "401": posting("/v1/inquiries", {"items": [question]}, Authorization=f"Bearer {number}"),
        "403": posting("/v1/log/search", {"items": [{"inquiry_number": number}]}),
        "404": posting(f"/v1/people/{number}", {"name": person.name}),
        "405": posting("/openapi.json", {"name": person.name}),
        "413 items": posting("/v1/addressees", {"items": [row] * 1_001}),
        "413 body": posting("/v1/addressees", b" " * (32 * 1024 * 1024) + str(row).encode()),
    }
    async with _session(job) as session:
        for name, call in calls.items():
            job.errors[name] = await call(session)
        key = "a-key-for-two-bodies"
        async with session.post(
            f"{base}/v1/addressees", json={"items": [row]}, headers={**bearer, "Idempotency-Key": key}
        ):
            pass
        job.errors["409"] = await posting("/v1/addressees", {"items": [row, row]}, **{"Idempotency-Key": key})(session)
        async with job.system.administrator() as connection:
            await connection.execute("revoke select on a_setagaya_linkage.person from a_setagaya_linkage")
            try:
                job.errors["500"] = await posting("/v1/addressees", {"items": [row]})(session)
            finally:
                await connection.execute("grant select on a_setagaya_linkage.person to a_setagaya_linkage")
    job.errors |= await _provoked_by_staff(job, person)


async def _provoked_by_staff(job: Job, person: Person) -> dict[str, bytes]:
    from transport.tls import client_context

    identity = job.stage.running.staff(WARD)
    url = job.stage.running.url("intermediate")
    found = {}
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    async with aiohttp.ClientSession(connector=connector) as session:
        for name, path, body in (
            ("staff 404", f"/{WARD}/held-provisions/decide", {"permit_id": person.individual_number}),
            ("staff 400", f"/{WARD}/log/search", {"inquiry_number": 5, "name": person.name}),
            ("staff path", f"/{person.individual_number}/log/search", {"inquiry_number": person.name}),
        ):
            async with session.post(f"{url}{path}", json={"items": [body]}) as response:
                assert response.status >= 400, name
                found[name] = await response.read()
    return found


def _row(job: Job, person: Person) -> dict[str, Any]:
    return {
        "addressee_number": job.system.number("juki", person),
        "individual_number": person.individual_number,
        "name": person.name,
        "kana": person.kana,
        "sex": person.sex.value,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
        "resident_kind": "住民",
    }


def _session(job: Job) -> aiohttp.ClientSession:
    import ssl

    context = ssl.create_default_context(cafile=str(job.stage.running.client("juki").ca))
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


async def _token(job: Job, client_id: str) -> str:
    client = job.stage.running.client(client_id)
    # reveal: the test signs in as this business system
    basic = base64.b64encode(f"{client_id}:{client.secret.reveal().decode()}".encode()).decode()
    async with (
        _session(job) as session,
        session.post(
            f"{client.url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        ) as response,
    ):
        token: str = (await response.json())["access_token"]
        return token
