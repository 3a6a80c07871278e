"""The agency register: who takes part, with which keys and certificates, signed by a root that the core does not hold.

The core passes messages between agencies but cannot enrol one or slip in a key of its own: every server checks the register's
signature with the root's public key from its own configuration (DESIGN §4 step 5, SC-1).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evidence import canonical
from keys import labels
from keys.signing import Signer, verify


class Use(StrEnum):
    """What a certificate may be used for."""

    LINKAGE = "linkage"
    INTERMEDIATE = "intermediate"
    NETWORK = "network"
    RESIDENT_NETWORK = "resident_network"
    STAFF = "staff"
    BUSINESS_SYSTEM = "business_system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whose certificate this is: an agency (or `network`, `resident-network`), what for, and its holder's name (staff id)."""

    agency: str
    use: Use
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """One agency: id, 16-digit agency code, Japanese name, legal kinds, Ed25519 public key of its intermediate server, 28条 standing."""

    id: str
    code: str
    name: str
    kinds: frozenset[str]
    signing_key: bytes
    assessed: bool


class RegisterBrokenError(Exception):
    """The register's signature or form is wrong: the server must not start with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A checked register. `logs`: origin without year → Ed25519 public key; `peers`: SHA-256 of the certificate (DER) → Peer; `permit_key`: the core's."""

    agencies: Mapping[str, Agency]
    peers: Mapping[bytes, Peer]
    logs: Mapping[str, bytes]
    permit_key: bytes

    @classmethod
    def read(cls, data: bytes, root: bytes) -> Register:
        """Check the signature with the root's public key and build the register. Raises RegisterBrokenError."""
        try:
            outer = json.loads(data)
            body = base64.b64decode(outer["register"], validate=True)
            signature = base64.b64decode(outer["signature"], validate=True)
            if not verify(root, labels.REGISTER, body, signature):
                raise RegisterBrokenError("the register is not signed by the configured root")
            return _build(json.loads(body))
        except (ValueError, KeyError, TypeError):
            raise RegisterBrokenError("the register is not well-formed") from None

    def log_key(self, origin: str) -> bytes | None:
        """The public key of a log by its full origin (`…/2026`)."""
        return self.logs.get(origin.rsplit("/", 1)[0])


def _build(body: Mapping[str, Any]) -> Register:
    agencies = {
        item["id"]: Agency(
            id=item["id"],
            code=item["code"],
            name=item["name"],
            kinds=frozenset(item["kinds"]),
            signing_key=bytes.fromhex(item["signing_key"]),
            assessed=bool(item["assessed"]),
        )
        for item in body["agencies"]
    }
    peers = {
        bytes.fromhex(item["sha256"]): Peer(agency=item["agency"], use=Use(item["use"]), name=item["name"])
        for item in body["certificates"]
    }
    logs = {item["origin"]: bytes.fromhex(item["key"]) for item in body["logs"]}
    return Register(agencies=agencies, peers=peers, logs=logs, permit_key=bytes.fromhex(body["permit_key"]))


def sign_register(body: Mapping[str, Any], root: Signer) -> bytes:
    """Sign a register body (the form that `_build` reads) with the register authority's root."""
    encoded = canonical.encode(dict(body))
    return json.dumps(
        {
            "register": base64.b64encode(encoded).decode(),
            "signature": base64.b64encode(root.sign(labels.REGISTER, encoded)).decode(),
        }
    ).encode()
