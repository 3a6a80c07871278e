"""LS-1.3: three items and one that is not known are not four: no link without an 個人番号 rests on them."""

from __future__ import annotations

import pytest

from tests.support.review_world import individual, row

NUMBER = individual(1)
FEWER = (409, "fewer_than_four_items")
ANOTHER = {"name": "架空　若葉", "kana": "カクウ　ワカバ", "birth_date": "2015-07-07"}


@pytest.mark.parametrize("sex", ["0", "9"])
async def test_two_who_both_say_that_their_sex_is_not_known_are_not_linked_by_four_items(desk, sex):
    one = await desk.number("juki", row(1, individual_number=NUMBER, sex=sex))
    two = await desk.number("kokuho", row(77, sex=sex))
    for act in ("links/propose", "links/merge"):
        answer = await desk.say(act, integrated_number=two, other_integrated_number=one)
        assert (answer.status, answer.body["reason"]) == FEWER


async def test_a_held_row_is_linked_to_whom_its_number_means_and_to_nobody_by_a_sex_that_is_not_known(desk):
    named = await desk.number("juki", row(1, individual_number=NUMBER))
    alike = await desk.number("juki", row(2, sex="0", **ANOTHER))
    [result] = await desk.register("kokuho", row(77, individual_number=NUMBER, sex="0", **ANOTHER))
    assert result["outcome"] == "held"
    [hold] = await desk.holds()
    link = {"hold_id": hold["hold_id"], "action": "link"}
    answer = await desk.say("holds/decide", **link, integrated_number=alike)
    assert (answer.status, answer.body["reason"]) == FEWER
    await desk.decided("holds/decide", **link, integrated_number=named)
    assert await desk.person_of("kokuho", 77) == named
