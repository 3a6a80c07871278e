"""実施: an approved decision takes effect once, step by step; a kill between two steps is gone on from where it was (LS-1.3, SC-18).

Splits, links and merges freeze the wrong number first and wait until no copy of it is left at the intermediate server; then the
addressee numbers and their changes go to the right person, the people thaw, and their copies are registered anew from the originals.
Each step is one transaction with the decision's state in it; a split is done once the intermediate server has been told of it.
What no longer holds is voided: people stay as they are, frozen if they were.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.linkage_server.addressees import store as addressees
from gateway.linkage_server.business_information import repointing
from gateway.linkage_server.people import flow as people_flow
from gateway.linkage_server.people.judged import ChangeOutcome
from gateway.linkage_server.review import deciding, effects, store
from gateway.linkage_server.review.assessing import assess
from gateway.linkage_server.review.decision import MOVES_COPIES, Kind, No, State, Step, before
from gateway.linkage_server.review.effects import Work
from gateway.linkage_server.review.refolding import NumberTakenError
from gateway.linkage_server.review.rehearsing import rehearse
from gateway.linkage_server.review.store import Decision, InHistory
from gateway.linkage_server.review.telling import tell_of_splits
from gateway.linkage_server.tenant import Agency
from storage.committer import Applied, Commit, commit_step
from storage.fault_points import declare

FROZEN_STEP: Final = declare("linkage", "commit.review.frozen")
APPLIED_STEP: Final = declare("linkage", "commit.review.applied")
RECORDED_STEP: Final = commit_step("linkage", "review.recorded")


async def advance(agency: Agency, decision_id: str) -> Decision | None:
    """Carry a decision on as far as it goes now; returns it as it is then. Raises StorageUnavailableError, ChannelError: call again."""
    while True:
        one = await deciding.read(agency, decision_id)
        if one is None or not await _step(agency, one):
            return one


async def _step(agency: Agency, one: Decision) -> bool:
    """One step; False when there is none to take now."""
    if one.state in before(Step.VOID) and not store.is_genuine(agency.keys, one):
        return await _end(agency, one, State.VOIDED, Step.VOID, No.CONTENT_CHANGED)
    match one.state:
        case State.APPROVED if one.kind in MOVES_COPIES:
            return await _freeze_first(agency, one)
        case State.APPROVED:
            return await _apply(agency, one)
        case State.WITHDRAWING:
            gone = await repointing.standing(agency, effects.given_up(one)) == 0
            return gone and await _apply(agency, one)
        case State.APPLIED:
            if one.kind is Kind.SPLIT:
                await tell_of_splits(agency, [one])
            return await _end(agency, one, State.DONE, Step.RECORD, None)
        case _:
            return False


async def _freeze_first(agency: Agency, one: Decision) -> bool:
    """Freeze the number that is given up or split, and begin to withdraw its copies."""
    FROZEN_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        await addressees.lock_counter(connection)
        current = await store.lock_decision(connection, agency.keys, one.id)
        if current != one:
            return True
        if await store.others_under_way(connection, one):
            return False
        assessed = await assess(connection, agency.keys, one.kind, one.content, one.hold_id)
        problem = assessed.problem or (None if assessed.seen == one.seen else No.CONTENT_CHANGED)
        if problem is None:
            await store.set_frozen(connection, [effects.given_up(one)], agency.clock(), frozen=True)
            await repointing.withdraw(agency, effects.given_up(one), connection=connection)
            await store.move(connection, one, State.WITHDRAWING, before(Step.FREEZE_FIRST))
    FROZEN_STEP.after.reached()
    return problem is None or await _end(agency, one, State.VOIDED, Step.VOID, problem)


async def _apply(agency: Agency, one: Decision) -> bool:
    """The effect itself, once: in one transaction with the decision's state.

    A change that has been taken has had its effect: whatever comes since, its cancellation say, is another fact, and the decision stays as it was made.
    """
    took = await _take_change(agency, one)
    problem = took if isinstance(took, No) else None if took else (await rehearse(agency, one)).problem
    APPLIED_STEP.before.reached()
    if problem is None:
        try:
            async with agency.database.inside(agency.tenant) as connection:
                await addressees.lock_counter(connection)
                if await store.lock_decision(connection, agency.keys, one.id) != one:
                    return True
                assessed = await assess(connection, agency.keys, one.kind, one.content, one.hold_id)
                of_a_change = assessed.hold is not None and assessed.hold.change is not None
                same = of_a_change or one.state is State.WITHDRAWING or assessed.seen == one.seen
                problem = None if took else assessed.problem or (None if same else No.CONTENT_CHANGED)
                if problem is None:
                    whole = replace(one, content=assessed.content)  # a number that was replaced meanwhile goes along
                    await effects.carry_out(
                        Work(agency=agency, connection=connection, decision=whole, hold=assessed.hold)
                    )
                    await store.move(connection, one, State.APPLIED, before(Step.APPLY))
        except NumberTakenError:  # one that comes back to whom it was taken off is somebody else's by now
            problem = No.INDIVIDUAL_NUMBER_TAKEN
    APPLIED_STEP.after.reached()
    return problem is None or await _end(agency, one, State.VOIDED, Step.VOID, problem)


async def _take_change(agency: Agency, one: Decision) -> No | bool:
    """A held change goes the way of every change, approved; its event key makes that happen once, also when we died after it.

    Whether it is in the history now, or why not; False for what is no change.
    """
    if one.kind is not Kind.HOLD_LINK:
        return False
    async with agency.database.inside(agency.tenant) as connection:
        assessed = await assess(connection, agency.keys, one.kind, one.content, one.hold_id)
        hold = assessed.hold
        if hold is None or hold.change is None or hold.event_key is None:
            return False
        found = await store.change_in_history(connection, hold.id)
    if found is InHistory.TAKEN:
        return True
    problem = assessed.problem or (None if assessed.seen == one.seen else No.CONTENT_CHANGED)
    if problem is not None or found is InHistory.HELD_OF_ANOTHER:
        return problem or No.CHANGE_REFUSED
    [applied] = await people_flow.apply(agency, [hold.change], system=hold.system, approved={hold.event_key: one.id})
    reason = No(applied.reason) if applied.reason in frozenset(No) else No.CHANGE_REFUSED
    return reason if applied.outcome in {ChangeOutcome.HELD, ChangeOutcome.REJECTED} else True


async def _end(agency: Agency, one: Decision, to: State, step: Step, reason: No | None) -> bool:
    """Put the end on record; False when somebody else has done it."""
    guard, entry = deciding.guarded_end(agency, one, to, step, reason)
    return isinstance(await agency.committer.apply(Commit(step=RECORDED_STEP, guard=guard, entries=(entry,))), Applied)
