"""Routes for whoever keeps the server running: its counterparts, codes that were not renewed, notices of running state (IS-1, IS-7, IS-10)."""

from __future__ import annotations

from typing import Any, Final

from gateway.intermediate_server.operations import counterparts, not_renewed, notices, ordering
from gateway.intermediate_server.staff.operating import Acting, only
from gateway.intermediate_server.staff.rights import Function
from transport import wire


async def _counterparts(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SCM_90133."""
    items = wire.parse_items(envelope, counterparts.NOTHING_ASKED)
    return [await counterparts.listed(acting.desk.agency) for _ in items]


async def _notices(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SCM_90134: for every member of staff who is logged in."""
    items = wire.parse_items(envelope, counterparts.NOTHING_ASKED)
    return [await notices.listed(acting.desk.agency, to_staff=True) for _ in items]


async def _post(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SCM_90135."""
    item = only(wire.parse_items(envelope, notices.POST_ITEM))
    return [await notices.post(acting, item, acting.desk.agency.clock())]


async def _withdraw(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SCM_90136."""
    item = only(wire.parse_items(envelope, notices.WITHDRAW_ITEM))
    return [await notices.withdraw(acting, item, acting.desk.agency.clock())]


async def _not_renewed(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_FGU_90024."""
    item = only(wire.parse_items(envelope, not_renewed.NOT_RENEWED_ITEM))
    return [await not_renewed.listed(acting, item, acting.desk.agency.clock())]


async def _backup_orders(acting: Acting, envelope: wire.Envelope) -> list[Any]:
    """IF_SYM_90181."""
    item = only(wire.parse_items(envelope, ordering.BACKUP_ORDER_ITEM))
    return [await ordering.order(acting, item, acting.desk.agency.clock())]


OPERATION_ROUTES: Final = (
    ("backup-orders", Function.BACKUP, _backup_orders),
    ("counterparts", Function.OPERATIONS, _counterparts),
    ("codes/not-renewed", Function.OPERATIONS, _not_renewed),
    ("staff/notices", None, _notices),
    ("notices/post", Function.OPERATIONS, _post),
    ("notices/withdraw", Function.OPERATIONS, _withdraw),
)
"""Path below the agency, the right that it takes, and who answers."""
