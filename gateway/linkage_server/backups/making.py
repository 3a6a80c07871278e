"""A backup of an agency's linkage server (SC-15), by order of an administrator whom its intermediate server knows (docs/adr/0057, 0076).

On record before its first byte leaves, sealed to the agency's backup key, which no server can open. The key ring is no part of it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, other_entry
from evidence.orders import Order
from gateway.linkage_server.backups import history
from gateway.linkage_server.tenant import Agency, milliseconds, new_entry, new_entry_id
from keys.signing import Signer
from storage import sql
from storage.backups import making
from storage.backups.form import BackedUp, Writer
from storage.backups.making import Send
from storage.committer import Applied, Commit, NewEntry, Statement, Write, commit_step
from transport import backups
from transport.backups import Backup
from transport.problem import ProblemError

_SQL = sql.load("gateway.linkage_server.backups")
_CARRY: Final = Statement("carry_order", _SQL["carry_order"])
_BEGUN: Final = commit_step("linkage", "backup.begun")
_MADE: Final = commit_step("linkage", "backup.made")
LEFT_OUT: Final = frozenset({"oauth_assertion", "oauth_revoked_token"})
"""Spent assertions and revoked tokens: a restore leaves no secret and no token that they could be about."""


def carried(order: Order, now: datetime) -> Write:
    """The order is carried out with this commit, for the only time."""
    return Write(_CARRY, (order.order_id, now))


@asynccontextmanager
async def begun(agency: Agency, order: Order, signer: Signer) -> AsyncIterator[Writer]:
    """A backup that may be made, on record. `signer`: of the agency's log. Raises ProblemError 409, StorageUnavailableError."""
    now = agency.clock()
    backup_id = new_sortable_id("B", milliseconds(now), secrets.token_bytes(10))

    async def begin() -> None:
        said: dict[str, str | int] = {"event": "begun", "backup": backup_id, "order": order.order_id}
        entry = note(EntryKind.BACKUP_MADE, now, order, said)
        follow = (history.opening(backup_id, now),)
        commit = Commit(step=_BEGUN, guard=carried(order, now), follow=follow, entries=(entry,))
        if not isinstance(await agency.committer.apply(commit), Applied):
            raise ProblemError(409, "order_carried_out", "This order was carried out already; ask for another one.")

    async def made(writer: Writer) -> None:
        said: dict[str, str | int] = {"event": "made", "backup": backup_id}
        said |= {"bytes": writer.size, "rows": sum(writer.counts.values())}
        entry = note(EntryKind.BACKUP_MADE, agency.clock(), order, said)
        await agency.committer.apply(Commit(step=_MADE, entries=(entry,)))

    backup = Backup(
        agency=agency.id,
        database=BackedUp.LINKAGE,
        backup_id=backup_id,
        at=now,
        public=agency.backup_key(),
        signer=signer,
        journal=agency.erasures,
        clock=agency.clock,
        begin=begin,
        made=made,
        end=partial(history.end, agency, backup_id),
    )
    async with backups.begun(backup) as writer:
        yield writer


async def write(agency: Agency, writer: Writer, send: Send) -> None:
    """Send a whole backup. Raises as `storage.backups.making.write`."""

    async def told(done: int, total: int) -> None:
        await history.advance(agency, writer.backup_id, done, total, writer.counts)

    await making.write(agency.database, agency.tenant, writer, send, left_out=LEFT_OUT, told=told)


def note(kind: EntryKind, now: datetime, order: Order, facts: Mapping[str, str | int]) -> NewEntry:
    """An entry about what an order's people have had done."""
    actor = " ".join(order.people)
    return new_entry(other_entry(id=new_entry_id(now), at=now, kind=kind, actor=actor, facts=facts), now)
