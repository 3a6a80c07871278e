"""How the counterparts of an agency stand, as its operator sees them: circuits, and what waits in the outbox until they close (IS-7)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.intermediate_server.agency import HostedAgency
from storage import sql
from storage.database import as_away

_SQL = sql.load("gateway.intermediate_server.operations")


class NothingAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SCM_90133."""


NOTHING_ASKED = msgspec.json.Decoder(NothingAsked)


async def listed(agency: HostedAgency) -> dict[str, Any]:
    """IF_SCM_90133. Raises StorageUnavailableError."""
    now = asyncio.get_running_loop().time()
    with as_away("the outbox could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            waiting = await connection.fetchrow(_SQL["outbox"])
    return {
        "counterparts": [circuit.shown(now) for circuit in agency.circuits],
        "outbox": dict(waiting) if waiting else {},
    }
