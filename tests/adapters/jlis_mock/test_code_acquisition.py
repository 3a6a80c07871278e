from __future__ import annotations

import pytest

from codebook.identifiers import new_sortable_id
from tests.adapters.jlis_mock.people import individual_number, resident
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import acquire
from transport.channel import RefusedByPeerError

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_agencies_get_different_codes_of_one_person(around: Surroundings) -> None:
    setagaya = await acquire(around, "setagaya", 1)
    suginami = await acquire(around, "suginami", 1)
    assert setagaya != suginami
    assert len(setagaya) == len(suginami) == 34


async def test_the_same_person_has_the_same_code_again(around: Surroundings) -> None:
    assert await acquire(around, "setagaya", 2) == await acquire(around, "setagaya", 2)


async def test_two_people_have_different_codes(around: Surroundings) -> None:
    assert await acquire(around, "setagaya", 3) != await acquire(around, "setagaya", 4)


async def test_an_unknown_number_and_no_number_are_refused(around: Surroundings) -> None:
    items = [
        {"acquisition_number": new_sortable_id("P", 1, bytes(10)), "individual_number": individual_number(999_999)},
        {"acquisition_number": new_sortable_id("P", 2, bytes(10)), "individual_number": "123456789012"},
    ]
    answers = await around.items("setagaya-linkage", f"{around.resident_url}/code-requests", items)
    assert answers == [{"refused": {"reason": "number_unknown"}}, {"refused": {"reason": "number_malformed"}}]


async def test_four_items_of_a_resident_and_of_nobody(around: Surroundings) -> None:
    person = resident(5)
    await around.items("resident-staff", f"{around.resident_url}/population", [person])
    asks = [{"individual_number": person["individual_number"]}, {"individual_number": individual_number(999_998)}]
    known, unknown = await around.items("setagaya-linkage", f"{around.resident_url}/four-items", asks)
    assert known == {name: person[name] for name in ("name", "kana", "sex", "birth_date", "address")}
    assert unknown == {"unknown": True}


async def test_loading_again_changes_nothing(around: Surroundings) -> None:
    # nobody else's: what is loaded stays for every file of this folder
    body = {"items": [resident(71), resident(72)]}
    first = await around.call("resident-staff", f"{around.resident_url}/population", body)
    second = await around.call("resident-staff", f"{around.resident_url}/population", body)
    assert (first["loaded"], second["loaded"]) == (2, 0)


@pytest.mark.parametrize("who", ["setagaya", "setagaya-linkage", "network-staff", "suginami-staff"])
async def test_only_its_own_staff_loads_a_population(around: Surroundings, who: str) -> None:
    with pytest.raises(RefusedByPeerError) as refusal:
        await around.items(who, f"{around.resident_url}/population", [resident(8)])
    assert refusal.value.reason == "certificate_for_another_use"


async def test_only_the_resident_network_sends_references_to_the_core(around: Surroundings) -> None:
    with pytest.raises(RefusedByPeerError) as refusal:
        await around.items("suginami", f"{around.url}/codes", [], agency="setagaya")
    assert refusal.value.reason == "certificate_for_another_use"
