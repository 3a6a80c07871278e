"""Whose right ends while the second of two acts is none of two: the act is committed under the right of the first too (SC-4, SC-11, SC-20, SC-27)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.intermediate_server import staff_routes
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.provision import deciding
from gateway.intermediate_server.provision.deciding import HeldDecision
from gateway.intermediate_server.staff import barring, enrolling, granting, store
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, commit_step
from tests.gateway.provision.test_while_factors_are_examined import (
    Act,
    approves_a_grant,
    corrects_a_record,
    done_by,
    has_a_key_destroyed,
)
from tests.support.another_process import half_way
from tests.support.copies import qualified
from tests.support.provider_world import ProviderWorld
from tests.support.staff_in_person import InPerson, at_work
from transport.problem import ProblemError

Ending = Callable[[Acting, InPerson, Function], Coroutine[Any, Any, Any]]
_STEP = commit_step("test", "first_of_two")


async def releases(world: ProviderWorld) -> Act:
    one, two = [await at_work(world.desk, Function.HELD_DECIDE) for _ in range(2)]
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    await world.ask(question)

    async def approve(acting: Acting) -> Any:
        seen = await world.held(question.permit_id, by=acting.staff_id)
        decision = HeldDecision(permit_id=question.permit_id, approve=True, content_hash=seen["content_hash"])
        return await deciding.decide(world.agency, decision, staff_routes.decider(acting), world.now)

    assert await approve(await one.let_in(Function.HELD_DECIDE)) == {"approved": True}
    return Act(two, Function.HELD_DECIDE, approve(await two.let_in(Function.HELD_DECIDE)), one)


async def lifts_a_bar(world: ProviderWorld) -> Act:
    one, two = [await at_work(world.desk, Function.BARS_CHANGE) for _ in range(2)]
    item = barring.ChangeItem(bar_id=(await world.bar(integrated_number=await world.person()))["bar_id"], event="lift")
    await barring.change(await one.let_in(Function.BARS_CHANGE), item, world.now)
    acting = await two.let_in(Function.BARS_CHANGE)
    return Act(two, Function.BARS_CHANGE, barring.change(acting, item, world.now), one)


async def suspends(world: ProviderWorld) -> Act:
    one, two = [await at_work(world.desk, Function.BARS_CHANGE) for _ in range(2)]
    item = barring.SetItem(
        bar_id=world.agency.new_id("B", world.now), place=barring.Place.PERSON, cause=barring.Cause.SUSPENSION_REQUESTED,
        effect=barring.Effect.SUSPEND, integrated_number=await world.person(),
    )  # fmt: skip
    asked = await barring.set_bar(await one.let_in(Function.BARS_CHANGE), item, world.now)
    check, acting = barring.ChangeItem(bar_id=asked["bar_id"], event="check"), await two.let_in(Function.BARS_CHANGE)
    return Act(two, Function.BARS_CHANGE, barring.change(acting, check, world.now), one)


async def loses(administrator: Acting, who: InPerson, function: Function) -> None:
    await granting.change(administrator, granting.RevokeItem(grant_id=who.grants[function].grant_id))


async def leaves(administrator: Acting, who: InPerson, _function: Function) -> None:
    await enrolling.change(administrator, enrolling.LeaveItem(staff_id=who.staff_id))


@asynccontextmanager
async def on_its_way(world: ProviderWorld, ends: Ending, who: InPerson, function: Function) -> AsyncIterator[None]:
    """An administrator before another process has written this, and it is committed once somebody waits for it."""
    acting = await (await at_work(world.desk, Function.STAFF_ADMINISTER)).let_in(Function.STAFF_ADMINISTER)

    async def end(agency: HostedAgency) -> None:
        await ends(replace(acting, desk=replace(world.desk, agency=agency)), who, function)

    async with half_way(world.agency, end):
        yield


async def told(act: Act) -> Any:
    """What came of it: the answer, or the reason of the problem."""
    try:
        return await act.does
    except ProblemError as problem:
        return problem.reason


ALL = [approves_a_grant, has_a_key_destroyed, corrects_a_record, releases, lifts_a_bar, suspends]
WITHOUT_THE_FIRST = {releases: {"approved": True}, lifts_a_bar: "unchecked_lift_asked"}
"""Whoever decides is the first then; anything else is refused."""


@pytest.mark.parametrize("ends", [loses, leaves])
@pytest.mark.parametrize("prepared", ALL)
async def test_sc_11_nothing_is_done_under_a_right_of_the_first_that_ends_meanwhile(two, prepared, ends):
    act = await prepared(two)
    [function], before = act.first.grants, await done_by(two, act.by)
    async with on_its_way(two, ends, act.first, function):
        call = asyncio.create_task(told(act))
    answer = await call
    assert (answer["state"] if prepared is lifts_a_bar else answer) == WITHOUT_THE_FIRST.get(prepared, "asker_may_not")
    assert (await done_by(two, act.by) > before) == (prepared in WITHOUT_THE_FIRST)


@pytest.mark.parametrize("prepared", ALL)
async def test_the_right_of_somebody_else_that_ends_meanwhile_is_in_nobodys_way(two, prepared):
    act, bystander = await prepared(two), await at_work(two.desk, Function.BACKUP)
    async with on_its_way(two, loses, bystander, Function.BACKUP):
        call = asyncio.create_task(told(act))
    answer = await call
    done = {releases: {"released": True}, lifts_a_bar: "lifted", suspends: "standing", approves_a_grant: "effective"}
    assert (answer.get("state", answer)) == done.get(prepared, "approved")


async def test_sc_24_another_right_that_the_first_still_has_carries_the_act(two):
    act = await corrects_a_record(two)
    further = replace(act.first.grants[act.function], grant_id=two.agency.new_id("G", two.now))
    await two.agency.committer.apply(Commit(step=_STEP, guard=store.add_grant(two.agency, further)))
    async with on_its_way(two, loses, act.first, act.function):
        call = asyncio.create_task(told(act))
    assert (await call)["state"] == "approved"
