"""Who is judged when a trace puts a decision to the list again: the delegator, the delegate, or nobody of whom no kind is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.tracing.page import page
from permission_lists.model import Period
from permission_lists.versions import legal_day
from tests.evidence.exchanges import START, step
from tests.gateway.tracing.test_page import K, known, of, parties, provided, world

TODAY, DAY = legal_day(START), timedelta(days=1)
DELEGATED = {"item": "115", "information": "住民票関係情報", "inquirer_for": "koiki"}
ANSWERED_FOR = {"information": "住民票関係情報", "provider": "koiki", "provider_for": "setagaya"}


@pytest.mark.parametrize(
    ("said", "confirmed"),
    [
        (DELEGATED, {True}),
        (DELEGATED | {"inquirer_for": None}, {False}),
        (ANSWERED_FOR, {True}),
        (ANSWERED_FOR | {"provider_for": None}, {False}),
    ],
    ids=["asks for another", "asks for itself", "answers for another", "answers for itself"],
)
def test_who_stands_in_for_another_is_judged_as_that_other(tmp_path, said, confirmed):
    assert {one.confirmed for one in of(tmp_path, provided(**said)).decisions} == confirmed


@pytest.mark.parametrize(
    ("assessed", "confirmed"),
    [
        ((), [True, True]),
        ((Period(first=date.min, last=TODAY - DAY),), [True, True]),
        ((Period(first=TODAY + DAY, last=None),), [True, True]),
        ((Period(first=TODAY, last=None),), [True, None]),
        ((Period(first=TODAY - DAY, last=TODAY),), [True, False]),
    ],
    ids=["never", "till the day before", "since the day after", "since this day", "till this day"],
)
def test_a_core_that_refuses_a_delegate_is_right_when_that_was_not_assessed_on_the_day(tmp_path, assessed, confirmed):
    """PL-6: judged by the day of the inquiry; on the day of a change the register does not tell before from after."""
    three = world()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0, **parties(**DELEGATED)))
    refused = parties(**DELEGATED, disposition="refused", reason="pia_duty_not_met")
    three.core.append(step(K.PERMIT_REFUSED, 0, 1, **refused))
    delegate = replace(known()["suginami"], assessed=assessed)
    shown = of(tmp_path, three, parties=known(suginami=delegate))
    assert [one.confirmed for one in shown.decisions] == confirmed


def test_a_party_of_which_no_kind_is_known_is_not_judged(tmp_path):
    shown = of(tmp_path, provided(), parties=known(suginami=None))
    assert {one.confirmed for one in shown.decisions} == {None}
    text = page(shown)
    assert "法令の区分を知らない機関" in text
    assert "再判定は違う" not in text
