"""An order of an agency's administrators as the body of a call, at another server of the agency (SC-15, SC-20; docs/adr/0057): held against the register first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from aiohttp import web

from evidence import orders
from evidence.orders import Order, OrderKind, OrderRefusedError
from storage.backups.form import BackedUp
from transport.problem import ProblemError
from transport.register import Register

_LONGEST: Final = 1 << 14


async def read_order(
    request: web.Request,
    kind: OrderKind,
    *,
    agency: str,
    database: BackedUp,
    register: Register,
    now: datetime,
    refused: Callable[[str], Awaitable[None]],
) -> Order:
    """The order for this act on this agency's database. `refused`: puts the reason of a refusal on record. Raises ProblemError 403, 404, 413."""
    body = await request.read()
    if len(body) > _LONGEST:
        raise ProblemError(413, "body_too_large", "An order is a few hundred bytes.")
    own = register.agencies.get(agency)
    if own is None:
        raise ProblemError(404, "agency_not_hosted", "This server does not host that agency.")
    try:
        return orders.read(body, own.signing_keys, kind=kind, agency=agency, server=database.value, now=now)
    except OrderRefusedError as no:
        await refused(no.reason.value)
        raise ProblemError(
            403,
            no.reason.value,
            "Ask the agency's intermediate server for an order for this act; see `sekisho backup`.",
        ) from None
