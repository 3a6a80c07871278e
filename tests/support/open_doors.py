"""What `sekisho assess` is to find: a file with other content for a while, and a server that lets anybody in."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web


@contextmanager
def altered(path: Path, content: bytes):
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@asynccontextmanager
async def lax_server(identity):
    """A server that takes TLS 1.2 and asks nobody for a certificate, with a role's own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
