"""LS-1.3, SC-18: three numbers that were merged one after the other, and what undoing one of the merges brings back."""

from __future__ import annotations

from importlib import resources

import pytest

from tests.support.review_world import Desk, individual, row

C, A, B = (
    {"individual_number": individual(nth), "name": f"架空　{name}"} for nth, name in enumerate("丙甲乙", start=1)
)


async def merged(desk: Desk) -> tuple[str, str, str]:
    """The numbers of C, merged into A, which was merged into B."""
    c, a = [await desk.number("kokuho", row(nth, **who)) for nth, who in ((3, C), (1, A))]
    b = await desk.number("juki", row(2, **B))
    await desk.decided("links/merge", integrated_number=c, other_integrated_number=a)
    await desk.decided("links/merge", integrated_number=a, other_integrated_number=b)
    return c, a, b


async def split(desk: Desk, of: str, to: str, *addressees: str) -> None:
    named = [{"business_system": "kokuho", "addressee_number": one} for one in addressees]
    await desk.decided("links/split", integrated_number=of, other_integrated_number=to, addressees=named)


async def found(desk: Desk, who: dict[str, str]) -> list[str]:
    answer = await desk.say("persons/search", individual_number=who["individual_number"])
    return [one["integrated_number"] for one in answer.body["items"]]


async def test_every_number_of_a_chain_leads_to_the_one_who_lives_on(desk):
    *_, b = await merged(desk)
    for nth, who in enumerate((C, A, B), start=90):
        assert await found(desk, who) == [b]
        assert await desk.number("juki", row(nth, **who | {"name": B["name"]})) == b


async def test_when_the_later_merge_is_undone_who_had_been_merged_before_comes_along(desk):
    c, a, b = await merged(desk)
    await split(desk, b, a, "1", "3")
    assert (await found(desk, C), await found(desk, A), await found(desk, B)) == ([a], [a], [b])
    assert ((await desk.person(a))["merged_into"], (await desk.person(c))["merged_into"]) == (None, int(a))
    [other] = await desk.register("juki", row(9, individual_number=C["individual_number"], name=B["name"]))
    assert (other["outcome"], other["reason"]) == ("held", "four_items_differ")
    assert await desk.number("juki", row(10, individual_number=C["individual_number"], name=A["name"])) == a


async def test_the_earlier_merge_can_be_undone_from_the_one_who_lives_on(desk):
    c, a, b = await merged(desk)
    await split(desk, b, c, "3")
    assert (await found(desk, C), await found(desk, A), await found(desk, B)) == ([c], [b], [b])
    assert await desk.person_of("kokuho", 3) == c
    again = await desk.say("links/merge", integrated_number=a, other_integrated_number=c)
    assert (again.status, again.body["reason"]) == (409, "person_merged")


@pytest.mark.parametrize("undone", [False, True])
async def test_a_chain_of_before_the_update_is_what_was_decided(desk, undone):
    c, a, b = await merged(desk)
    if undone:
        await split(desk, b, a, "1", "3")
    await desk.world.linkage.rows("update person set merged_into = $2 where integrated_number = $1", int(c), int(b))
    assert await found(desk, C) == [b]
    folder = resources.files("gateway.linkage_server").joinpath("migrations")
    _, _, repair = folder.joinpath("0075_merged_one_after_the_other.sql").read_text().partition("$$;")
    await desk.world.linkage.rows(repair)
    assert (await desk.person(c))["merged_into"] == int(a)
    assert await found(desk, C) == [a if undone else b]
