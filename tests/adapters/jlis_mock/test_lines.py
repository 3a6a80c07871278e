"""What a bad line does to TLS, and how whoever sends over it learns that it has no answer; the other end never gets other bytes than were sent."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.jlis_mock import lines
from adapters.jlis_mock.lines import Bad, Line, Order, Place, Setting, UnknownError
from gateway.setting_up.ports import untaken
from tests.adapters.jlis_mock.pki import Authority
from transport import channel, tls
from transport.channel import ChannelError

BODY = b'{"items": [1, 2, 3]}'
NAME = "one:other"


class Nobody:
    """Lines alone: beside them there is neither clock nor log."""

    async def take(self, order: Order) -> dict[str, object]:
        if order.clocks or order.logs:
            raise UnknownError("none")
        return {}


@dataclass
class Ends:
    """A TLS server behind a line, and a session before it. `got`: every body that arrived."""

    folder: object
    url: str
    client: object
    got: list[bytes] = field(default_factory=list)

    async def bad(self, what: Bad, times: int = 1, **more: int):
        return await lines.change(self.folder, {NAME: {what: Setting(times=times, **more)}})

    async def send(self, timeout_s: float = 10) -> bytes:
        return await channel.post(self.client, self.url, BODY, timeout_s=timeout_s)


@asynccontextmanager
async def between(folder):
    identity, _ = Authority(folder / "pki").issue("server")
    leads, listens = untaken(2)
    ends = Ends(folder=folder, url=f"https://127.0.0.1:{listens}/", client=None)

    async def take(request: web.Request) -> web.Response:
        ends.got.append(await request.read())
        return web.json_response({"seen": len(ends.got), "filling": "x" * 5_000})

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", leads, ssl_context=tls.server_context(identity, require_client=True)).start()
    lines.write_places(folder, {NAME: Place(listens, "127.0.0.1", leads)})
    stop = asyncio.Event()
    carrying = asyncio.ensure_future(lines.serve(folder, Nobody(), stop))
    while not (folder / lines.CONTROL).exists():
        await asyncio.sleep(0.01)
    async with channel.session(tls.client_context(identity, identity.ca)) as ends.client:
        try:
            yield ends
        finally:
            stop.set()
            await carrying
            await runner.cleanup()


@pytest.mark.parametrize(
    ("what", "arrived", "reasons"),
    [
        (Bad.CUT, 1, {"peer_unreachable", "peer_tls"}),
        (Bad.REORDER, 1, {"peer_tls", "peer_unreachable"}),
        (Bad.BLACKHOLE, 0, {"peer_timeout"}),
    ],
)
async def test_a_sender_learns_that_it_has_no_answer_and_the_next_try_is_answered(tmp_path, what, arrived, reasons):
    async with between(tmp_path) as ends:
        assert json.loads(await ends.send())["seen"] == 1
        await ends.bad(what)
        with pytest.raises(ChannelError) as failed:
            await ends.send(timeout_s=2)
        assert failed.value.reason in reasons
        assert len(ends.got) == 1 + arrived
        assert json.loads(await ends.send())["seen"] == 2 + arrived
        assert set(ends.got) == {BODY}


async def test_a_refused_connection_is_a_peer_that_cannot_be_reached(tmp_path):
    async with between(tmp_path) as ends:
        await ends.bad(Bad.REFUSE)
        with pytest.raises(ChannelError):
            await ends.send()
        assert ends.got == []
        assert json.loads(await ends.send())["seen"] == 1


@pytest.mark.parametrize("what", [Bad.DUPLICATE, Bad.HALF_CLOSE])
async def test_what_comes_after_a_whole_answer_harms_at_most_the_next_try(tmp_path, what):
    """A second copy of a block is no answer to anything; a side that is closed says so at the next request."""
    async with between(tmp_path) as ends:
        await ends.send()
        await ends.bad(what)
        answered, failures = 0, set()
        for _ in range(4):
            try:
                answered = json.loads(await ends.send(timeout_s=3))["seen"]
            except ChannelError as failure:
                failures.add(failure.reason)
        assert failures <= {"peer_tls", "peer_unreachable", "peer_timeout"}
        assert answered == len(ends.got) >= 4
        assert set(ends.got) == {BODY}
        assert await lines.change(tmp_path, {}) == {NAME: {}}


async def test_a_slow_line_is_late_and_nothing_else(tmp_path):
    async with between(tmp_path) as ends:
        await ends.bad(Bad.DELAY, times=4, ms=50)
        assert json.loads(await ends.send())["seen"] == 1


def test_the_same_seed_draws_the_same_delays():
    def drawn(seed: int) -> list[float]:
        line = Line(name=NAME, place=Place(1, "127.0.0.1", 2), bad={Bad.DELAY: Setting(times=5, ms=100, seed=seed)})
        return [line.delay_s() for _ in range(6)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert drawn(7)[5] == 0
    assert all(0.05 <= one <= 0.15 for one in drawn(7)[:5])


def test_a_share_of_occasions_is_drawn_from_the_seed_and_the_line():
    def drawn(seed: int, name: str = NAME) -> list[bool]:
        line = Line(name=name, place=Place(1, "127.0.0.1", 2))
        line.set({Bad.CUT: Setting(times=1_000, share=30, seed=seed)})
        return [line.take(Bad.CUT) is not None for _ in range(400)]

    assert 80 < sum(drawn(7)) < 160
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert drawn(7) != drawn(7, "other:one")


@pytest.mark.parametrize(
    "order",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 5_000, b'{"switches": {}}', b'{"clocks": {"network": 1.5}}', b'{"clocks": {"network": 1000000000}}', b'{"logs": {"network": "full"}}',
        *(b'{"lines": %s}' % changes for changes in (
            b'{"one:other": {"explode": {"times": 1}}}', b'{"one:other": {"cut": {"times": -1}}}', b'{"one:other": {"cut": {}}}', b'{"one:other": {"cut": {"times": 1, "share": 0}}}',
            b'{"nobody:knows": {"cut": {"times": 1}}}', b'{"one:other": {"cut": {"times": 1}}, "nobody:knows": {}}')),
        b'{"lines": {"one:other": {"cut": {"times": 1}}}, "logs": {"nobody": true}}',
    ],
)  # fmt: skip
def test_an_order_with_a_mistake_changes_nothing_and_is_told_so(order):
    kept = {NAME: Line(name=NAME, place=Place(1, "127.0.0.1", 2))}
    assert "wrong" in json.loads(asyncio.run(lines.obeyed(kept, Nobody(), order)))
    assert lines.shown(kept) == {NAME: {}}
