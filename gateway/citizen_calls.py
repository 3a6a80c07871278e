"""A synthetic citizen at the portal: a card in a file, signing in with it (OAuth 2.0 with PKCE), asking in two steps."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway.data_folder import write_private
from gateway.staff_calls import NotReachableError, RefusedError, refused
from keys import labels
from keys.binding import bind
from keys.masked import Secret
from keys.signing import Signer, generate_seed

CLIENT: Final = "sekisho-citizen"
REDIRECT: Final = "http://127.0.0.1/callback"
_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.2
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


class CitizenCardError(Exception):
    """No card in this file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenCard:
    """A synthetic card: its key and the certificate that the resident network made for the key."""

    seed: Secret
    certificate: bytes

    @property
    def signer(self) -> Signer:
        return Signer(self.seed)

    @classmethod
    def open(cls, path: Path) -> CitizenCard:
        """Raises CitizenCardError."""
        try:
            stored = json.loads(path.read_bytes())
            return cls(seed=Secret(bytes.fromhex(stored["seed"])), certificate=base64.b64decode(stored["certificate"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise CitizenCardError from None

    def save(self, path: Path) -> None:
        # reveal: the card's own file, mode 0600; a real card never gives its key away
        stored = {"seed": self.seed.reveal().hex(), "certificate": base64.b64encode(self.certificate).decode()}
        write_private(path, json.dumps(stored).encode())


def new_seed() -> Secret:
    return generate_seed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body and the address that a redirect names."""

    status: int
    body: Any
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The citizen's device with its client. `url`: of the portal. Its calls raise RefusedError and NotReachableError."""

    url: str
    context: ssl.SSLContext

    def sign_in(self, card: CitizenCard) -> str:
        """A token for the holder of the card."""
        verifier = secrets.token_urlsafe(48)
        ticket = self.ticket(verifier)
        return str(self.token(self.code(card, ticket), verifier)["access_token"])

    def ticket(self, verifier: str) -> str:
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return str(self.call("GET", f"/oauth/authorize?{urlencode(asked)}").body["ticket"])

    def code(self, card: CitizenCard, ticket: str) -> str:
        """What the card signs is to whom, and where the code goes: another client's ticket is of no use to us."""
        signed = bind(ticket, CLIENT, REDIRECT)
        shown = {
            "ticket": ticket,
            "card_key": base64.b64encode(card.signer.public_key).decode(),
            "certificate": base64.b64encode(card.certificate).decode(),
            "signature": base64.b64encode(card.signer.sign(labels.CITIZEN_SIGN_IN, signed)).decode(),
        }
        answer = self.call("POST", "/oauth/authorize", json.dumps(shown).encode())
        return parse_qs(urlsplit(answer.location).query)["code"][0]

    def token(self, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "code_verifier": verifier,
        }
        found: dict[str, Any] = self.call("POST", "/oauth/token", urlencode(form).encode(), kind=_FORM).body
        return found

    def sign_out(self, token: str) -> None:
        self.call("POST", "/oauth/revoke", urlencode({"token": token}).encode(), kind=_FORM)

    def request(self, token: str, provider: str, information: str, items: list[str]) -> str:
        """The process of a first step."""
        wanted = {"provider": provider, "information": information, "items": items}
        return str(self.call("POST", "/request", json.dumps(wanted).encode(), token).body["process_id"])

    def result(self, token: str, process_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(
            "POST", "/result", json.dumps({"process_id": process_id}).encode(), token
        ).body
        return found

    def wait(self, token: str, process_id: str, seconds: float) -> dict[str, Any]:
        """The result once it is there; `pending` when it is not after so many seconds."""
        until = time.monotonic() + seconds
        while (found := self.result(token, process_id))["state"] == "pending" and time.monotonic() < until:
            time.sleep(_POLL_S)
        return found

    def call(self, method: str, path: str, body: bytes | None = None, token: str = "", *, kind: str = _JSON) -> Answer:
        """One call; a problem is raised as RefusedError."""
        connection = http.client.HTTPSConnection(urlsplit(self.url).netloc, timeout=_TIMEOUT_S, context=self.context)
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            raise NotReachableError from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise refused(data)
        try:
            found = json.loads(data) if data else None
        except ValueError:
            raise RefusedError("peer_answer_malformed") from None
        return Answer(status=answer.status, body=found, location=answer.headers.get("Location", ""))
