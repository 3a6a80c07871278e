"""A certificate request as an agency elsewhere makes it."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID


def request(key, name: str = "whatever") -> bytes:
    """In PEM, signed by the private key `key`; what it says of itself is believed by nobody."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
