"""Who is on the page of a trace, and what it says that each has seen: nobody without a part in the inquiry, and nothing that was not there."""

from __future__ import annotations

import pytest

from evidence.entry import EntryKind as K
from evidence.export import LogParty
from gateway.staff_calls import NotReachableError
from gateway.tracing.page import page
from gateway.tracing.sources import Source
from tests.evidence.exchanges import SEALED
from tests.gateway.tracing.test_page import of, parties, provided, source, trace, world


def test_an_agency_that_is_away_and_has_no_part_in_the_inquiry_is_not_on_the_page(tmp_path):
    """As in the lines of the command: of those who did not answer, whoever may hold a part of this."""
    three = provided()

    def away(*_) -> int:
        raise NotReachableError

    logs = [three.inquirer, three.core, three.provider]
    others = [
        Source(agency=one, server=LogParty.INTERMEDIATE, search=away, download=away) for one in ("tashi", "koiki")
    ]
    shown = trace(tmp_path, *map(source, logs), *others, keys=logs)
    assert shown.evidence.unread == {}
    text = page(shown)
    assert "tashi" not in text
    assert "記録を読めなかった" not in text


@pytest.mark.parametrize("found", [True, False])
def test_a_provider_that_knows_nobody_under_a_code_has_seen_no_integrated_number(tmp_path, found):
    three = world()
    three.permitted(0, **parties())
    said = parties(disposition="not_provided", sealed_digest=SEALED) | ({} if found else {"subject": None})
    three.outcome(0, K.PROVISION_NOT_PROVIDED, K.INQUIRY_NOT_PROVIDED, **said)
    text = page(of(tmp_path, three))
    assert ("それが指す団体内統合宛名番号 ●●●●" in text) is found
    assert ("それが指す人には行き着いていない" in text) is not found


def test_whoever_asks_for_another_is_named_with_them(tmp_path):
    """委任: the lead, the heads of the lanes and what each saw name both."""
    shown = page(of(tmp_path, provided(inquirer_for="koiki", provider_for="tokyo")))
    assert shown.count("杉並区長（koikiのため）") == 3
    assert shown.count("世田谷区長（tokyoのため）") == 3
    assert "suginami (for koiki) asked setagaya (for tokyo)" in shown
    assert "のため）" not in page(of(tmp_path, provided()))
