"""The two factors of a member of staff, and the challenges that they answer (SC-10). Pure but for the randomness of a nonce.

A challenge is ours by its tag and holds for one id, one terminal and one purpose; who signs it says nothing about anything else.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Final

import nacl.exceptions
import nacl.pwhash.argon2id
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import AttestedCredentialData, AuthenticationResponse, PublicKeyCredentialRpEntity

from gateway.intermediate_server.staff.people import Card, CardKind, CardState, Rules, plain
from keys import labels
from keys.binding import bind
from keys.passphrase import Profile
from keys.ring import Keyring
from keys.signing import verify

RING: Final = "staff"
"""The ring's purpose for tags of challenges, and for staff's own numbers and the indexes that find them."""
_NONCE: Final = 16
_WHEN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For whom, where and for what a challenge is: `log_in`, `approve/<grant>/<digest>`, …"""

    agency: str
    staff_id: str
    certificate: bytes
    purpose: str


def new_challenge(ring: Keyring, asked: Asked, now: datetime, lives: timedelta) -> bytes:
    """Nonce, expiry and tag: 56 bytes, kept nowhere until they come back."""
    head = secrets.token_bytes(_NONCE) + _milliseconds(now + lives).to_bytes(_WHEN, "big")
    return head + _tag(ring, asked, head, ring.primary(RING))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _tag(ring: Keyring, asked: Asked, head: bytes, version: int) -> bytes:
    said = bind(labels.STAFF_CHALLENGE, asked.agency, asked.staff_id, asked.certificate, asked.purpose, head)
    return ring.index(RING, said, version=version)


def challenge_holds(ring: Keyring, asked: Asked, challenge: bytes, now: datetime) -> bool:
    """Whether we made this challenge for exactly this, and it is not over. Whether it was used is for the database to say."""
    head, tag = challenge[: _NONCE + _WHEN], challenge[_NONCE + _WHEN :]
    ours = any(hmac.compare_digest(tag, _tag(ring, asked, head, version)) for version in ring.opening(RING))
    return ours and now < challenge_ends(challenge)


def person_indexes(ring: Keyring, integrated_number: str) -> tuple[bytes, ...]:
    """Keyed indexes of a person's number, comparable with nothing outside this agency's ring; the first is what the person is called now."""
    return ring.named_indexes(RING, bind(labels.STAFF_PERSON, integrated_number))


def kept_relation(ring: Keyring, agency: str, staff_id: str, integrated_number: str) -> tuple[bytes, bytes]:
    """How the number of somebody related to a member of staff is kept: the index that finds it, and sealed; both under the primary version."""
    sealed = ring.encrypt(RING, integrated_number.encode(), bind(labels.STAFF_PERSON, agency, staff_id))
    return person_indexes(ring, integrated_number)[0], sealed


def open_relation(ring: Keyring, agency: str, staff_id: str, sealed: bytes) -> str:
    """Raises SealBroken, KeyUnusable."""
    return ring.decrypt(RING, sealed, bind(labels.STAFF_PERSON, agency, staff_id)).decode()


def challenge_ends(challenge: bytes) -> datetime:
    """Raises ValueError or OverflowError for what cannot be a challenge of ours."""
    return datetime.fromtimestamp(int.from_bytes(challenge[_NONCE : _NONCE + _WHEN], "big") / 1000, UTC)


def challenge_nonce(challenge: bytes) -> str:
    return challenge[:_NONCE].hex()


def hash_password(password: str, profile: Profile) -> str:
    """argon2id with its parameters and salt, in its usual written form."""
    return nacl.pwhash.argon2id.str(plain(password), profile.passes, profile.memory).decode()


def password_fits(stored: str, password: str) -> bool:
    """Takes as long as the stored parameters say, right or wrong."""
    try:
        return nacl.pwhash.argon2id.verify(stored.encode(), plain(password))
    except (nacl.exceptions.CryptoError, nacl.exceptions.TypeError, ValueError):
        return False


def card_statement(agency: str, staff_id: str, purpose: str, challenge: bytes) -> bytes:
    """What a card's key signs under labels.STAFF_CARD: worthless at another agency, for another person, and for another purpose."""
    return bind(agency, staff_id, purpose, challenge)


def card_id_of(public: bytes) -> str:
    """A card's id: hex SHA-256 of its public key or of its WebAuthn credential id."""
    return sha256(public).hexdigest()


@dataclass(frozen=True, slots=True)
class Asserted:
    """A WebAuthn card has answered; `count` is its counter now."""

    count: int


def web_server(rules: Rules) -> Fido2Server:
    """The relying party: one id, and its exact origins."""
    return Fido2Server(
        PublicKeyCredentialRpEntity(name="Sekisho", id=rules.rp_id),
        verify_origin=lambda origin: origin in rules.origins,
    )


def web_state(challenge: bytes) -> dict[str, Any]:
    return {"challenge": websafe_encode(challenge), "user_verification": None}


def credential_id_of(response: dict[str, Any]) -> bytes | None:
    """The credential that an assertion says it is by, or None when it is no assertion."""
    try:
        return bytes(AuthenticationResponse.from_dict(response).raw_id)
    except Exception:  # noqa: BLE001 (foreign CBOR and base64: whatever it raises, it is no assertion)
        return None


def assertion_fits(server: Fido2Server, card: Card, challenge: bytes, response: dict[str, Any]) -> Asserted | None:
    """Whether a WebAuthn card has signed this challenge for this origin, with a counter that has not gone back (a copied card's does)."""
    if card.kind is not CardKind.WEBAUTHN or card.credential is None:
        return None
    try:
        server.authenticate_complete(web_state(challenge), [AttestedCredentialData(card.credential)], response)
        count = AuthenticationResponse.from_dict(response).response.authenticator_data.counter
    except Exception:  # noqa: BLE001 (foreign CBOR and base64: whatever it raises, it does not fit)
        return None
    if (count or card.sign_count) and count <= card.sign_count:
        return None
    return Asserted(count)


def signature_fits(card: Card, asked: Asked, challenge: bytes, signature: bytes) -> bool:
    statement = card_statement(asked.agency, asked.staff_id, asked.purpose, challenge)
    return card.kind is CardKind.KEY and verify(card.public_key, labels.STAFF_CARD, statement, signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """What an unknown id is measured with, so that it costs what a known one costs."""

    password_hash: str
    card: Card


@cache
def nobody(profile: Profile) -> Nobody:
    """One for a process: the password is nobody's, and hashing it costs what a log-in costs."""
    public = secrets.token_bytes(32)
    return Nobody(
        password_hash=hash_password(secrets.token_urlsafe(24), profile),
        card=Card(
            card_id=card_id_of(public),
            staff_id="",
            kind=CardKind.KEY,
            public_key=public,
            credential=None,
            sign_count=0,
            valid_until=datetime.fromtimestamp(0, UTC),
            state=CardState.REVOKED,
        ),
    )
