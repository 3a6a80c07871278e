"""OAuth clients of one agency: business systems with their scopes (`業務ID:リソース:操作`), denied unless registered.

Secrets lie sealed, not hashed: `client_secret_jwt` (HS256) needs them as keys (OpenID Connect Core 1.0 §9). Two may be valid at a time.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from keys.binding import bind
from keys.masked import Secret
from keys.ring import Keyring
from storage import sql
from storage.database import Connection, Database
from transport.clock import Clock

SECRET_PURPOSE: Final = "oauth-client-secret"  # noqa: S105 (the name of a purpose)
_SQL = sql.load("gateway.api")
_LABEL = b"sekisho/oauth-client-secret/v1"
_SYSTEM = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SCOPE = re.compile(r"([a-z][a-z0-9-]{0,39}):[a-z][a-z-]{0,39}:[a-z][a-z-]{0,39}")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class ClientFormError(Exception):
    """A client id, business system id or scope that set-up or an administrator gave does not have its form."""


class ClientState(StrEnum):
    """`removed`: its id is never given again."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """One of a client's valid secrets; `id` is no secret."""

    id: str
    value: Secret
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """既存業務システム's client. `scopes` are those that it may ask for; all begin with its own business system id. `secrets`: oldest first."""

    client_id: str
    agency: str
    system: str
    secrets: tuple[ClientSecret, ...]
    scopes: frozenset[str]
    may_use_individual_number: bool
    state: ClientState
    expires_at: datetime | None

    def why_not(self, now: datetime) -> str | None:
        """Why it may not sign in now: a reason for the record, never for the caller. None: it may."""
        if self.state is not ClientState.ACTIVE:
            return f"client_{self.state.value}"
        return "client_expired" if self.expires_at is not None and self.expires_at <= now else None

    def secret_shown(self, shown: str) -> ClientSecret | None:
        """The valid secret that this is; all are compared, each in constant time."""
        given = shown.encode("utf-8", "surrogatepass")
        # reveal: comparison in constant time
        same = [one for one in self.secrets if hmac.compare_digest(one.value.reveal(), given)]
        return same[0] if same else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRights:
    """What a business system may do at all, by its clients together: its scopes, and whether it may meet an Individual Number (SC-13)."""

    system: str
    scopes: frozenset[str]
    may_use_individual_number: bool

    def may(self, resource: str, operation: str) -> bool:
        return f"{self.system}:{resource}:{operation}" in self.scopes


def check_form(client_id: str, system: str, scopes: frozenset[str]) -> None:
    """Raises ClientFormError."""
    if not _CLIENT.fullmatch(client_id) or not _SYSTEM.fullmatch(system):
        raise ClientFormError("a client id or business system id does not have its form")
    for scope in scopes:
        form = _SCOPE.fullmatch(scope)
        if form is None or form.group(1) != system:
            raise ClientFormError("a scope is <business system>:<resource>:<operation> of the client's own system")


def new_secret() -> Secret:
    """256 random bits, as text."""
    return Secret(secrets.token_urlsafe(32).encode())


async def client_ids(database: Database, tenant: str) -> list[str]:
    """Of an agency whose ring need not be open. Raises StorageUnavailableError."""
    async with database.inside(tenant) as connection:
        return [row["client_id"] for row in await connection.fetch(_SQL["client_ids"])]


class ClientStore:
    """The clients of one agency, read anew each time: what is taken away is gone at once."""

    def __init__(
        self,
        database: Database,
        tenant: str,
        agency: str,
        ring: Keyring,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._database = database
        self._tenant = tenant
        self._agency = agency
        self._ring = ring

    def seal(self, client_id: str, secret: Secret) -> bytes:
        # reveal: sealed before it leaves
        return self._ring.encrypt(SECRET_PURPOSE, secret.reveal(), bind(_LABEL, client_id))

    def open(self, client_id: str, sealed: bytes) -> Secret:
        """Raises SealBroken, KeyUnusable."""
        return Secret(self._ring.decrypt(SECRET_PURPOSE, sealed, bind(_LABEL, client_id)))

    async def register(
        self,
        client_id: str,
        secret: Secret,
        *,
        system: str,
        scopes: frozenset[str],
        may_use_individual_number: bool,
    ) -> Secret | None:
        """Set-up: make a client, or set its scopes to these; again with the same arguments changes nothing. Raises ClientFormError.

        Returns the newest secret that is valid: a client that has one keeps it, so that set-up brings no ended secret back.
        None: the client was removed, or waits for a new secret (`rotate`) after a restore.
        """
        check_form(client_id, system, scopes)
        async with self._database.inside(self._tenant) as connection:
            await connection.execute(_SQL["put_client"], client_id, system, sorted(scopes), may_use_individual_number)
            [known] = await self._read(connection, await connection.fetch(_SQL["client"], client_id))
            if not known.secrets:
                await connection.execute(
                    _SQL["put_first_secret"],
                    client_id,
                    secrets.token_hex(8),
                    self.seal(client_id, secret),
                    self._clock(),
                )
        if known.state is ClientState.REMOVED or (known.state is ClientState.SUSPENDED and not known.secrets):
            return None
        return known.secrets[-1].value if known.secrets else secret

    async def find(self, client_id: str) -> Client | None:
        async with self._database.inside(self._tenant) as connection:
            found = await self._read(connection, await connection.fetch(_SQL["client"], client_id))
        return found[0] if found else None

    async def has_ended(self, client_id: str, secret_id: str) -> bool:
        """Whether the client had a secret of this id, which an administrator has ended."""
        async with self._database.inside(self._tenant) as connection:
            return bool(await connection.fetchval(_SQL["is_ended_secret"], client_id, secret_id))

    async def every(self) -> list[Client]:
        """All clients, removed ones too, by id."""
        async with self._database.inside(self._tenant) as connection:
            return await self._read(connection, await connection.fetch(_SQL["clients"]))

    async def _read(self, connection: Connection, rows: Sequence[Any]) -> list[Client]:
        held: dict[str, list[ClientSecret]] = {row["client_id"]: [] for row in rows}
        for row in await connection.fetch(_SQL["secrets"], list(held)):
            value = self.open(row["client_id"], row["sealed"])
            held[row["client_id"]].append(ClientSecret(id=row["secret_id"], value=value, made_at=row["made_at"]))
        return [
            Client(
                client_id=row["client_id"],
                agency=self._agency,
                system=row["business_system_id"],
                secrets=tuple(held[row["client_id"]]),
                scopes=frozenset(row["scopes"]),
                may_use_individual_number=row["may_use_individual_number"],
                state=ClientState(row["state"]),
                expires_at=row["expires_at"],
            )
            for row in rows
        ]

    async def ids(self) -> list[str]:
        return await client_ids(self._database, self._tenant)

    async def systems(self) -> list[str]:
        async with self._database.inside(self._tenant) as connection:
            return [row["business_system_id"] for row in await connection.fetch(_SQL["systems"])]

    async def rights(self, system: str) -> SystemRights | None:
        """What the system may meet, by all its usable clients together; None when it has no client here."""
        async with self._database.inside(self._tenant) as connection:
            rows = await connection.fetch(_SQL["system_rights"], system, self._clock())
        if not rows:
            return None
        usable = [row for row in rows if row["usable"]]
        return SystemRights(
            system=system,
            scopes=frozenset(scope for row in usable for scope in row["scopes"]),
            may_use_individual_number=any(row["may_use_individual_number"] for row in usable),
        )

    async def use_assertion(self, client_id: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        """True the first time that an assertion's id is shown (RFC 7523 §3, item 7)."""
        async with self._database.inside(self._tenant) as connection:
            await connection.execute(_SQL["forget_assertions"], now)
            return await connection.fetchval(_SQL["use_assertion"], client_id, jti, expires_at) is not None

    async def revoke_token(self, token_id: str, expires_at: datetime, now: datetime) -> None:
        """The token is dead from now on (RFC 7009)."""
        async with self._database.inside(self._tenant) as connection:
            await connection.execute(_SQL["forget_revoked"], now)
            await connection.execute(_SQL["revoke_token"], [token_id], [expires_at])
