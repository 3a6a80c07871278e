"""提案と承認: one member of staff proposes, another approves what was proposed, and each step is an entry of the log (LS-1.3, SC-18).

A repetition of a call that went through is refused by its guard and changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.review import store
from gateway.linkage_server.review.assessing import assess
from gateway.linkage_server.review.decision import Content, Kind, No, State, Step, before, staff_differ
from gateway.linkage_server.review.store import Decision, digest_of
from gateway.linkage_server.review.typed_numbers import refused_by_network
from gateway.linkage_server.tenant import Agency, milliseconds, new_entry_id
from keys.masked import Masked
from storage.committer import Applied, Commit, NewEntry, Write, commit_step

PROPOSED_STEP: Final = commit_step("linkage", "review.proposed")
DECIDED_STEP: Final = commit_step("linkage", "review.decided")
PREFIX: Final = "D"
PROPOSE: Final = "propose"
FREEZE: Final = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why nothing was decided; `decision_id` names the open decision that stands in the way."""

    reason: No
    decision_id: str | None = None


def entry_of(
    agency: Agency,
    one: Decision,
    step: str,
    *,
    actor: str,
    staff: str,
    affair: str,
    why: Masked[str] | None,
    reason: str | None = None,
) -> NewEntry:
    """One step of a decision. The people are commitments that no other entry shares; words of staff lie sealed beside the entry."""
    now = agency.clock()
    entry_id = new_entry_id(now)
    entry = other_entry(
        id=entry_id,
        at=now,
        kind=EntryKind.PERSONS_REVIEWED,
        reason=reason,
        actor=actor,
        facts={
            "decision": one.id,
            "decides": one.kind.value,
            "step": step,
            "version": one.version,
            "content": one.digest.hex(),
            "system": one.system,
            "staff": staff,
            "affair": affair,
            "subjects": sorted(agency.keys.access_commitment(number, entry_id) for number in one.seen),
        },
    )
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind=EntryKind.PERSONS_REVIEWED,
        inquiry_number=None,
        body=encode_entry(entry),
        # reveal: sealed beside the entry
        personal=agency.keys.seal_access_reason(why.reveal(), entry_id) if why is not None else None,
    )


def _entry(sight: Sight, one: Decision, step: str) -> NewEntry:
    return entry_of(
        sight.agency, one, step, actor=sight.client_id, staff=sight.staff, affair=sight.affair.code, why=sight.reason
    )


async def read(agency: Agency, decision_id: str) -> Decision | None:
    async with agency.database.inside(agency.tenant) as connection:
        return await store.read_decision(connection, agency.keys, decision_id)


async def propose(
    sight: Sight, kind: Kind, content: Content, *, hold_id: str | None = None, edits: tuple[str, int] | None = None
) -> Decision | Refused:
    """Propose, or with `edits` (decision id, the version that was seen) propose an open one anew. To freeze is decided by this alone.

    Raises ChannelError when the resident network has to be asked and does not answer.
    """
    agency, now = sight.agency, sight.agency.clock()
    async with agency.database.inside(agency.tenant) as connection:
        assessed = await assess(connection, agency.keys, kind, content, hold_id)
    problem = assessed.problem or await refused_by_network(agency, assessed.content)
    if problem is not None:
        return Refused(reason=problem)
    made = Decision(
        id=edits[0] if edits else new_sortable_id(PREFIX, milliseconds(now), secrets.token_bytes(10)),
        kind=kind,
        hold_id=hold_id,
        state=State.APPROVED if kind is Kind.FREEZE else State.PROPOSED,
        version=edits[1] + 1 if edits else 1,
        seen=assessed.seen,
        content=assessed.content,
        digest=b"",
        system=sight.system,
        affair=sight.affair.code,
        proposed_by=sight.staff,
        proposed_at=now,
        proposed_client=sight.client_id,
        approved_by=None,
        approved_at=None,
        approval=None,
        ended_at=None,
        reason=None,
    )
    made = replace(made, digest=digest_of(agency.keys, made))
    guard = store.edit(agency.keys, made) if edits else store.put(agency.keys, made)
    step = Step.EDIT.value if edits else FREEZE if kind is Kind.FREEZE else PROPOSE
    commit = Commit(step=PROPOSED_STEP, guard=guard, entries=(_entry(sight, made, step),))
    if isinstance(await agency.committer.apply(commit), Applied):
        return made
    return await _why_not_proposed(agency, made, editing=edits is not None)


async def _why_not_proposed(agency: Agency, made: Decision, *, editing: bool) -> Refused:
    if not editing:
        async with agency.database.inside(agency.tenant) as connection:
            return Refused(reason=No.DECISION_OPEN, decision_id=await store.open_about(connection, made.subject))
    known = await read(agency, made.id)
    if known is None or known.subject != made.subject:
        return Refused(reason=No.DECISION_UNKNOWN)
    changed = known.state in before(Step.EDIT)
    return Refused(reason=No.CONTENT_CHANGED if changed else No.DECIDED_ALREADY, decision_id=made.id)


async def approve(sight: Sight, decision_id: str, digest: bytes, kinds: Sequence[Kind]) -> Decision | Refused:
    """Approve exactly the content of this digest. Nobody approves his own, nor what is about another state of the people than they are in now.

    Raises ChannelError when the resident network has to be asked and does not answer.
    """
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        one = await store.read_decision(connection, agency.keys, decision_id)
        if one is None or one.kind not in kinds:
            return Refused(reason=No.DECISION_UNKNOWN)
        wrong = _why_not_approved(sight, one, digest)
        if wrong is None:
            assessed = await assess(connection, agency.keys, one.kind, one.content, one.hold_id)
            wrong = assessed.problem or (None if assessed.seen == one.seen else No.CONTENT_CHANGED)
    wrong = wrong or await refused_by_network(agency, one.content)
    if wrong is not None:
        return Refused(reason=wrong, decision_id=decision_id)
    commit = Commit(
        step=DECIDED_STEP,
        guard=store.approve(agency.keys, decision_id, digest, sight.staff, agency.clock()),
        entries=(_entry(sight, one, Step.APPROVE),),
    )
    if isinstance(await agency.committer.apply(commit), Applied):
        return one
    known = await read(agency, decision_id)
    reason = _why_not_approved(sight, known, digest) if known is not None else No.DECISION_UNKNOWN
    return Refused(reason=reason or No.DECIDED_ALREADY, decision_id=decision_id)


def _why_not_approved(sight: Sight, one: Decision, digest: bytes) -> No | None:
    if one.state not in before(Step.APPROVE):
        return No.DECIDED_ALREADY
    if one.digest != digest:
        return No.CONTENT_CHANGED
    if not staff_differ(one.proposed_by, sight.staff):
        return No.OWN_PROPOSAL
    alone = sight.agency.clients_that_decide_alone
    of_another = one.proposed_client not in (None, sight.client_id)
    return None if alone is None or sight.client_id in alone or of_another else No.SAME_CLIENT


async def give_up(sight: Sight, decision_id: str, kinds: Sequence[Kind], step: Step) -> Decision | Refused:
    """Reject what another proposed, or withdraw what one proposed oneself; nothing has happened and nothing will."""
    agency = sight.agency
    one = await read(agency, decision_id)
    if one is None or one.kind not in kinds:
        return Refused(reason=No.DECISION_UNKNOWN)
    if step is Step.WITHDRAW and staff_differ(one.proposed_by, sight.staff):
        return Refused(reason=No.DECISION_UNKNOWN, decision_id=decision_id)
    to = State.WITHDRAWN if step is Step.WITHDRAW else State.REJECTED
    guard = store.end(decision_id, to, staff=sight.staff, at=agency.clock(), reason=None, states=before(step))
    commit = Commit(step=DECIDED_STEP, guard=guard, entries=(_entry(sight, one, step),))
    if isinstance(await agency.committer.apply(commit), Applied):
        return one
    return Refused(reason=No.DECIDED_ALREADY, decision_id=decision_id)


def guarded_end(agency: Agency, one: Decision, to: State, step: Step, reason: No | None) -> tuple[Write, NewEntry]:
    """The end of what was carried out, or could not be: written by nobody but the server itself."""
    guard = store.end(
        one.id, to, staff="", at=agency.clock(), reason=reason.value if reason else None, states=before(step)
    )
    entry = entry_of(
        agency,
        one,
        step.value,
        actor="auto",
        staff="",
        affair=one.affair,
        why=None,
        reason=reason.value if reason else None,
    )
    return guard, entry
