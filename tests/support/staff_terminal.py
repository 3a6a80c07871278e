"""A terminal of an agency over real TLS, and the people who sit at it: every call returns status and document, refusals too."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from codebook.identifiers import new_sortable_id
from gateway import staff_cards
from gateway.launcher import Running
from gateway.setting_up.first_staff import FIRST
from keys.signing import Signer, generate_seed
from storage.database import Database
from transport.tls import client_context

UNTIL = "2026-04-01T00:00:00Z"
GROWN_UP = "a password of its own "


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody synthetic with a card; `token` is the session that they have open."""

    agency: str
    staff_id: str
    password: str
    card: Signer
    token: str = ""


def first(running: Running, staff_id: str, agency: str = "setagaya") -> Person:
    """One of those whom set-up has made."""
    assert staff_id in FIRST
    known = staff_cards.read_secrets(running.data.staff_secrets(agency, staff_id))
    assert known is not None
    card = staff_cards.open_card(running.data.staff_card(agency, staff_id), agency, staff_id, known.passphrase)
    return Person(agency=agency, staff_id=staff_id, password=known.password, card=card)


def somebody(agency: str = "setagaya") -> Person:
    """Somebody whom the server does not know yet."""
    return Person(
        agency=agency,
        staff_id=f"new-{secrets.token_hex(6)}",
        password=secrets.token_urlsafe(18),
        card=Signer(generate_seed()),
    )


def fresh_grant_id() -> str:
    return new_sortable_id("G", 0, secrets.token_bytes(10))


@dataclass(slots=True, kw_only=True)
class Terminal:
    session: aiohttp.ClientSession
    base: str

    async def call(
        self, person: Person | str, path: str, *items: Any, agency: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Status and first item, or the problem. A string instead of a person is a token, or nothing."""
        whose = person.agency if isinstance(person, Person) else "setagaya"
        token = person.token if isinstance(person, Person) else person
        given = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        url = f"{self.base}/{agency or whose}/{path}"
        async with self.session.post(url, json={"items": list(items)}, headers=given) as answer:
            document = json.loads(await answer.read())
        if answer.status != 200:
            return answer.status, document["reason"]
        return 200, document["items"] if path in ("staff/members", "staff/grants") else (document["items"] or [None])[0]

    async def challenge(self, person: Person, purpose: str = "log_in") -> str:
        asked = {"staff_id": person.staff_id, "purpose": purpose}
        status, answer = await self.call(person, "staff/challenges", asked)
        assert status == 200, answer
        challenge: str = answer["challenge"]
        return challenge

    async def proof(self, person: Person, purpose: str = "log_in", **changes: Any) -> dict[str, Any]:
        challenge = changes.pop("challenge", None) or await self.challenge(person, purpose)
        given = staff_cards.proof(person.card, person.agency, person.staff_id, person.password, purpose, challenge)
        return {**given, **changes}

    async def enter(self, person: Person, *, proof: dict[str, Any] | None = None, **changes: Any) -> tuple[int, Any]:
        """Try to log in; keeps the session that is opened."""
        given = proof or await self.proof(person)
        item = {"staff_id": person.staff_id, "proof": given, "reason": "inspection", **changes}
        status, answer = await self.call(person, "staff/log-in", item)
        if status == 200:
            person.token = answer["session"]
        return status, answer

    async def entered(self, person: Person) -> Person:
        status, answer = await self.enter(person)
        assert status == 200, answer
        return person

    # --- administration

    async def add(
        self, administrator: Person, person: Person, office: str = "kokuho-nenkin", until: str = UNTIL
    ) -> None:
        """Enrol somebody, who then sets a password of their own."""
        item = {
            "operation": "add", "staff_id": person.staff_id, "office": office, "valid_until": until, "password": person.password,
            "card_key": base64.b64encode(person.card.public_key).decode(),
        }  # fmt: skip
        status, answer = await self.call(administrator, "staff/members/change", item)
        assert status == 200, answer
        await self.entered(person)
        await self.renew(person)

    async def renew(self, person: Person) -> None:
        fresh = GROWN_UP + secrets.token_hex(8)
        item = {"proof": await self.proof(person, "password"), "new_password": fresh}
        status, answer = await self.call(person, "staff/password", item)
        assert status == 200, answer
        person.password, person.token = fresh, ""

    async def ask(
        self, administrator: Person, holder: Person, function: str = "held.view", **scope: Any
    ) -> tuple[int, Any]:
        given = {"function": function, "office": "kokuho-nenkin", "valid_until": UNTIL, **scope}
        item = {"event": "request", "grant_id": fresh_grant_id(), "staff_id": holder.staff_id, "scope": given}
        return await self.call(administrator, "staff/grants/ask", item)

    async def decide(self, by: Person, event: str, grant: dict[str, Any], **changes: Any) -> tuple[int, Any]:
        content_hash = changes.pop("content_hash", grant["content_hash"])
        proof = changes.pop("proof", None) or await self.proof(by, f"{event}/{grant['grant_id']}/{content_hash}")
        item = {"event": event, "grant_id": grant["grant_id"], "content_hash": content_hash, "proof": proof}
        return await self.call(by, "staff/grants/check", item)

    async def granted(
        self, one: Person, other: Person, holder: Person, function: str = "held.view", **scope: Any
    ) -> Any:
        """A grant asked for by one and approved by the other."""
        status, grant = await self.ask(one, holder, function, **scope)
        assert status == 200, grant
        status, grant = await self.decide(other, "approve", grant)
        assert (status, grant["state"]) == (200, "effective"), grant
        return grant


@asynccontextmanager
async def terminal(
    running: Running, agency: str = "setagaya", name: str = "staff-1", role: str = ""
) -> AsyncIterator[Terminal]:
    identity = running.staff(agency, name)
    chosen = role or ("intermediate" if agency == "setagaya" else "neighbours-intermediate")
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Terminal(session=session, base=running.url(chosen))


@asynccontextmanager
async def written_beside(running: Running, agency: str = "setagaya") -> AsyncIterator[Any]:
    """The tables of an agency's intermediate server, as its login writes them beside it."""
    role = "intermediate" if agency == "setagaya" else "neighbours-intermediate"
    opened = await Database.open(running.role(role).dsn, connections=1)
    try:
        async with opened.inside(f"a_{agency}_intermediate") as connection:
            yield connection
    finally:
        await opened.close()
