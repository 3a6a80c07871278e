"""Every kind of outcome that an answer may say has its words at the terminal (IS-2)."""

from __future__ import annotations

from gateway.intermediate_server.outcomes import SEALED_KINDS, OutcomeKind
from gateway.linkage_server.addressees.rows import Reason
from gateway.linkage_server.people.changes import ChangeReason
from gateway.terminal import inquiries, reviews

REFUSED_OR_NOTED = {
    "field_missing", "field_malformed", "field_not_of_kind", "kind_unknown", "system_differs", "individual_number_check_digit",
    "individual_number_not_allowed", "addressee_unknown", "event_id_reused", "already_known", "refused_in_review", "before_registration",
    "cancels_another_persons", "cancels_a_cancellation", "cancels_the_registration", "cancelled_event_unknown", "not_yet", "item_not_needed",
    "duplicate_row",
}  # fmt: skip


def test_every_kind_of_answer_has_words_of_its_own():
    assert set(inquiries._OUTCOMES) == SEALED_KINDS - {OutcomeKind.ANSWERED}
    assert len(set(inquiries._OUTCOMES.values())) == len(inquiries._OUTCOMES)


def test_every_reason_for_which_a_row_or_a_change_is_held_has_words_of_its_own():
    assert set(reviews._WHY) == {str(one) for one in (*Reason, *ChangeReason)} - REFUSED_OR_NOTED
    assert len(set(reviews._WHY.values())) == len(reviews._WHY)
