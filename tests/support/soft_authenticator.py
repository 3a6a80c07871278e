"""A WebAuthn authenticator in software: a P-256 key, a counter, and the bytes that a browser would send along."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
)


@dataclass(slots=True, kw_only=True)
class SoftAuthenticator:
    """`counter` goes up by one with each assertion."""

    origin: str
    rp_id: str = "localhost"
    counter: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def _client_data(self, kind: str, challenge: bytes, origin: str | None) -> bytes:
        said = {
            "type": kind,
            "challenge": websafe_encode(challenge),
            "origin": origin or self.origin,
            "crossOrigin": False,
        }
        return json.dumps(said).encode()

    def _data(self, *, attested: bool, rp_id: str | None, present: bool = True) -> AuthenticatorData:
        credential = AttestedCredentialData.create(
            Aaguid.NONE, self.credential_id, ES256.from_cryptography_key(self.key.public_key())
        )
        flags = (AuthenticatorData.FLAG.UP if present else 0) | (AuthenticatorData.FLAG.AT if attested else 0)
        digest = hashlib.sha256((rp_id or self.rp_id).encode()).digest()
        return AuthenticatorData.create(digest, flags, self.counter, bytes(credential) if attested else b"")

    def register(self, challenge: bytes, *, origin: str | None = None) -> dict[str, Any]:
        client_data = self._client_data("webauthn.create", challenge, origin)
        attestation = AttestationObject.create("none", self._data(attested=True, rp_id=None), {})
        return {
            "id": websafe_encode(self.credential_id),
            "rawId": websafe_encode(self.credential_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": websafe_encode(client_data),
                "attestationObject": websafe_encode(bytes(attestation)),
            },
        }

    def sign(
        self,
        challenge: bytes,
        *,
        origin: str | None = None,
        rp_id: str | None = None,
        present: bool = True,
        step: int = 1,
    ) -> dict[str, Any]:
        self.counter += step
        client_data = self._client_data("webauthn.get", challenge, origin)
        data = self._data(attested=False, rp_id=rp_id, present=present)
        signature = self.key.sign(bytes(data) + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "id": websafe_encode(self.credential_id),
            "rawId": websafe_encode(self.credential_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": websafe_encode(client_data),
                "authenticatorData": websafe_encode(bytes(data)),
                "signature": websafe_encode(signature),
            },
        }
