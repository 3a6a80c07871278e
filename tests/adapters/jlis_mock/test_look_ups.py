"""The resident network beyond four items of a number: a number for all four items and never for fewer; changes of whoever is named."""

from __future__ import annotations

import pytest

from adapters.jlis_mock.resident_network.look_ups import NEEDED
from tests.adapters.jlis_mock.people import individual_number, resident
from tests.adapters.jlis_mock.surroundings import Surroundings
from transport.channel import RefusedByPeerError

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIRST = 700_000
NAMES = (*NEEDED, "kana")


async def load(around: Surroundings, *indexes: int, **changes: str) -> None:
    people = [resident(FIRST + index) | changes for index in indexes]
    await around.items("resident-staff", f"{around.resident_url}/population", people)


def items(index: int, **changes: str) -> dict[str, str]:
    whole = resident(FIRST + index)
    return {name: whole[name] for name in NAMES} | changes


async def look_up(around: Surroundings, *asked: dict, who: str = "setagaya-linkage") -> list[dict]:
    return await around.items(who, f"{around.resident_url}/number-look-ups", list(asked))


async def notices(around: Surroundings, number: str, since: str = "2000-01-01") -> dict:
    asked = [{"individual_number": number, "since": since}]
    return (await around.items("setagaya-linkage", f"{around.resident_url}/change-notices", asked))[0]


async def change(around: Surroundings, **said: object) -> dict:
    return (await around.items("resident-staff", f"{around.resident_url}/population/changes", [said]))[0]


async def four_items(around: Surroundings, number: str) -> dict:
    asked = [{"individual_number": number}]
    return (await around.items("setagaya-linkage", f"{around.resident_url}/four-items", asked))[0]


async def test_all_four_items_give_the_number_and_the_reading_decides_nothing(around: Surroundings) -> None:
    await load(around, 1, 2)
    found = await look_up(around, items(1), items(2, kana=""), items(1, kana="チガウ"), items(3))
    assert found == [
        {"individual_number": individual_number(FIRST + 1)},
        {"individual_number": individual_number(FIRST + 2)},
        {"individual_number": individual_number(FIRST + 1)},
        {"unknown": True},
    ]


async def test_another_way_of_writing_is_the_same_and_another_item_is_nobody(around: Surroundings) -> None:
    await load(around, 4)
    written = items(4, name=f"架空 住民{FIRST + 4}", address="東京都架空区見本町1丁目2番3号")
    others = [items(4, sex="1"), items(4, birth_date="1990-04-02"), items(4, address="東京都架空区見本町９丁目")]
    found = await look_up(around, written, *others)
    assert found == [{"individual_number": individual_number(FIRST + 4)}, *[{"unknown": True}] * 3]


@pytest.mark.parametrize("left_out", [*NEEDED, ("name", "address"), NEEDED])
async def test_fewer_than_four_items_are_refused_and_named(around: Surroundings, left_out) -> None:
    await load(around, 5)
    missing = [left_out] if isinstance(left_out, str) else list(left_out)
    blank = items(5, **dict.fromkeys(missing, " 　"))
    absent = {name: text for name, text in items(5).items() if name not in missing}
    found = await look_up(around, blank, absent)
    assert found == [{"refused": {"reason": "four_items_incomplete", "missing": missing}}] * 2


async def test_malformed_items_and_namesakes_get_no_number(around: Surroundings) -> None:
    await load(around, 6, 7, name="架空　双子", birth_date="2001-02-03")
    twins = items(6, name="架空　双子", birth_date="2001-02-03")
    found = await look_up(around, items(6, birth_date="yesterday"), items(6, sex="x"), twins)
    reasons = [one["refused"]["reason"] for one in found]
    assert reasons == ["four_items_malformed", "four_items_malformed", "several_residents"]


async def test_a_changed_number_is_told_to_whoever_names_the_old_one_and_is_good_for_nothing_else(
    around: Surroundings,
) -> None:
    await load(around, 8)
    old, new = individual_number(FIRST + 8), individual_number(FIRST + 108)
    assert (await notices(around, old)) == {"individual_number": old, "changes": []}
    said = {"individual_number": old, "new_individual_number": new, "changed_on": "2022-10-03"}
    assert await change(around, **said) == {"changed": True}
    told = {"individual_number": new, "changes": [{"kind": "individual_number", "changed_on": "2022-10-03"}]}
    assert await notices(around, old) == await notices(around, new) == told
    assert await notices(around, old, since="2022-10-04") == {"individual_number": new, "changes": []}
    assert await four_items(around, old) == {"unknown": True}
    assert await four_items(around, new) == {name: items(8)[name] for name in NAMES}
    assert await look_up(around, items(8)) == [{"individual_number": new}]
    assert await change(around, **said) == {"refused": {"reason": "number_unknown"}}


async def test_a_number_is_never_given_twice(around: Surroundings) -> None:
    await load(around, 9, 10)
    nine, ten, fresh = (individual_number(FIRST + index) for index in (9, 10, 109))
    taken = {"refused": {"reason": "number_taken"}}
    assert await change(around, individual_number=nine, new_individual_number=ten, changed_on="2022-10-03") == taken
    await change(around, individual_number=nine, new_individual_number=fresh, changed_on="2022-10-03")
    assert await change(around, individual_number=ten, new_individual_number=nine, changed_on="2022-10-04") == taken
    assert (await notices(around, nine))["individual_number"] == fresh


async def test_other_four_items_are_told_and_found_and_the_old_ones_are_not(around: Surroundings) -> None:
    await load(around, 11)
    number = individual_number(FIRST + 11)
    moved = items(11, address="大阪府架空市見本町１番")
    assert await change(around, individual_number=number, four_items=moved, changed_on="2022-11-01") == {
        "changed": True
    }
    assert (await notices(around, number))["changes"] == [{"kind": "four_items", "changed_on": "2022-11-01"}]
    assert await look_up(around, moved, items(11)) == [{"individual_number": number}, {"unknown": True}]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "nothing_changes"), ({"new_individual_number": "123"}, "number_malformed"),
        ({"four_items": {"name": "架空　誰か"}}, "four_items_incomplete"),
        ({"individual_number": individual_number(FIRST + 999), "new_individual_number": individual_number(FIRST + 998)}, "number_unknown"),
    ],
)  # fmt: skip
async def test_a_change_that_says_nothing_right_changes_nothing(around: Surroundings, said, reason) -> None:
    await load(around, 12)
    number = individual_number(FIRST + 12)
    found = await change(around, **{"individual_number": number, "changed_on": "2022-10-03", **said})
    assert found["refused"]["reason"] == reason
    assert await notices(around, number) == {"individual_number": number, "changes": []}


@pytest.mark.parametrize("path", ["number-look-ups", "change-notices"])
@pytest.mark.parametrize("who", ["setagaya", "network-staff", "resident-staff", "suginami-staff"])
async def test_nobody_but_linkage_servers_looks_up(around: Surroundings, path: str, who: str) -> None:
    with pytest.raises(RefusedByPeerError, match="certificate_for_another_use"):
        await around.items(who, f"{around.resident_url}/{path}", [])


@pytest.mark.parametrize("who", ["setagaya-linkage", "network-staff", "suginami-staff"])
async def test_nobody_but_its_own_staff_changes_residents(around: Surroundings, who: str) -> None:
    with pytest.raises(RefusedByPeerError, match="certificate_for_another_use"):
        await around.items(who, f"{around.resident_url}/population/changes", [])


async def test_no_number_and_no_name_stands_in_the_tables(around: Surroundings) -> None:
    await load(around, 13)
    old, new = individual_number(FIRST + 13), individual_number(FIRST + 113)
    await change(around, individual_number=old, new_individual_number=new, changed_on="2022-10-03")
    found = str(await around.sql("select * from resident_network.resident"))
    found += str(await around.sql("select * from resident_network.resident_change"))
    assert not any(text in found for text in (old, new, "架空", "見本町", old.encode().hex()))


async def test_what_is_asked_is_counted_for_each_function(around: Surroundings) -> None:
    await look_up(around, items(14), items(15))
    await notices(around, individual_number(FIRST + 14))
    rows = await around.sql("select function, sum(asked) as asked from resident_network.agency_asks group by function")
    counts = {row["function"]: row["asked"] for row in rows}
    assert counts["number-look-up"] >= 2
    assert counts["change-notices"] >= 1
