"""Somebody in the network's place whose certificate another CA has issued: a server under test must not talk to them (SC-2, SC-21)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.setting_up.authority import open_authority
from transport import tls

_HANDSHAKE_S: Final = 5.0
_FIRST_WORD_S: Final = 2.0


@contextmanager
def at(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there for the block. Raises OSError."""
    with socket.create_server((host, port)) as listening:
        listening.settimeout(0)
        yield listening


async def spoken_to(listening: socket.socket, host: str, now: datetime, seconds: float) -> bool | None:
    """Whether the first that calls within so many seconds goes on after it has seen the certificate; None: nobody called. Raises OSError."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        other = open_authority(Path(folder) / "authority", now)
        identity = other.issue(Path(folder) / "tls", "impostor", subject="network", hosts=(host,))
        context = tls.server_context(identity, require_client=False)
    try:
        async with asyncio.timeout(seconds):
            while True:
                connection, _ = await loop.sock_accept(listening)
                with connection:
                    if await asyncio.to_thread(_says_something, connection):
                        return await _goes_on(connection, context)
    except TimeoutError:
        return None


def _says_something(connection: socket.socket) -> bool:
    """Who only looks whether somebody listens is nobody to be judged."""
    connection.settimeout(_FIRST_WORD_S)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
    finally:
        connection.settimeout(0)


async def _goes_on(connection: socket.socket, context: ssl.SSLContext) -> bool:
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_accepted_socket(
            asyncio.Protocol, connection, ssl=context, ssl_handshake_timeout=_HANDSHAKE_S
        )
    except OSError:  # ssl.SSLError is one: it said no, or went away
        return False
    transport.abort()
    return True
