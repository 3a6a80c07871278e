"""TLS contexts. Between servers both sides show a certificate of the development CA (SC-2, SC-21); a foreign one ends in the handshake.

A context that a running role keeps takes a replaced certificate and other CAs: connections that are there go on, new ones are under the new files.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from storage.durable_file import stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate with its key, and the CA that both sides trust. Paths of PEM files."""

    certificate: Path
    key: Path
    ca: Path


class Context(ssl.SSLContext):
    """One side of TLS 1.3: what it shows, and whom it trusts. After `renew` new connections are under what the files hold then (asyncio's: `wrap_bio`).

    A context of OpenSSL that runs takes another certificate, but drops no CA; so a new one takes its place behind this one.
    """

    def __new__(cls, protocol: int, _identity: Identity | None, _trusted: Path | None) -> Self:
        return super().__new__(cls, protocol)

    def __init__(self, protocol: int, identity: Identity | None, trusted: Path | None) -> None:
        self._made_of = (protocol, identity, trusted)
        self._newest: ssl.SSLContext | None = None
        self.minimum_version = ssl.TLSVersion.TLSv1_3
        if trusted is not None:
            self.load_verify_locations(trusted)
            self.verify_mode = ssl.CERT_REQUIRED
        if identity is not None:
            self.load_cert_chain(identity.certificate, identity.key)

    def renew(self) -> None:
        """Raises ssl.SSLError, OSError: then everything stays as it is."""
        self._newest = Context(*self._made_of)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 (as the method of before has it)
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if self._newest is not None:
            return self._newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def server_context(identity: Identity, *, require_client: bool) -> Context:
    return Context(ssl.PROTOCOL_TLS_SERVER, identity, identity.ca if require_client else None)


def client_context(identity: Identity | None, ca: Path) -> Context:
    """A client's context: with its own certificate between servers, without one towards a business API."""
    return Context(ssl.PROTOCOL_TLS_CLIENT, identity, ca)


class StandingCertificate:
    """A context that is kept to an identity's files: from the look after they were replaced it shows the new certificate, and trusts whom they name."""

    def __init__(self, identity: Identity, context: Context) -> None:
        self.identity = identity
        self.context = context
        self._seen = self._stamp()
        self.trusted = identity.ca.read_bytes()
        """The CAs (PEM) that it trusts."""

    def look(self) -> bool:
        """Take what the files hold now; False when nothing was replaced. Raises ssl.SSLError, OSError: then everything stays as it was.

        Certificate and key are two files, so a pair that does not fit is one that is being replaced: the next look tries again.
        """
        seen = self._stamp()
        if seen == self._seen:
            return False
        trusted = self.identity.ca.read_bytes()
        self.context.renew()
        self._seen, self.trusted = seen, trusted
        return True

    def _stamp(self) -> tuple[object, ...]:
        return tuple(map(stamp, (self.identity.certificate, self.identity.key, self.identity.ca)))
