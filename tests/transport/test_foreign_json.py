"""JSON of a peer or a caller: whatever it is, one error comes of it, and it ends nothing but its own request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from keys.windows import PublicKeys
from storage.database import StorageUnavailableError
from tests.adapters.jlis_mock.pki import Authority
from transport import channel, listener, tls, wire
from transport.channel import Channel, ChannelError
from transport.clock import Clock
from transport.problem import ProblemError
from transport.refusals import Refusals
from transport.register import Register

DEEP = b"[" * 200_000
DEEP_CLOSED = DEEP + b"]" * 200_000
FOREIGN = [
    DEEP,
    DEEP_CLOSED,
    b'{"items": ' + DEEP_CLOSED + b"}",
    b'{"a":' * 200_000,
    b'{"items": [1], "checkpoint": ' + DEEP_CLOSED + b"}",
    b"",
    b"\xff",
    b"null",
    b"[]",
    b'{"items": [1, 2]}',
    b'{"items": 1}',
]


@pytest.mark.parametrize("body", FOREIGN[:5])
def test_deep_nesting_is_one_error(body):
    with pytest.raises(wire.JsonBrokenError):
        wire.decode_json(body)
    with pytest.raises(ProblemError) as problem:
        wire.read_envelope(body)
    assert problem.value.status == 400


def test_a_deep_item_is_malformed_by_its_position():
    envelope = wire.Envelope(items=[msgspec.Raw(b"1"), msgspec.Raw(DEEP_CLOSED)])
    with pytest.raises(ProblemError, match="malformed_item"):
        wire.parse_items(envelope, msgspec.json.Decoder())


class Person(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=3)]
    days: dict[str, date] = {}


class People(msgspec.Struct):
    people: list[Person]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"people": [{"name": "a"}, {"name": "abcd"}]}', "`people[1].name` is not as documented"),
        (b'{"people": [{}]}', "`people[0].name` is missing"),
        (b"{}", "`people` is missing"),
        (b'{"people": [{"name": "a", "days": {"SECRET": "SECRET"}}]}', "`people[0].days[...]` is not as documented"),
        (b'{"people": [{"name": "a", "SECRET": 1}]}', "`people[0]` has a field that is not documented"),
        (b"[]", "it is another form of JSON"),
        (b'{"people": [', "it is not JSON in UTF-8, or is nested too deeply"),
    ],
)
def test_a_refused_body_names_the_field_and_repeats_nothing(body, told):
    with pytest.raises(ProblemError) as problem:
        wire.read_body(body, msgspec.json.Decoder(People))
    assert problem.value.reason == "malformed_body"
    assert problem.value.detail == f"The body does not have the documented fields: {told}; see /openapi.json."


def test_a_refused_item_is_named_by_position_and_field():
    envelope = wire.Envelope(items=[msgspec.Raw(b'{"name": "a"}'), msgspec.Raw(b'{"name": 1}')])
    with pytest.raises(ProblemError) as problem:
        wire.parse_items(envelope, msgspec.json.Decoder(Person))
    assert problem.value.detail.startswith("Item 1 does not have the documented fields: `name` is not as documented;")


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_one_error(data):
    with contextlib.suppress(wire.JsonBrokenError):
        wire.decode_json(data)


@pytest.fixture
async def peer(aiohttp_server):
    """A peer that answers what it is told to."""
    said = {"status": 200, "body": b"{}"}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=said["status"], body=said["body"])

    app = web.Application()
    app.router.add_post("/", answer)
    server = await aiohttp_server(app)
    said["url"] = str(server.make_url("/"))
    return said


@contextlib.asynccontextmanager
async def at_work(peer, **more):
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        made = Channel(client, peer["url"], name="test", **more)
        task = asyncio.ensure_future(made.run())
        try:
            yield made
            assert not task.done(), "a worker ended"
        finally:
            task.cancel()
            await asyncio.wait([task])


async def asked(made):
    async with asyncio.timeout(10):
        return await made.ask({"question": 1})


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("body", FOREIGN)
async def test_no_answer_of_a_peer_ends_the_channel(peer, body, status):
    peer.update(body=body, status=status)
    async with at_work(peer) as made:
        for _ in range(3):  # more often than there are workers
            with pytest.raises(ChannelError) as failure:
                await asked(made)
            assert failure.value.reason == "peer_answer_malformed"
        peer.update(body=b'{"items": [2]}', status=200)
        assert await asked(made) == 2


async def test_an_answer_without_end_is_cut_off(peer, monkeypatch):
    monkeypatch.setattr(channel, "MOST_ANSWER", 1_000)
    peer["body"] = b'{"items": [1]}' + b" " * 100_000
    async with at_work(peer) as made:
        with pytest.raises(ChannelError, match="peer_answer_malformed"):
            await asked(made)


async def test_a_fault_of_our_own_fails_its_batch_and_nothing_else(peer):
    def broken(_note: str) -> None:
        raise ZeroDivisionError

    async with at_work(peer, on_checkpoint=broken) as made:
        peer["body"] = b'{"items": [1], "checkpoint": "note"}'
        for _ in range(3):
            with pytest.raises(ChannelError, match="internal_error"):
                await asked(made)
        peer["body"] = b'{"items": [1]}'
        assert await asked(made) == 1


async def test_a_certificate_that_keeps_coming_is_recorded_once_and_again_when_a_record_failed(tmp_path):
    authority = Authority(tmp_path / "ca")
    server, _ = authority.issue("server")
    stranger, _ = authority.issue("stranger")
    register = Register(agencies={}, peers={}, logs={}, permit_keys=PublicKeys(()))
    recorded: list[int] = []
    broken = [True]

    async def write(_reason: str, _who: bytes, count: int) -> None:
        if broken.pop() if broken else False:
            raise StorageUnavailableError("away")
        recorded.append(count)

    refusals: Refusals[bytes] = Refusals(write, others=b"", now=lambda: 0.0)

    async def refused(request: web.Request, reason: str) -> None:
        await refusals.record(reason, listener.fingerprint(request) or b"")

    app = listener.application(listener.require_peer(lambda: register, refused, Clock()))
    context: ssl.SSLContext = tls.server_context(server, require_client=True)
    async with listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port:
        client_context = tls.client_context(stranger, stranger.ca)
        async with channel.session(client_context) as client:
            statuses = [await _status(client, port) for _ in range(10)]
    assert statuses == [503] + [403] * 9
    assert recorded == [2]


async def _status(client: aiohttp.ClientSession, port: int) -> int:
    async with client.get(f"https://localhost:{port}/") as response:
        return response.status


async def test_a_body_that_does_not_come_is_refused_in_time(tmp_path):
    authority = Authority(tmp_path / "ca")
    server, _ = authority.issue("server")
    caller, _ = authority.issue("caller")
    never = asyncio.Event()

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def begun() -> AsyncIterator[bytes]:
        yield b'{"it'
        await never.wait()

    app = listener.application(body_s=0.2)
    app.router.add_post("/", read)
    context: ssl.SSLContext = tls.server_context(server, require_client=True)
    async with (
        listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port,
        channel.session(tls.client_context(caller, caller.ca)) as client,
        asyncio.timeout(5),
    ):
        async with client.post(f"https://localhost:{port}/", data=b"whole") as answer:
            assert await answer.read() == b"whole"
        async with client.post(f"https://localhost:{port}/", data=begun()) as answer:
            assert (answer.status, (await answer.json(content_type=None))["reason"]) == (400, "malformed_body")
