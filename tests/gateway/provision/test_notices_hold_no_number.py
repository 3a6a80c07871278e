"""A notice that everybody sees holds no number of a person, however it is written (IS-10, SC-13)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.intermediate_server.operations import notices
from gateway.intermediate_server.staff.rights import Function
from transport.problem import ProblemError


async def post(world, text: str) -> dict[str, bool]:
    item = notices.PostItem(
        notice_id=world.agency.new_id("N", world.now), kind=notices.NoticeKind.TROUBLE, text=text, shown_until=world.now + timedelta(days=1)
    )  # fmt: skip
    return await notices.post(world.staff("staff-1", Function.OPERATIONS), item, world.now)


@pytest.mark.parametrize(
    "written",
    [
        "123456789018", "１２３４５６７８９０１８", "1234-5678-9018", "1234 5678 9018", "１２３４－５６７８－９０１８", "1234ー5678ー9018", "1234・5678・9018",
        "١٢٣٤٥٦٧٨٩٠١٨", "1234\ufe0f56789018", "一二三四五六七八九〇一八", "0123456789",
    ],
)  # fmt: skip
async def test_sc_13_a_number_is_found_in_a_notice_however_it_is_written(world, written):
    with pytest.raises(ProblemError, match="notice_malformed"):
        await post(world, f"{written} の方の照会が止まっています")


@pytest.mark.parametrize(
    "text",
    [
        "2022-10-08 18:00～2022-10-09 06:00 停止します",
        "１０月８日１８時から停止します",
        "問合せは 03-1234-5678 へ",
        "第123456789号",
    ],
)
async def test_days_times_and_telephone_numbers_are_taken(world, text):
    assert await post(world, text) == {"posted": True}
