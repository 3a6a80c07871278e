"""What ends of somebody's rights stands in the journal of erasures before it ends, so that no restore of a backup brings it back (SC-11, SC-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.people import CardState
from gateway.intermediate_server.staff.rights import GrantState

MEMBER: Final = "staff_member"
"""Somebody left."""
CARD: Final = "staff_card"
GRANT: Final = "staff_grant"
PASSWORD: Final = "staff_password"  # noqa: S105 (a word of the journal)
"""Somebody has another password now."""
_LIVES: Final = (GrantState.REQUESTED, GrantState.EFFECTIVE, GrantState.UNVOUCHED)


async def note(agency: HostedAgency, rows: Sequence[tuple[str, str]], now: datetime) -> None:
    """Durable when it returns. Raises StorageUnavailableError: then nothing may end."""
    if rows:
        await asyncio.to_thread(agency.erasures.write, rows, now)


async def is_noted(agency: HostedAgency, what: str, name: str) -> bool:
    """Whether somebody or a card of this name has ended here. After a restore they may stand in no row, and the name is nobody else's all the same."""
    return await asyncio.to_thread(agency.erasures.names, what, name)


async def grants_of(agency: HostedAgency, staff_id: str) -> list[tuple[str, str]]:
    """Rows for every grant of somebody's that lives."""
    return [(GRANT, one.grant_id) for one in await store.grants(agency, staff_id) if one.state in _LIVES]


async def cards_of(agency: HostedAgency, staff_id: str) -> list[tuple[str, str]]:
    """Rows for every card of somebody's that is in force."""
    return [(CARD, one.card_id) for one in await store.cards(agency, staff_id) if one.state is not CardState.REVOKED]
