"""What the administrators of an agency have done at its linkage server, by signed order of its intermediate server (SC-15, SC-20; docs/adr/0057, 0076)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from evidence.entry import EntryKind
from evidence.orders import Order, OrderKind
from gateway.api.authorization import DOORS
from gateway.linkage_server.backups import making
from gateway.linkage_server.backups.comparing import compared
from gateway.linkage_server.backups.standing import not_lifted
from gateway.linkage_server.tenant import Agency
from keys.signing import Signer
from storage import sql
from storage.backups.form import BackedUp
from storage.committer import Applied, Commit, Statement, Write, commit_step
from transport.channel import ChannelError
from transport.ordered import read_order
from transport.problem import ProblemError
from transport.register import Register

_SQL = sql.load("gateway.linkage_server.backups")
_LIFT: Final = Statement("lift", _SQL["lift"])
_LIFTED: Final = commit_step("restore", "lifted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """One agency's. `signer`: of its log."""

    agency: Agency
    register: Callable[[], Register]
    signer: Callable[[], Signer]


BACKUPS: web.AppKey[Mapping[str, Backups]] = web.AppKey("backups", Mapping[str, Any])


async def _ordered(request: web.Request, kind: OrderKind) -> tuple[Backups, Order]:
    """Whose order this is, held against the register; a refusal is recorded. Raises ProblemError 403, 404, 413."""
    name = request.match_info["agency"]
    found = request.app[BACKUPS].get(name)
    if found is None:
        raise ProblemError(404, "agency_not_hosted", "This server does not host that agency.")

    async def refused(reason: str) -> None:
        await request.app[DOORS].refuse(name, reason, None)

    order = await read_order(
        request,
        kind,
        agency=name,
        database=BackedUp.LINKAGE,
        register=found.register(),
        now=found.agency.clock(),
        refused=refused,
    )
    return found, order


async def post_backup(request: web.Request) -> web.StreamResponse:
    """IF_SYM_90183: a backup, streamed; one that breaks off has no end and is good for nothing."""
    found, order = await _ordered(request, OrderKind.BACKUP_MAKE)
    async with making.begun(found.agency, order, found.signer()) as writer:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        await making.write(found.agency, writer, response.write)
    await response.write_eof()
    return response


async def post_lift(request: web.Request) -> web.Response:
    """IF_SYM_90184: what was restored may leave from now on.

    1. there is a restore of that backup; 2. by somebody else; 3. every business system's copies were compared; 4. once, and on record.
    """
    found, order = await _ordered(request, OrderKind.RESTORE_LIFT)
    agency = found.agency
    restore = await not_lifted(agency)
    # 1
    if restore is None or order.facts.get("backup") != restore.backup_id:
        raise ProblemError(409, "restore_unknown", "No restore of this backup waits to be lifted.")
    # 2
    if restore.restored_by in order.people:
        raise ProblemError(403, "second_person_needed", "Another administrator than the one who restored must lift it.")
    # 3
    try:
        counts = await compared(agency, restore)
    except ChannelError:
        raise ProblemError(
            503, "intermediate_server_unavailable", "The agency's intermediate server did not answer; ask again later."
        ) from None
    if any(one is None for one in counts.values()):
        raise ProblemError(409, "copies_not_compared", "Copies and originals are being compared; ask again later.")
    # 4
    now = agency.clock()
    differ = sum(sum(one.values()) - one.get("equal", 0) for one in counts.values() if one is not None)
    said: dict[str, str | int] = {
        "backup": restore.backup_id,
        "order": order.order_id,
        "systems": len(counts),
        "differing": differ,
    }
    guard = Write(_LIFT, (restore.backup_id, now, order.people[0]))
    entry = making.note(EntryKind.RESTORE_LIFTED, now, order, said)
    commit = Commit(step=_LIFTED, guard=guard, follow=(making.carried(order, now),), entries=(entry,))
    if not isinstance(await agency.committer.apply(commit), Applied):
        raise ProblemError(409, "restore_unknown", "No restore of this backup waits to be lifted.")
    agency.release.lift()
    return web.json_response({"backup": restore.backup_id, "compared": counts})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/backups/{agency}", post_backup)
    app.router.add_post("/backups/{agency}/lift", post_lift)
