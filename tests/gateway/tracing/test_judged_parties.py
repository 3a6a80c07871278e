"""Who is judged when a trace puts a decision to the list again: the delegator, the delegate, or nobody of whom no kind is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.tracing.page import page
from tests.evidence.exchanges import step
from tests.gateway.tracing.test_page import K, known, of, parties, provided, world

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


@pytest.mark.parametrize(("assessed", "confirmed"), [(False, [True, True]), (True, [True, None])])
def test_a_core_that_refuses_a_delegate_without_its_assessment_is_right(tmp_path, assessed, confirmed):
    three = world()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0, **parties(**DELEGATED)))
    refused = parties(**DELEGATED, disposition="refused", reason="pia_duty_not_met")
    three.core.append(step(K.PERMIT_REFUSED, 0, 1, **refused))
    delegate = replace(known()["suginami"], pia_duty_met=assessed)
    shown = of(tmp_path, three, parties=known(suginami=delegate))
    assert [one.confirmed for one in shown.decisions] == confirmed


def test_a_party_of_which_no_kind_is_known_is_not_judged(tmp_path):
    shown = of(tmp_path, provided(), parties=known(suginami=None))
    assert {one.confirmed for one in shown.decisions} == {None}
    text = page(shown)
    assert "法令の区分を知らない機関" in text
    assert "再判定は違う" not in text
