"""IS-6: what staff with the right see of one person's copies: public or not, barred or not, whole pages, and no word of one that was changed."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.intermediate_server.replica import viewing
from gateway.intermediate_server.replica.viewing import ViewItem
from tests.support.copies import premium, qualified
from tests.support.provider_world import INFORMATION
from transport.problem import ProblemError


def wanted(number: str, **changes) -> ViewItem:
    return ViewItem(**{"integrated_number": number, "information": INFORMATION, "affair": "27", **changes})


async def test_is_6_copies_are_seen_public_or_not_page_by_page(world):
    number, other = [await world.person() for _ in range(2)]
    await qualified(world, number)
    await premium(world, number, "2021", public_from=date(2022, 12, 1))
    await premium(world, number, "2020", auto_response="barred")
    await qualified(world, other)
    found, after = [], ""
    while after is not None:
        page = await viewing.view(world.agency, wanted(number, limit=2, after=after), world.now)
        found, after = found + page["replicas"], page["next"]
    assert len({one["record_id"] for one in found}) == 3
    said = {(one["data_set"], one["public"], one["auto_response"]) for one in found}
    assert said == {
        ("資格情報", True, "allowed"),
        ("保険料情報", False, "allowed"),
        ("保険料情報", True, "barred"),
    }
    assert all(one["items"] for one in found)


async def test_is_6_a_copy_that_was_changed_says_so_and_nothing_else(world):
    number = await world.person()
    record_id = await qualified(world, number)
    await world.execute("update replica set version = '0002' where record_id = $1", record_id)
    [one] = (await viewing.view(world.agency, wanted(number), world.now))["replicas"]
    assert one["unreadable"]
    assert "items" not in one


async def test_is_6_what_the_bars_say_is_said_of_this_kind_of_information_alone(world):
    number = await world.person()
    free = (await viewing.view(world.agency, wanted(number), world.now))["standing"]
    assert not any(free.values())
    await world.bar(integrated_number=number, effect="freeze")
    await world.bar(place="item", information=INFORMATION, data_item="枝番")
    standing = (await viewing.view(world.agency, wanted(number), world.now))["standing"]
    assert standing == {
        "suspended": False, "frozen": True, "barred": True, "non_disclosure": False, "barred_items": ["枝番"],
    }  # fmt: skip
    elsewhere = await viewing.view(world.agency, wanted(number, information="失業等給付関係情報"), world.now)
    assert elsewhere["standing"]["barred_items"] == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"integrated_number": "12"}, "integrated_number_malformed"),
        ({"information": "なんでも"}, "information_unknown"),
        ({"affair": "*"}, "affair_not_listed"),
    ],
)
async def test_is_6_a_look_names_somebody_a_kind_and_an_affair_that_has_to_do_with_it(world, changes, reason):
    number = await world.person()
    with pytest.raises(ProblemError) as problem:
        viewing.check(world.agency, wanted(number, **changes), world.agency.today(world.now))
    assert problem.value.reason == reason
