"""Every kind of outcome that an answer may say has its words at the terminal (IS-2)."""

from __future__ import annotations

from gateway.intermediate_server.outcomes import SEALED_KINDS, OutcomeKind
from gateway.terminal import inquiries


def test_every_kind_of_answer_has_words_of_its_own():
    assert set(inquiries._OUTCOMES) == SEALED_KINDS - {OutcomeKind.ANSWERED}
    assert len(set(inquiries._OUTCOMES.values())) == len(inquiries._OUTCOMES)
