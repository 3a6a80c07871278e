"""A counterpart that is away is asked again one item at a time, and nobody waits for it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.setting_up.ports import untaken
from transport import channel
from transport.channel import Channel, ChannelError
from transport.circuit import AWAY, Circuit, CircuitState
from transport.wire import read_envelope, write_envelope

AWAY_REASON = "peer_unreachable"


def opened(**more):
    made = Circuit("test", "counterpart", failures=3, first_s=1.0, longest_s=4.0, **more)
    for at in range(3):
        assert made.begin(at, 64) == 64
        made.failed(at, AWAY_REASON)
    return made


def test_it_opens_after_so_many_failures_in_a_row_and_not_before():
    made = Circuit("test", "counterpart", failures=3)
    for _ in range(5):
        made.failed(0.0, AWAY_REASON)
        made.failed(0.0, AWAY_REASON)
        made.came()
    assert made.state is CircuitState.CLOSED
    assert opened().state is CircuitState.OPEN


def test_a_counterpart_that_says_no_is_there():
    made = Circuit("test", "counterpart", failures=1)
    for reason in ("storage_unavailable", "peer_answer_malformed", "internal_error"):
        made.failed(0.0, reason)
    assert made.state is CircuitState.CLOSED


def test_half_open_lets_one_item_go_until_its_end_is_known():
    made = opened()
    assert (made.begin(2.5, 64), made.admits(2.5)) == (0, False)
    assert made.begin(3.0, 64) == 1
    assert made.state is CircuitState.HALF_OPEN
    assert [made.begin(9.0, 64) for _ in range(5)] == [0] * 5
    made.came()
    assert (made.state, made.begin(9.0, 64)) == (CircuitState.CLOSED, 64)


def test_each_failed_try_doubles_the_wait_up_to_the_limit():
    made, now, waits = opened(), 2.0, []
    for _ in range(5):
        wait = made.shown(now)["next_probe_s"]
        waits.append(wait)
        now += wait
        assert made.begin(now, 64) == 1
        made.failed(now, AWAY_REASON)
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["ask", "came", "failed"])), max_size=60))
def test_whatever_happens_tries_are_one_at_a_time_and_an_answer_closes(steps):
    made, now, under_way = Circuit("test", "counterpart", failures=2, first_s=1.0, longest_s=4.0), 0.0, 0
    for pause, event in steps:
        now += pause
        if event == "ask":
            allowed = made.begin(now, 64)
            under_way += allowed == 1
            assert allowed in ({64} if made.state is CircuitState.CLOSED else {0, 1})
            assert under_way <= 1
            continue
        under_way = 0
        made.came() if event == "came" else made.failed(now, min(AWAY))
        assert event == "failed" or made.state is CircuitState.CLOSED
    assert made.shown(now)["state"] == made.state.value


@dataclass
class Counterpart:
    """A real server that can be stopped and started again at its port; it counts what it was asked."""

    port: int
    requests: list[int] = field(default_factory=list)
    runner: web.AppRunner | None = None

    async def start(self):
        async def answer(request):
            envelope = read_envelope(await request.read())
            self.requests.append(len(envelope.items))
            return web.Response(body=write_envelope([{"received": True} for _ in envelope.items]))

        app = web.Application()
        app.router.add_post("/", answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()

    async def stop(self):
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


@contextlib.asynccontextmanager
async def talking():
    peer = Counterpart(port=untaken(1)[0])
    circuit = Circuit("test", "stopped", failures=3, first_s=0.2, longest_s=0.4)
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        made = Channel(client, f"http://127.0.0.1:{peer.port}/", name="test", circuit=circuit)
        task = asyncio.ensure_future(made.run())
        try:
            yield peer, circuit, made
        finally:
            task.cancel()
            await asyncio.wait([task])
            await peer.stop()


async def reason_of(made):
    async with asyncio.timeout(10):
        try:
            await made.ask({})
        except ChannelError as failure:
            return failure.reason
    return "answered"


async def test_with_a_stopped_counterpart_whoever_asks_is_told_at_once_and_it_closes_by_itself():
    async with talking() as (peer, circuit, made):
        said = [await reason_of(made) for _ in range(5)]
        assert said == [AWAY_REASON] * 3 + ["circuit_open"] * 2
        assert circuit.state is CircuitState.OPEN
        await peer.start()
        async with asyncio.timeout(10):
            while await reason_of(made) != "answered":
                await asyncio.sleep(0.05)
        assert circuit.state is CircuitState.CLOSED
        assert peer.requests == [1]
        assert await made.ask_all([{}] * 100) == [{"received": True}] * 100


async def test_is_7_it_closes_although_nobody_asks(monkeypatch):
    """Else staff and business systems are told for a whole night that the counterpart is away."""
    monkeypatch.setattr(channel, "QUIET_S", 0.05, raising=False)
    async with talking() as (peer, circuit, made):
        for _ in range(3):
            await reason_of(made)
        await asyncio.sleep(0.5)
        assert circuit.state is CircuitState.OPEN
        await peer.start()
        async with asyncio.timeout(5):
            while circuit.state is not CircuitState.CLOSED:
                await asyncio.sleep(0.02)
        assert peer.requests == [0]
        assert await reason_of(made) == "answered"


async def test_a_crowd_behind_an_open_circuit_sends_one_item_as_the_try():
    async with talking() as (peer, circuit, made):
        for _ in range(3):
            await reason_of(made)
        await peer.start()
        await asyncio.sleep(0.25)
        said = await asyncio.gather(*(reason_of(made) for _ in range(200)))
        assert peer.requests[0] == 1
        assert set(said) <= {"answered", "circuit_open"}
        assert said.count("answered") >= 1
        assert circuit.state is CircuitState.CLOSED


async def test_a_channel_that_is_full_says_so(monkeypatch):
    monkeypatch.setattr(channel, "MOST_WAITING", 2)
    async with aiohttp.ClientSession() as client:
        made = Channel(client, "http://127.0.0.1:9/", name="full")
        waiting = [asyncio.ensure_future(made.ask({})) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ChannelError, match="channel_full"):
            await made.ask({})
        for each in waiting:
            each.cancel()
