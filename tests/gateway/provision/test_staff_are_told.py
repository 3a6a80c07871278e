"""What the analysis of the access log tells of staff: how often they were turned away, and whose bars they changed (SC-12)."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from evidence.access_analysis import Rule
from gateway.intermediate_server.bars.states import Cause, Place
from gateway.intermediate_server.staff import barring, enrolling, entering, reporting
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, commit_step
from tests.support.provider_world import NOON, ProviderWorld, provider_world
from tests.support.staff_in_person import TERMINAL, at_work, enrol
from transport.problem import ProblemError

RELATED = commit_step("test", "staff-told.related")
_MARKS = itertools.count(1)


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: whoever is turned away so often locks the terminal, and is told again in each later report."""
    async with provider_world(tmp_path, cluster, mark=f"_told{next(_MARKS)}") as found:
        found.now = NOON
        yield found


async def told(world: ProviderWorld, staff_id: str) -> list[tuple[Rule, int]]:
    item = reporting.AnalysisItem(since=world.now - timedelta(days=1), until=world.now + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    return [(one["rule"], one["count"]) for one in report["findings"] if one["staff_id"] == staff_id]


async def test_log_ins_that_are_turned_away_are_counted_as_often_as_they_came(world):
    """What comes again within a minute is one entry of the log, with how often."""
    who = await enrol(world.desk)
    guess = entering.Proof(password="guess", challenge=bytes(56), signature=bytes(64))
    item = entering.LogInItem(staff_id=who.staff_id, proof=guess, reason="inspection")
    for _ in range(30):
        with pytest.raises(ProblemError, match="login_refused"):
            await entering.log_in(world.desk, item, TERMINAL, world.now)
    await world.desk.refusals.flush(all_of_them=True)
    assert await told(world, who.staff_id) == [(Rule.REFUSED_ENTRANCES, 30)]


async def test_whoever_sets_or_lifts_a_bar_of_their_household_is_told(world):
    """Whether they have looked at it or not."""
    family, who = await world.person(), await at_work(world.desk, Function.BARS_CHANGE)
    relation = enrolling.RelateItem(staff_id=who.staff_id, relation="household", integrated_number=family)
    await world.agency.committer.apply(Commit(step=RELATED, follow=enrolling.related(world.desk, relation)))
    acting, bar_id = await who.let_in(Function.BARS_CHANGE), world.agency.new_id("B", world.now)
    wanted = barring.SetItem(bar_id=bar_id, place=Place.PERSON, cause=Cause.SUPPORT_MEASURES, integrated_number=family)
    await barring.set_bar(acting, wanted, world.now)
    await barring.change(acting, barring.ChangeItem(bar_id=bar_id, event="lift"), world.now)
    assert await told(world, who.staff_id) == [(Rule.HOUSEHOLD, 2)]
