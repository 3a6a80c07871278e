"""A business system's webhook beside a running system: at the place that the configuration allows, it keeps what it is sent."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.running_system import System
from transport.tls import server_context


def _apart() -> int:
    """A port that no system of another test takes before it is used: theirs begin at 20,000 (`gateway.setting_up.ports`)."""
    while True:
        port = 18_000 + secrets.randbelow(2_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


WEBHOOK = f"127.0.0.1:{_apart()}"


@asynccontextmanager
async def receiving(system: System) -> AsyncIterator[list[dict[str, Any]]]:
    """The bodies that were sent so far, in order."""
    got: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        got.append(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/changes", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    context = server_context(system.running.role("sky2").server, require_client=True)
    host, _, port = WEBHOOK.partition(":")
    await web.TCPSite(runner, host, int(port), ssl_context=context, reuse_address=True).start()
    try:
        yield got
    finally:
        await runner.cleanup()
