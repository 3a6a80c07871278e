"""A backup of SKY2 (SC-15; docs/adr/0099), by order of an administrator whom the agency's intermediate server knows, where it is on record.

Sealed to the agency's backup key, which no server can open. The key ring is no part of it, and neither is the secret of pushes.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from adapters.sky2.store import Store
from codebook.identifiers import new_sortable_id
from evidence.orders import Order, OrderKind
from keys.signing import Signer
from storage.backups import making
from storage.backups.form import BackedUp, Writer
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.fault_points import Step, declare
from transport import backups
from transport.backups import Backup
from transport.clock import Clock
from transport.ordered import read_order
from transport.problem import ProblemError
from transport.register import Register

_LOG = structlog.get_logger()
LEFT_OUT: Final = frozenset({"push_secret"})
"""Who may say that people have changed is agreed anew after a restore."""
CARRIED: Final[Step] = declare("backup", "commit.sky2.order_carried")
MADE: Final[Step] = declare("backup", "commit.sky2.made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """What the route needs. `public`: the half of the backup key that lies with this role now; `signer`: of ends; `journal`: of numbers that
    went; `refused`: puts a refusal on record.
    """

    agency: str
    tenant: str
    database: Database
    store: Store
    register: Callable[[], Register]
    signer: Callable[[], Signer]
    journal: ErasureJournal
    public: Callable[[], bytes | None]
    refused: Callable[[web.Request, str], Awaitable[None]]
    clock: Clock


BACKUPS: web.AppKey[Backups] = web.AppKey("backups", Backups)


def add_routes(app: web.Application) -> None:
    app.router.add_post("/backups/{agency}", post_backup)


async def post_backup(request: web.Request) -> web.StreamResponse:
    """IF_SKY_90410: a backup, streamed; one that breaks off has no end and is good for nothing."""
    of = request.app[BACKUPS]
    if request.match_info["agency"] != of.agency:
        raise ProblemError(404, "agency_not_hosted", "This server does not host that agency.")

    async def refused(reason: str) -> None:
        await of.refused(request, reason)

    order = await read_order(
        request,
        OrderKind.BACKUP_MAKE,
        agency=of.agency,
        database=BackedUp.SKY2,
        register=of.register(),
        now=of.clock(),
        refused=refused,
    )
    async with _begun(of, order) as writer:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        await making.write(of.database, of.tenant, writer, response.write, left_out=LEFT_OUT)
    await response.write_eof()
    return response


@asynccontextmanager
async def _begun(of: Backups, order: Order) -> AsyncIterator[Writer]:
    """A backup that may be made. Raises ProblemError 409, StorageUnavailableError."""
    now = of.clock()
    backup_id = new_sortable_id("B", int(now.timestamp() * 1000), secrets.token_bytes(10))

    async def begin() -> None:
        if not await of.store.carry_order(order.order_id, now, CARRIED):
            raise ProblemError(409, "order_carried_out", "This order was carried out already; ask for another one.")

    async def made(_writer: Writer) -> None:
        await of.store.backup_made(order.order_id, of.clock(), MADE)

    async def end(reason: str | None) -> None:
        _LOG.info("backup:ended", agency=of.agency, reason=reason)

    backup = Backup(
        agency=of.agency,
        database=BackedUp.SKY2,
        backup_id=backup_id,
        at=now,
        public=of.public(),
        signer=of.signer(),
        journal=of.journal,
        clock=of.clock,
        begin=begin,
        made=made,
        end=end,
    )
    async with backups.begun(backup) as writer:
        yield writer


async def watch(of: Backups) -> None:
    """Set the metric: when the latest backup was complete. Raises StorageUnavailableError."""
    backups.told(of.agency, BackedUp.SKY2, await of.store.last_backup())
