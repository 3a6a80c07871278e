"""The kinds of outcome: every reason of a refusal has one, and the table in docs/ is the enumeration."""

from __future__ import annotations

import re

import pytest

from evidence.entry import EXCHANGE_KINDS, EntryKind
from gateway.intermediate_server import metrics
from gateway.intermediate_server.inquiry import driving
from gateway.intermediate_server.outcomes import RECORDED, REFUSALS, SEALED_KINDS, OutcomeKind, outcome_of
from permission_lists.decide import Reason
from tests.gateway.provision.test_inquiry_machine import standing
from tests.gateway.provision.test_late_answers import registered
from tests.house.sources import ROOT


def test_the_table_is_the_enumeration():
    text = (ROOT / "docs/outcomes.md").read_text(encoding="utf-8").partition("## 状態")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [kind.value for kind in OutcomeKind]


@pytest.mark.parametrize(
    ("entry", "reason", "kind"),
    [
        ("inquiry.answered", None, "answered"),
        ("inquiry.not_provided", None, "not_provided"),
        ("inquiry.held", None, "held"),
        ("provision.released", None, "answered"),
        ("provision.held", "held", "held"),
        ("provision.expired", "held_past_deadline", "expired"),
        ("inquiry.registered", None, None),
        ("inquiry.refused_by_provider", "affair_not_listed", "refused_by_list"),
        ("inquiry.refused_by_provider", "list_not_in_force", "refused_by_list"),
        ("inquiry.refused_by_provider", "delegation_not_on_file", "refused_by_list"),
        ("inquiry.refused_by_provider", "permit_expired", "refused_by_permit"),
        ("inquiry.refused_by_provider", "refused_by_staff", "refused_by_staff"),
        ("inquiry.refused_by_provider", "non_disclosure", "refused_for_non_disclosure"),
        ("inquiry.refused_by_provider", "person_frozen", "refused"),
        ("inquiry.refused_by_provider", "held_past_deadline", "expired"),
        ("inquiry.aborted", "deadline_passed", "timed_out"),
        ("inquiry.aborted", "outcome_signature", "aborted"),
    ],
)
def test_each_end_has_its_kind(entry, reason, kind):
    assert outcome_of(EntryKind(entry), reason) == kind


def test_every_end_of_an_exchange_has_a_kind_of_its_own_and_what_is_sealed_stands_in_none():
    ends = {outcome_of(kind, None) for kind in EXCHANGE_KINDS} - {None}
    assert ends == {"answered", "not_provided", "held", "refused", "expired", "aborted"}
    assert all(REFUSALS[reason.value] is OutcomeKind.REFUSED_BY_LIST for reason in Reason)
    assert {OutcomeKind.ANSWERED} == RECORDED & SEALED_KINDS


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
