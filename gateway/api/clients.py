"""OAuth clients of one agency: business systems with their scopes (`業務ID:リソース:操作`), denied unless registered.

Secrets lie sealed, not hashed: `client_secret_jwt` (HS256) needs them as keys (OpenID Connect Core 1.0 §9).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys.binding import bind
from keys.masked import Secret
from keys.ring import Keyring
from storage import sql
from storage.database import Database

SECRET_PURPOSE: Final = "oauth-client-secret"  # noqa: S105 (the name of a purpose)
_SQL = sql.load("gateway.api")
_LABEL = b"sekisho/oauth-client-secret/v1"
_SYSTEM = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SCOPE = re.compile(r"([a-z][a-z0-9-]{0,39}):[a-z][a-z-]{0,39}:[a-z][a-z-]{0,39}")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class ClientFormError(Exception):
    """A client id, business system id or scope that set-up gave does not have its form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """既存業務システム's client. `scopes` are those that it may ask for; all begin with its own business system id."""

    client_id: str
    agency: str
    system: str
    secret: Secret
    scopes: frozenset[str]
    may_use_individual_number: bool

    def has_secret(self, shown: str) -> bool:
        # reveal: comparison in constant time
        return hmac.compare_digest(self.secret.reveal(), shown.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRights:
    """What a business system may do at all, by its clients together: its scopes, and whether it may meet an Individual Number (SC-13)."""

    system: str
    scopes: frozenset[str]
    may_use_individual_number: bool

    def may(self, resource: str, operation: str) -> bool:
        return f"{self.system}:{resource}:{operation}" in self.scopes


def _aad(client_id: str) -> bytes:
    return bind(_LABEL, client_id)


class ClientStore:
    """The clients of one agency, read anew each time: a scope that is taken away is gone with the next token."""

    def __init__(self, database: Database, tenant: str, agency: str, ring: Keyring) -> None:
        self._database = database
        self._tenant = tenant
        self._agency = agency
        self._ring = ring

    async def register(
        self, client_id: str, secret: Secret, *, system: str, scopes: frozenset[str], may_use_individual_number: bool
    ) -> None:
        """Make or replace a client. Raises ClientFormError; again with the same arguments changes nothing."""
        if not _CLIENT.fullmatch(client_id) or not _SYSTEM.fullmatch(system):
            raise ClientFormError("a client id or business system id does not have its form")
        for scope in scopes:
            form = _SCOPE.fullmatch(scope)
            if form is None or form.group(1) != system:
                raise ClientFormError("a scope is <business system>:<resource>:<operation> of the client's own system")
        # reveal: sealed before it leaves
        sealed = self._ring.encrypt(SECRET_PURPOSE, secret.reveal(), _aad(client_id))
        async with self._database.inside(self._tenant) as connection:
            await connection.execute(
                _SQL["put_client"], client_id, system, sealed, sorted(scopes), may_use_individual_number
            )

    async def find(self, client_id: str) -> Client | None:
        async with self._database.inside(self._tenant) as connection:
            row = await connection.fetchrow(_SQL["client"], client_id)
        if row is None:
            return None
        return Client(
            client_id=row["client_id"],
            agency=self._agency,
            system=row["business_system_id"],
            secret=Secret(self._ring.decrypt(SECRET_PURPOSE, row["secret_sealed"], _aad(row["client_id"]))),
            scopes=frozenset(row["scopes"]),
            may_use_individual_number=row["may_use_individual_number"],
        )

    async def ids(self) -> list[str]:
        async with self._database.inside(self._tenant) as connection:
            return [row["client_id"] for row in await connection.fetch(_SQL["client_ids"])]

    async def systems(self) -> list[str]:
        async with self._database.inside(self._tenant) as connection:
            return [row["business_system_id"] for row in await connection.fetch(_SQL["systems"])]

    async def rights(self, system: str) -> SystemRights | None:
        """What the system may meet, by all its clients together; None when it has no client here."""
        async with self._database.inside(self._tenant) as connection:
            rows = await connection.fetch(_SQL["system_rights"], system)
        if not rows:
            return None
        return SystemRights(
            system=system,
            scopes=frozenset(scope for row in rows for scope in row["scopes"]),
            may_use_individual_number=any(row["may_use_individual_number"] for row in rows),
        )

    async def use_assertion(self, client_id: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        """True the first time that an assertion's id is shown (RFC 7523 §3, item 7)."""
        async with self._database.inside(self._tenant) as connection:
            await connection.execute(_SQL["forget_assertions"], now)
            return await connection.fetchval(_SQL["use_assertion"], client_id, jti, expires_at) is not None
