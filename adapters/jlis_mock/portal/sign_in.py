"""Signing in at the portal: OAuth 2.0 authorisation code with PKCE (RFC 6749 §4.1, RFC 7636), a card in place of a password (JTK).

A ticket is what the card signs. It is sealed to ourselves and kept nowhere, so that whoever has no card costs no memory; it is spent once.
Codes and sessions are in memory, by digest: a restart signs everybody out. There is no cookie: each sign-in takes the card, so that nobody
goes on in the session of whoever sat there before (公金受取口座の誤登録, 2023).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from codebook.identifiers import IntegratedAddresseeNumber
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.ring import Keyring
from keys.signing import verify
from transport.problem import ProblemError

TICKET: Final = "portal-ticket"
TICKET_FOR: Final = timedelta(seconds=120)
CODE_FOR: Final = timedelta(seconds=60)
MOST_PROCESSES: Final = 32
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client asks of the citizen. `challenge`: base64url SHA-256 of the client's verifier."""

    client_id: str
    redirect_uri: str
    state: str
    challenge: str

    def signed_with(self, ticket: str) -> bytes:
        """What the card signs (under labels.CITIZEN_SIGN_IN): to whom, and where the code goes."""
        return bind(ticket, self.client_id, self.redirect_uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One request of a session."""

    inquiry_number: str
    information: str


@dataclass(slots=True, kw_only=True)
class Session:
    """A citizen who has signed in, at one client. `idle_until` moves with each call. `processes`: by id; nobody else's are in reach.

    `beginning`: requests that are being registered.
    """

    number: IntegratedAddresseeNumber
    client_id: str
    until: datetime
    idle_until: datetime
    processes: dict[str, Process] = field(default_factory=dict)
    beginning: int = 0

    def lives(self, now: datetime) -> bool:
        return now < self.until and now < self.idle_until


@dataclass(slots=True, kw_only=True)
class _Grant:
    """A code that was given out; `token`: digest of the token that it was redeemed for."""

    asked: Asked
    number: IntegratedAddresseeNumber
    until: datetime
    token: bytes | None = None


@dataclass(slots=True, kw_only=True)
class SignIns:
    """`clients`: id → addresses that a code may be sent to."""

    clients: Mapping[str, frozenset[str]]
    ring: Keyring
    session_for: timedelta
    idle_for: timedelta
    _spent: dict[bytes, datetime] = field(default_factory=dict)
    _grants: dict[bytes, _Grant] = field(default_factory=dict)
    _sessions: dict[bytes, Session] = field(default_factory=dict)

    def begin(self, asked: Asked, now: datetime) -> str:
        """A ticket for a client's wish. Raises ProblemError 400; nobody is sent on to an address that is not registered."""
        if asked.redirect_uri not in self.clients.get(asked.client_id, frozenset()):
            raise ProblemError(
                400, "client_unknown", "This client, or this redirect_uri of it, is not registered at the portal."
            )
        if not _CHALLENGE.fullmatch(asked.challenge):
            raise ProblemError(400, "pkce_required", "Send code_challenge with code_challenge_method=S256 (RFC 7636).")
        until = (now + TICKET_FOR).timestamp()
        said = json.dumps([asked.client_id, asked.redirect_uri, asked.state, asked.challenge, until])
        return _text(self.ring.encrypt(TICKET, said.encode(), labels.PORTAL_TICKET))

    def opened(self, ticket: str, card_key: bytes, signature: bytes, now: datetime) -> Asked:
        """1. our ticket, in time, not spent  2. signed by the card. Whose card it is, is not decided here. Raises ProblemError 400, 403."""
        # 1
        try:
            sealed = base64.urlsafe_b64decode(ticket.encode())
            said = json.loads(self.ring.decrypt(TICKET, sealed, labels.PORTAL_TICKET))
        except (SealBroken, KeyUnusable, ValueError):
            raise _no_ticket() from None
        if _text(sealed) != ticket:  # one ticket has one spelling, or it could be spent twice
            raise _no_ticket()
        if now.timestamp() >= said[4] or _digest(ticket) in self._spent:
            raise _no_ticket()
        # 2
        asked = Asked(client_id=said[0], redirect_uri=said[1], state=said[2], challenge=said[3])
        if not verify(card_key, labels.CITIZEN_SIGN_IN, asked.signed_with(ticket), signature):
            raise ProblemError(403, "card_signature_wrong", "The card has not signed this sign-in; begin again.")
        return asked

    def grant(self, ticket: str, asked: Asked, number: IntegratedAddresseeNumber, now: datetime) -> str:
        """A code for the holder of the card. The ticket is spent with it, even when two came at once. Raises ProblemError 400."""
        if _digest(ticket) in self._spent:
            raise _no_ticket()
        self._spent[_digest(ticket)] = now + TICKET_FOR
        code = secrets.token_urlsafe(32)
        self._grants[_digest(code)] = _Grant(asked=asked, number=number, until=now + CODE_FOR)
        return code

    def redeem(self, form: Mapping[str, str], now: datetime) -> str | None:
        """A token for a code, or None: unknown, over, of another client or address, or with a wrong verifier (RFC 6749 §5.2 invalid_grant).

        A code works once. One that comes again has leaked: the session that came of it ends (RFC 6749 §4.1.2).
        """
        digest = _digest(form.get("code", ""))
        grant = self._grants.get(digest)
        if grant is None:
            return None
        if grant.token is not None:
            self._sessions.pop(grant.token, None)
            return None
        verifier, asked = form.get("code_verifier", ""), grant.asked
        named = (form.get("client_id"), form.get("redirect_uri"))
        right = _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(_s256(verifier), asked.challenge)
        if now >= grant.until or named != (asked.client_id, asked.redirect_uri) or not right:
            del self._grants[digest]
            return None
        token = secrets.token_urlsafe(32)
        grant.token, grant.until = _digest(token), now + self.session_for
        self._sessions[grant.token] = Session(
            number=grant.number, client_id=asked.client_id, until=grant.until, idle_until=now + self.idle_for
        )
        return token

    def session(self, token: str, now: datetime) -> Session | None:
        """The session of a token, if it lives."""
        found = self._sessions.get(_digest(token))
        if found is None or not found.lives(now):
            return None
        found.idle_until = now + self.idle_for
        return found

    def end(self, token: str) -> None:
        """Sign out; what was under way in the session is out of reach."""
        self._sessions.pop(_digest(token), None)

    def sweep(self, now: datetime) -> None:
        """Forget what is over."""
        self._spent = {digest: until for digest, until in self._spent.items() if now < until}
        self._grants = {digest: grant for digest, grant in self._grants.items() if now < grant.until}
        self._sessions = {digest: session for digest, session in self._sessions.items() if session.lives(now)}


def _no_ticket() -> ProblemError:
    return ProblemError(400, "ticket_unknown", "This sign-in was not begun here, is over, or was used; begin again.")


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _digest(text: Any) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
