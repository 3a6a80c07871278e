"""Routes of bars for staff: look, set, check and lift (SC-4, IS-6). Each takes one item at a time."""

from __future__ import annotations

from typing import Any, Final

from gateway.intermediate_server.staff import barring
from gateway.intermediate_server.staff.operating import Acting, only
from gateway.intermediate_server.staff.rights import Function
from transport import wire


async def _look(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90091."""
    item = only(wire.parse_items(envelope, barring.VIEW_ITEM))
    return [await barring.view(acting, item, acting.desk.agency.clock())]


async def _set(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90092."""
    item = only(wire.parse_items(envelope, barring.SET_ITEM))
    return [await barring.set_bar(acting, item, acting.desk.agency.clock())]


async def _change(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90093."""
    item = only(wire.parse_items(envelope, barring.CHANGE_ITEM))
    return [await barring.change(acting, item, acting.desk.agency.clock())]


BAR_ROUTES: Final = (
    ("bars", Function.BARS_VIEW, _look),
    ("bars/set", Function.BARS_CHANGE, _set),
    ("bars/change", Function.BARS_CHANGE, _change),
)
"""Path below the agency, the right that it takes, and who answers."""
