"""A business system's webhook beside a running system: at the place that the configuration allows, it keeps what it is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway.setting_up.ports import untaken
from tests.support.running_system import System
from transport.tls import server_context

WEBHOOK = f"127.0.0.1:{untaken(1)[0]}"


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
