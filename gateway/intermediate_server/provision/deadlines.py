"""Held provisions and time (SC-4): escalated before the inquirer's deadline, expired after it; decided outcomes delivered until they are received."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.provision import answering
from gateway.intermediate_server.provision.deciding import concluded, concluding, marked_by_bars
from gateway.intermediate_server.provision.held import asked_about
from gateway.intermediate_server.records.exchange_entries import note_event
from permission_lists.permit import read_stored_permit
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step
from transport.channel import ChannelError

_SQL = sql.load("gateway.intermediate_server.provision")
_PUSHED = Statement("pushed", _SQL["pushed"])
_ESCALATE = Statement("escalate_held", _SQL["escalate_held"])
_PUSHED_STEP = commit_step("intermediate", "provision.pushed")
_ESCALATED_STEP = commit_step("intermediate", "provision.escalated")
_PUSH_BEYOND = timedelta(days=1)
_AT_ONCE: Final = 64


async def escalate(agency: HostedAgency, now: datetime) -> int:
    """Mark what is still held so long before its deadline, once each; staff see it, a metric and an entry say it. Returns how many."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["to_escalate"], now + agency.limits.escalate_before)
    commits = [
        Commit(
            step=_ESCALATED_STEP,
            guard=Write(_ESCALATE, (row["permit_id"], now)),
            entries=(
                note_event(
                    agency,
                    now,
                    EntryKind.HELD_ESCALATED,
                    reason=answering.HELD,
                    actor="auto",
                    permit_id=row["permit_id"],
                    inquiry_number=row["inquiry_number"],
                    affair=row["item"],
                    information=row["information"],
                    held_since=timestamp(row["received_at"]),
                    answer_by=timestamp(row["answer_by"]),
                ),
            ),
        )
        for row in rows
    ]
    await agency.committer.apply_all(commits)
    return len(rows)


async def expire(agency: HostedAgency, now: datetime) -> int:
    """Conclude what is still held after the inquirer's deadline; returns how many."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["overdue"], now)
    for row in rows:
        permit = read_stored_permit(row["permit"])
        number = asked_about(agency, row)
        marked = marked_by_bars(agency, row, number)
        made = answering.refuse(
            agency, permit, row["exchange_digest"], now, "held_past_deadline", number, marked=marked
        )
        commit = concluding(agency, permit, made, "expired", EntryKind.PROVISION_EXPIRED, "auto", now)
        if isinstance(await agency.committer.apply(commit), Applied):  # else somebody has decided it meanwhile
            concluded(agency)
    return len(rows)


async def push(agency: HostedAgency, now: datetime) -> int:
    """IF_TKY_90004: deliver decided outcomes until they are received; returns how many are left for the next round.

    So many at once as share a request: one inquirer that hangs holds up neither the others nor what else the broom has to do.
    """
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["to_push"], now)
    left = 0
    for start in range(0, len(rows), _AT_ONCE):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_push(agency, row, now)) for row in rows[start : start + _AT_ONCE]]
        left += sum(not task.result() for task in tasks)
    return left


async def _push(agency: HostedAgency, row: Record, now: datetime) -> bool:
    """Whether an outcome has left the outbox."""
    content = row["sealed"] is not None
    if now > row["answer_by"] + _PUSH_BEYOND:  # the inquirer has given it up long ago: nothing leaves for nobody
        await _pushed(agency, row["permit_id"])
        return True
    kept_back = agency.bars.keeps_back(row["integrated_number"], row["information"], with_content=content)
    if kept_back or (content and row["code_cancelled"]):  # of whom it was asked about nobody knows any more
        await _push_later(agency, row["permit_id"], now)
        return False
    message = {name: row[name] for name in ("permit_id", "outcome", "signature", "sealed")}
    try:
        found = await agency.late_outcomes.ask(message)
    except ChannelError:
        found = {}
    received = isinstance(found, dict) and found.get("received") is True
    await (_pushed(agency, row["permit_id"]) if received else _push_later(agency, row["permit_id"], now))
    return received


async def _pushed(agency: HostedAgency, permit_id: str) -> None:
    await agency.committer.apply(Commit(step=_PUSHED_STEP, follow=(Write(_PUSHED, (permit_id,)),)))


async def _push_later(agency: HostedAgency, permit_id: str, now: datetime) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        await connection.fetch(_SQL["push_later"], [permit_id], [now + agency.limits.resend_after])
