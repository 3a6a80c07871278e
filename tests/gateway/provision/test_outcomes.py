"""The kinds of outcome: every reason of a refusal has one, and the table in docs/ is the enumeration."""

from __future__ import annotations

import re

import pytest

from gateway.intermediate_server import metrics
from gateway.intermediate_server.inquiry import driving
from gateway.intermediate_server.inquiry.outcomes import REFUSALS, SEALED_KINDS, OutcomeKind, kind_of
from gateway.intermediate_server.inquiry.states import MOVES, State
from permission_lists.decide import Reason
from tests.gateway.provision.test_inquiry_machine import standing
from tests.gateway.provision.test_late_answers import registered
from tests.house.sources import ROOT


def test_the_table_is_the_enumeration():
    text = (ROOT / "docs/outcomes.md").read_text(encoding="utf-8").partition("## 状態")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [kind.value for kind in OutcomeKind]


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        ("answered", None, "answered"),
        ("not_provided", None, "not_provided"),
        ("held", None, "held"),
        ("refused", "affair_not_listed", "refused_by_list"),
        ("refused", "list_not_in_force", "refused_by_list"),
        ("refused", "delegation_not_on_file", "refused_by_list"),
        ("refused", "permit_expired", "refused_by_permit"),
        ("refused", "refused_by_staff", "refused_by_staff"),
        ("refused", "non_disclosure", "refused_for_non_disclosure"),
        ("refused", "person_frozen", "refused"),
        ("refused", "held_past_deadline", "expired"),
        ("aborted", "deadline_passed", "timed_out"),
        ("aborted", "outcome_signature", "aborted"),
    ],
)
def test_each_end_has_its_kind(state, reason, kind):
    assert kind_of(State(state), reason) == kind


def test_every_end_of_an_inquiry_has_a_kind_of_its_own():
    ends = {kind_of(state, None) for state, moves in MOVES.items() if not moves}
    assert ends == {State.ANSWERED, State.NOT_PROVIDED, OutcomeKind.REFUSED, OutcomeKind.ABORTED}
    assert all(REFUSALS[reason.value] is OutcomeKind.REFUSED_BY_LIST for reason in Reason)
    assert not SEALED_KINDS & set(REFUSALS.values())


async def test_whether_a_provider_has_somebody_stands_in_no_row_and_in_no_number(world):
    """SC-3, SC-20, docs/adr/0015: what is sealed goes with its result."""
    async with standing(world) as (agency, network):
        network.mood = ("permits", "has nobody")
        found = await registered(world, agency)
        await driving.drive(agency, found)
    [row] = await world.fetch("select to_jsonb(i)::text as said from inquiry i where inquiry_number = $1", found.number)
    assert '"not_provided"' in row["said"]
    secret = SEALED_KINDS - {OutcomeKind.ANSWERED}
    assert not any(kind in row["said"] for kind in secret)
    counted = {sample.labels["outcome"] for metric in metrics.INQUIRIES.collect() for sample in metric.samples}
    assert "not_provided" in counted
    assert not counted & secret
