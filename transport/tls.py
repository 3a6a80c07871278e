"""TLS contexts. Between servers both sides show a certificate of the development CA (SC-2, SC-21); a foreign one ends in the handshake."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


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
