"""May this token still be used? Asked of the database at every call, so that a suspension, a removed scope or an ended secret works at once.

Many calls share one look, whichever agency they are for: what arrives while one is under way is answered by the next, never by one that began before it came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.api.clients import ClientState
from gateway.api.tokens import Caller
from storage import sql
from storage.database import Database
from storage.shared_look import TenantLook

_SQL = sql.load("gateway.api")


def judge(caller: Caller, row: Any, now: datetime) -> Caller | None:
    """The caller with what its client may still do, or None when the token is dead. `row`: of the query `standings`."""
    alive = (
        row is not None
        and row["client_id"] == caller.client_id
        and row["state"] == ClientState.ACTIVE
        and (row["expires_at"] is None or row["expires_at"] > now)
        and row["tokens_from"].timestamp() < caller.issued
        and caller.secret_id in row["secret_ids"]
        and not row["revoked"]
        and caller.expires > now.timestamp()
    )
    if not alive:
        return None
    return replace(
        caller,
        scopes=caller.scopes & frozenset(row["scopes"]),
        may_use_individual_number=caller.may_use_individual_number and row["may_use_individual_number"],
    )


def look_of(database: Database) -> TenantLook:
    """The look that all agencies of a process share."""
    return TenantLook(database, _SQL["standings"])


@dataclass(frozen=True, slots=True)
class Standings:
    """One agency's."""

    _rows: TenantLook
    _tenant: str

    async def of(self, caller: Caller, now: datetime) -> Caller | None:
        """What this token may be used for now; None: nothing. Raises StorageUnavailableError."""
        key = (caller.token_id, caller.client_id)
        return judge(caller, (await self._rows.find(self._tenant, [key])).get(key), now)
