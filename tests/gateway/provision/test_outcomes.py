"""The kinds of outcome: every reason of a refusal has one, and the table in docs/ is the enumeration."""

from __future__ import annotations

import re

import pytest

from gateway.intermediate_server.inquiry.outcomes import REFUSALS, SEALED_KINDS, OutcomeKind, kind_of
from gateway.intermediate_server.inquiry.states import MOVES, State
from permission_lists.decide import Reason
from tests.house.sources import ROOT


def test_the_table_is_the_enumeration():
    text = (ROOT / "docs/outcomes.md").read_text(encoding="utf-8").partition("## 状態")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [kind.value for kind in OutcomeKind]


@pytest.mark.parametrize(
    ("state", "sealed", "reason", "kind"),
    [
        ("answered", "answered", None, "answered"),
        ("not_provided", "none_in_period", None, "none_in_period"),
        ("answered", "whatever a peer says", None, "refused"),
        ("held", None, None, "held"),
        ("refused", None, "affair_not_listed", "refused_by_list"),
        ("refused", None, "list_not_in_force", "refused_by_list"),
        ("refused", None, "delegation_not_on_file", "refused_by_list"),
        ("refused", None, "permit_expired", "refused_by_permit"),
        ("refused", None, "refused_by_staff", "refused_by_staff"),
        ("refused", None, "non_disclosure", "refused_for_non_disclosure"),
        ("refused", None, "person_frozen", "refused"),
        ("refused", None, "held_past_deadline", "expired"),
        ("aborted", None, "deadline_passed", "timed_out"),
        ("aborted", None, "outcome_signature", "aborted"),
    ],
)
def test_each_end_has_its_kind(state, sealed, reason, kind):
    assert kind_of(State(state), sealed, reason) == kind


def test_every_end_of_an_inquiry_has_a_kind_of_its_own():
    ends = {kind_of(state, None, None) for state, moves in MOVES.items() if not moves}
    assert ends == {OutcomeKind.REFUSED, OutcomeKind.ABORTED}  # what was answered says its kind in the sealed part
    assert all(REFUSALS[reason.value] is OutcomeKind.REFUSED_BY_LIST for reason in Reason)
    assert not SEALED_KINDS & set(REFUSALS.values())
