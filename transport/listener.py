"""A listening server: aiohttp application, TLS, metrics on a port of their own, and who is calling."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from transport.clock import Clock
from transport.problem import Handler, ProblemError, problems
from transport.register import Peer, Register

PEER = web.RequestKey("peer", Peer)
ACCESS_REFUSED = Counter("sekisho_access_refused", "Calls that were refused before they reached a function", ["reason"])
_LOOPBACK = "127.0.0.1"
MAX_BODY = 32 * 1024 * 1024
BODY_S: Final = 60.0
"""Seconds in which the body of a call arrives."""


def fingerprint(request: web.Request) -> bytes | None:
    """SHA-256 of the caller's certificate (DER), or None when it showed none."""
    transport = request.transport
    socket = transport.get_extra_info("ssl_object") if transport else None
    der = socket.getpeercert(binary_form=True) if socket else None
    return hashlib.sha256(der).digest() if der else None


class _LateError(TimeoutError):
    """The rest of a body did not come. A timeout, which aiohttp drops silently while it waits for what nobody reads any more."""


def _in_time(body_s: float) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware under which the body of a call arrives in so many seconds, whoever reads it and whenever, or the call is malformed."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = request.content
        if body.is_eof():
            return await handler(request)

        def cut() -> None:
            if not body.is_eof():
                body.set_exception(_LateError())

        alarm = asyncio.get_running_loop().call_later(body_s, cut)
        try:
            return await handler(request)
        except _LateError:
            raise ProblemError(
                400,
                "malformed_body",
                f"The body was not there within {body_s:g} seconds; send it at once, in smaller lists.",
            ) from None
        finally:
            alarm.cancel()

    return check


def require_peer(
    register: Callable[[], Register], refused: Callable[[web.Request, str], Awaitable[None]], clock: Clock
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware that lets only registered certificates in (SC-2). A refusal is recorded by `refused` (transport.refusals) before it is answered.

    A connection under a certificate that was replaced ends with its answer, so that the caller comes back with the new one.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = fingerprint(request)
        peer = register().peers.get(found) if found else None
        if peer is None or not peer.accepted(clock()):
            ACCESS_REFUSED.labels("certificate_not_registered").inc()
            await refused(request, "certificate_not_registered")
            raise ProblemError(
                403,
                "certificate_not_registered",
                "This certificate is not in the register; have it enrolled before you call.",
            )
        request[PEER] = peer
        response = await handler(request)
        if peer.valid_to is not None and not response.prepared:
            response.force_close()
        return response

    return check


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


def application(*middlewares: Callable[..., Awaitable[web.StreamResponse]], body_s: float = BODY_S) -> web.Application:
    """An application whose every error is a problem document, and which waits `body_s` for the body of a call."""
    return web.Application(middlewares=[problems, _in_time(body_s), *middlewares], client_max_size=MAX_BODY)


@asynccontextmanager
async def listening(
    app: web.Application, *, host: str, port: int, context: ssl.SSLContext, metrics_port: int
) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. Metrics stay on loopback: they ask nobody who they are. Requests under way are given 5 s to finish."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0, keepalive_timeout=600)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=context, backlog=512, reuse_address=True)
    await site.start()
    metrics = web.Application()
    metrics.router.add_get("/metrics", _metrics)
    metrics.router.add_get("/alive", _alive)
    watching = web.AppRunner(metrics, access_log=None)
    await watching.setup()
    await web.TCPSite(watching, _LOOPBACK, metrics_port, reuse_address=True).start()
    try:
        addresses = runner.addresses
        yield addresses[0][1] if addresses else port
    finally:
        await site.stop()
        await runner.cleanup()
        await watching.cleanup()
