"""Certificate signing requests of those who keep their own keys: which are answered at all (SC-2)."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

_LARGEST: Final = 64 * 1024


class RequestRefusedError(ValueError):
    """A certificate signing request that is not answered; the message says why and what to do."""


def read_request(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key that a request (PEM) asks a certificate for; nothing else of it is taken over. Raises RequestRefusedError."""
    try:
        request = x509.load_pem_x509_csr(pem[:_LARGEST])
    except ValueError:
        raise RequestRefusedError(
            "PEM の証明書署名要求ではありません / not a certificate signing request in PEM"
        ) from None
    public = request.public_key()
    if not request.is_signature_valid:
        raise RequestRefusedError("要求の署名が合いません / the request is not signed by its own key")
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise RequestRefusedError("鍵は P-256 (prime256v1) にしてください / the key must be on P-256 (prime256v1)")
    return public
