"""TLS contexts. Between servers both sides show a certificate of the development CA (SC-2, SC-21); a foreign one ends in the handshake.

A context that a running role keeps takes a replaced certificate: connections that are there go on, new ones show the new one.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from storage.durable_file import stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate with its key, and the CA that both sides trust. Paths of PEM files."""

    certificate: Path
    key: Path
    ca: Path


def server_context(identity: Identity, *, require_client: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(identity.certificate, identity.key)
    if require_client:
        context.load_verify_locations(identity.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(identity: Identity | None, ca: Path) -> ssl.SSLContext:
    """A client's context: with its own certificate between servers, without one towards a business API."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(ca)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


class StandingCertificate:
    """A context that shows an identity's certificate, and the new one from the look after it was replaced."""

    def __init__(self, identity: Identity, context: ssl.SSLContext) -> None:
        self.identity = identity
        self.context = context
        self._seen = self._stamp()

    def look(self) -> bool:
        """Show what the files hold now; False when nothing was replaced. Raises ssl.SSLError, OSError: then the old certificate stays.

        Certificate and key are two files, so a pair that does not fit is one that is being replaced: the next look tries again. The
        context itself is given a pair only after another context took the same bytes, because a pair that does not fit would leave it without a key.
        """
        seen = self._stamp()
        if seen == self._seen:
            return False
        pair = self.identity.key.read_bytes() + b"\n" + self.identity.certificate.read_bytes()
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair)
            file.flush()
            path = f"/proc/self/fd/{descriptor}"
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
            self.context.load_cert_chain(path)
        self._seen = seen
        return True

    def _stamp(self) -> tuple[object, object]:
        return stamp(self.identity.certificate), stamp(self.identity.key)
