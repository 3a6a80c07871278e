"""Held provisions (自動応答不可, SC-4): a person sees exactly what would leave, and releases or refuses it.

An approval binds the hash of that content. At release the list, the deadline and the content are checked again; any difference voids the
approval. Past the inquirer's deadline a held provision expires as an outcome of its own (DESIGN §4).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import HELD_PROVISIONS
from gateway.intermediate_server.provision import answering
from gateway.intermediate_server.provision.answering import PROVIDED, Answer
from gateway.intermediate_server.provision.flow import entry_of
from gateway.intermediate_server.replica.registration import open_record
from keys.errors import KeyUnusable, SealBroken
from permission_lists.decide import Refused
from permission_lists.permit import Permit, read_stored_permit
from storage import sql
from storage.committer import Applied, Commit, Statement, Write, commit_step
from transport.channel import ChannelError
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.provision")
_REPLICA_SQL = sql.load("gateway.intermediate_server.replica")
_DECIDE = Statement("decide_held", _SQL["decide_held"])
_PUSHED = Statement("pushed", _SQL["pushed"])
_DECIDED_STEP = commit_step("intermediate", "provision.decided")
_PUSHED_STEP = commit_step("intermediate", "provision.pushed")


class HeldDecision(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90016. `content_hash` as shown by IF_SYM_90015; `reason` is said to the inquirer when `approve` is false."""

    permit_id: str
    approve: bool
    content_hash: str
    reason: str = ""


HELD_DECISION = msgspec.json.Decoder(HeldDecision)
_PUSH_BEYOND = timedelta(days=1)
REASONS = frozenset({"refused_by_staff", "non_disclosure", "protection_of_person"})


async def _content(agency: HostedAgency, row: Record, now: datetime) -> list[dict[str, Any]]:
    """What would leave if it were released now: exactly the items asked."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(
            _REPLICA_SQL["replicas_of"], [row["integrated_number"]], [row["information"]], agency.today(now)
        )
    wanted = row["items"].split("\n") if row["items"] else []
    try:
        opened = [(found, open_record(agency, found)) for found in rows]
    except (SealBroken, KeyUnusable):
        raise ProblemError(
            409, answering.UNREADABLE, "A replica of this person does not open; register it anew."
        ) from None
    records = [
        {
            "data_set": found["data_set"],
            "version": found["version"],
            "items": {name: value for name, value in items.items() if not wanted or name in wanted},
        }
        for found, items in opened
    ]
    return [found for found in records if found["items"]]


async def _shown(agency: HostedAgency, row: Record, now: datetime) -> list[dict[str, Any]] | None:
    """What would leave, or None when it does not open: the others of the list are shown all the same."""
    try:
        return await _content(agency, row, now)
    except ProblemError:
        return None


async def listed(agency: HostedAgency, now: datetime) -> list[dict[str, Any]]:
    """IF_SYM_90015: every held provision with exactly what would leave."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["held"])
    HELD_PROVISIONS.labels(agency.id).set(len(rows))
    return [
        {
            "permit_id": row["permit_id"],
            "inquiry_number": row["inquiry_number"],
            "inquirer": row["inquirer"],
            "provider": agency.id,
            "basis": row["basis"],
            "item": row["item"],
            "information": row["information"],
            "ground": row["ground"],
            "held_since": timestamp(row["received_at"]),
            "answer_by": timestamp(row["answer_by"]),
            "content_hash": row["content_digest"],
            "would_leave": await _shown(agency, row, now),
        }
        for row in rows
    ]


async def decide(agency: HostedAgency, decision: HeldDecision, staff: str, now: datetime) -> dict[str, Any]:
    """IF_SYM_90016: release or refuse one held provision. Raises ProblemError 404/409/400 with what to do."""
    async with agency.database.inside(agency.tenant) as connection:
        row = await connection.fetchrow(_SQL["held_one"], decision.permit_id)
    if row is None:
        raise ProblemError(404, "not_held", "No provision is held under this permit id; list the held ones again.")
    permit = read_stored_permit(row["permit"])
    if not decision.approve:
        if decision.reason not in REASONS:
            raise ProblemError(
                400,
                "reason_missing",
                "A refusal needs a reason: refused_by_staff, non_disclosure or protection_of_person.",
            )
        made = answering.refuse(agency, permit, row["exchange_digest"], now, decision.reason, row["integrated_number"])
        await _conclude(agency, permit, made, "rejected", EntryKind.PROVISION_REFUSED, staff, now)
        return {"refused": True}
    records = await _content(agency, row, now)
    if decision.content_hash != row["content_digest"] or not answering.same_content(row["content_digest"], records):
        raise ProblemError(
            409,
            "content_changed",
            "What would leave is not what was approved; list the held ones again and look at it.",
        )
    if now > permit.answer_by:
        raise ProblemError(
            409, "deadline_passed", "The inquirer's deadline has passed; the provision expires by itself."
        )
    today = agency.lists.on(agency.today(now)).decide(
        permit.inquirer, agency.id, permit.basis, permit.item, permit.information
    )
    if isinstance(today, Refused):
        raise ProblemError(409, today.reason.value, "The permission list no longer permits this provision; refuse it.")
    made = answering.conclude(
        agency,
        permit,
        row["exchange_digest"],
        row["public_key"],
        now,
        PROVIDED,
        None,
        records,
        row["integrated_number"],
    )
    await _conclude(agency, permit, made, "released", EntryKind.PROVISION_RELEASED, staff, now)
    return {"released": True}


async def _conclude(
    agency: HostedAgency, permit: Permit, made: Answer, state: str, kind: EntryKind, actor: str, now: datetime
) -> None:
    row = (permit.permit_id, state, made.outcome, made.signature, made.sealed, now)
    commit = Commit(
        step=_DECIDED_STEP, guard=Write(_DECIDE, row), entries=(entry_of(agency, permit, made, kind, now, actor=actor),)
    )
    if not isinstance(await agency.committer.apply(commit), Applied):
        raise ProblemError(409, "decided_already", "Somebody else has decided this provision in the meantime.")
    HELD_PROVISIONS.labels(agency.id).dec()
    agency.broom.call(0)


async def expire(agency: HostedAgency, now: datetime) -> int:
    """Conclude what is still held after the inquirer's deadline; returns how many."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["overdue"], now)
    for row in rows:
        permit = read_stored_permit(row["permit"])
        made = answering.refuse(
            agency, permit, row["exchange_digest"], now, "held_past_deadline", row["integrated_number"]
        )
        await _conclude(agency, permit, made, "expired", EntryKind.PROVISION_EXPIRED, "auto", now)
    return len(rows)


async def push(agency: HostedAgency, now: datetime) -> int:
    """IF_TKY_90004: deliver decided outcomes until they are received; returns how many are left for the next round."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["to_push"], now)
    left = len(rows)
    for row in rows:
        message = {
            "permit_id": row["permit_id"],
            "outcome": row["outcome"],
            "signature": row["signature"],
            "sealed": row["sealed"],
        }
        try:
            found = await agency.late_outcomes.ask(message)
        except ChannelError:
            found = {}
        over = now > row["answer_by"] + _PUSH_BEYOND  # the inquirer has given it up long ago
        if over or (isinstance(found, dict) and found.get("received") is True):
            await agency.committer.apply(Commit(step=_PUSHED_STEP, follow=(Write(_PUSHED, (row["permit_id"],)),)))
            left -= 1
        else:
            async with agency.database.inside(agency.tenant) as connection:
                await connection.fetch(_SQL["push_later"], [row["permit_id"]], [now + agency.limits.resend_after])
    return left
