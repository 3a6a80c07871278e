"""Routes of keys for staff: what there is, and the destruction of a version by two people (SC-20)."""

from __future__ import annotations

from typing import Any, Final

from gateway.intermediate_server.destruction import destroying
from gateway.intermediate_server.staff.operating import Acting, only
from gateway.intermediate_server.staff.rights import Function
from transport import wire


async def _listed(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90095."""
    return [await destroying.listed(acting) for _ in wire.parse_items(envelope, destroying.LIST_ITEM)]


async def _ask(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90096."""
    item = only(wire.parse_items(envelope, destroying.ASK_ITEM))
    return [await destroying.ask(acting, item, acting.desk.agency.clock())]


async def _decide(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90097."""
    item = only(wire.parse_items(envelope, destroying.DECIDE_ITEM))
    return [await destroying.decide(acting, item, acting.desk.agency.clock())]


KEY_ROUTES: Final = (
    ("keys", Function.KEYS_DESTROY, _listed),
    ("keys/destructions/ask", Function.KEYS_DESTROY, _ask),
    ("keys/destructions/decide", Function.KEYS_DESTROY, _decide),
)
"""Path below the agency, the right that it takes, and who answers."""
