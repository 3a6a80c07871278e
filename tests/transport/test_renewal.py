"""A certificate that is replaced under an open context, and a caller that still shows the old one."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from keys.windows import PublicKeys
from tests.adapters.jlis_mock.pki import Authority
from transport import channel, listener, tls
from transport.clock import Clock
from transport.register import Peer, Register, Use
from transport.tls import StandingCertificate

CLOCK = Clock()


async def test_new_connections_show_the_new_certificate_and_a_pair_that_does_not_fit_changes_nothing(tmp_path):
    authority = Authority(tmp_path)
    server, _ = authority.issue("server")
    context = tls.server_context(server, require_client=False)
    standing = StandingCertificate(server, context)
    app = listener.application()
    async with listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port))

        before = server.certificate.read_text()
        assert (await asyncio.to_thread(shown)).split() == before.split()
        assert not standing.look()
        key = server.key.read_bytes()
        authority.issue("server")
        new_key = server.key.read_bytes()
        server.key.write_bytes(key)
        with pytest.raises(ssl.SSLError):
            standing.look()
        assert (await asyncio.to_thread(shown)).split() == before.split()
        server.key.write_bytes(new_key)
        assert standing.look()
        assert (await asyncio.to_thread(shown)).split() == server.certificate.read_text().split()


async def test_is_8_a_running_server_trusts_another_ca_and_drops_the_one_of_before(tmp_path):
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    server, _ = old.issue("server")
    caller, stranger = tls.client_context(old.issue("caller")[0], old.ca), new.issue("caller")[0]
    context = tls.server_context(server, require_client=True)
    standing = StandingCertificate(server, context)
    app = listener.application()
    async with listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port:

        async def admitted(client: tls.Context) -> bool:
            async with channel.session(client, connections=1) as session:
                try:
                    async with session.get(f"https://localhost:{port}/") as answer:
                        return answer.status == 404
                except aiohttp.ClientError:
                    return False

        one, two = old.ca.read_bytes(), new.ca.read_bytes()
        seen = []
        for trusted in (one, one + two, two):
            server.ca.write_bytes(trusted)
            standing.look()
            old_ca = tmp_path / "of-the-server.pem"
            old_ca.write_bytes(one)
            seen.append((await admitted(caller), await admitted(tls.client_context(stranger, old_ca))))
    assert seen == [(True, False), (True, True), (False, True)]


async def test_a_caller_with_a_replaced_certificate_comes_back_and_is_refused_after_its_end(tmp_path):
    authority = Authority(tmp_path)
    server, _ = authority.issue("server")
    caller, old = authority.issue("caller")
    valid_to = [CLOCK() + timedelta(days=1)]
    peers = {}

    def register() -> Register:
        peers[old] = Peer(agency="asahi", use=Use.INTERMEDIATE, name="asahi", valid_to=valid_to[0])
        return Register(agencies={}, peers=peers, logs={}, permit_keys=PublicKeys(()))

    async def refused(_request: web.Request, _reason: str) -> None:
        return None

    async def hello(request: web.Request) -> web.Response:
        return web.json_response(request.transport.get_extra_info("peername")[1])

    app = listener.application(listener.require_peer(register, refused, CLOCK))
    app.router.add_get("/", hello)
    context = tls.server_context(server, require_client=True)
    mine = tls.client_context(caller, caller.ca)
    standing = StandingCertificate(caller, mine)
    async with (
        listener.listening(app, host="127.0.0.1", port=0, context=context, metrics_port=0) as port,
        channel.session(mine, connections=1) as client,
    ):

        async def ask() -> tuple[int, object]:
            async with client.get(f"https://localhost:{port}/") as answer:
                return answer.status, await answer.json()

        first, second = await ask(), await ask()
        assert first[0] == second[0] == 200
        assert first != second  # its connection ended behind the answer
        _, new = authority.issue("caller")
        assert standing.look()
        peers[new] = Peer(agency="asahi", use=Use.INTERMEDIATE, name="asahi")
        valid_to[0] = CLOCK() - timedelta(seconds=1)
        third, fourth = await ask(), await ask()
        assert third == fourth  # the new certificate, and a connection that stays
        del peers[new]
        assert (await ask())[0] == 403
