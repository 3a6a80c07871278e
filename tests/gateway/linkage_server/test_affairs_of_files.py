"""SC-13, SC-14: what a business system brings by file or registration goes by its affairs, as what it brings by call does."""

from __future__ import annotations

import pytest

from tests.support.change_files import STATED, change, day, item, registering, take, with_juki
from tests.support.resident_files import csv_bytes, individual_number, person, put, through

AFFAIRS = """
affairs:
- {code: few, name: 少, systems: [juki], individual_number: false, items: [name, address]}
- {code: other, name: 他, systems: [kokuho], individual_number: true, items: [name, kana, sex, birth_date, address]}
"""
NUMBER_REFUSED = ("rejected", "individual_number_not_allowed", "individual_number")


@pytest.fixture
async def ward(world):
    (world.config.folder / "own.yaml").write_text(AFFAIRS, encoding="utf-8")
    await with_juki(world)
    await with_juki(world, system="zeimu")
    world.config.options["affairs"] = {"setagaya": "own.yaml"}
    return world


async def load(world, rows, name, system="juki"):
    folder = put(world.config.spool, csv_bytes(rows), name=name, count=len(rows), system=system, as_of=day(-10))
    lines = (await through(folder, name)).splitlines()[1:]
    return [(cells[1], cells[2], cells[4]) for cells in (line.split(",") for line in lines)]


def without_number(nth: int, **more: str) -> dict[str, str]:
    return person(nth, system="juki", individual_number="", **more)


async def test_sc_13_no_file_and_no_registration_brings_a_number_that_no_affair_may_use(ward):
    row = {name: text for name, text in person(3).items() if name != "system"}
    async with ward.served() as caller:
        loaded = await load(ward, [person(1, system="juki"), without_number(2)], "people.csv")
        registered = await caller.post("/v1/addressees", {"items": [row]}, token=await caller.token("juki"), key="r")
        rows = [change("n", 2, "individual_number_change", day(), individual_number=individual_number(9))]
        changed = await take(ward, [*rows, registering("m", 5, "move_in", day())], name="changes.csv")
        unlisted = await load(ward, [person(4, system="zeimu")], "zeimu.csv", "zeimu")
    assert loaded == [NUMBER_REFUSED, ("issued", "", "")]
    [answer] = registered.body["items"]
    assert (answer["outcome"], answer["reason"], answer["where"]) == NUMBER_REFUSED
    assert changed == [("rejected", "individual_number_not_allowed"), ("rejected", "item_not_needed")]
    assert unlisted == [("issued", "", "")]
    held = await ward.rows(
        "select a.business_system_id from person join addressee a using (integrated_number) where individual_number_index is not null"
    )
    assert [row["business_system_id"] for row in held] == ["zeimu"]


async def test_sc_14_a_file_of_changes_brings_no_item_that_no_affair_needs_and_says_so_as_a_call_does(ward):
    rows = [
        change("c", 1, "correction", day(-1), birth_date="1981-02-02", sex="2"),
        change("k", 1, "name_change", day(-1), name="模擬　改名", kana="モギ　カイメイ"),
        change("n", 1, "name_change", day(-1), name="模擬　改名"),
        change("a", 1, "address_change", day(-1), address="東京都世田谷区架空9-9"),
    ]
    async with ward.served() as caller:
        await load(ward, [without_number(1)], "people.csv")
        by_file = await take(ward, rows, name="changes.csv")
        body = STATED | {
            "affair": "few",
            "items": [item(one | {"event_id": f"call-{one['event_id']}"}) for one in rows],
        }
        by_call = await caller.post("/v1/person-changes", body, token=await caller.token("juki"), key="k")
    refused = ("rejected", "item_not_needed")
    assert by_file == [refused, refused, ("applied", ""), ("applied", "")]
    assert [(one["outcome"], one["reason"] or "") for one in by_call.body["items"]] == by_file
    assert [one.get("where") for one in by_call.body["items"]] == ["birth_date", "kana", None, None]


async def test_sc_14_a_reading_that_no_affair_needs_is_not_kept(ward):
    stated = {"staff": "s-1", "affair": "other", "reason": "確認", "as_of": day(), "addressee_numbers": ["0000000001"]}
    async with ward.served():
        await load(ward, [without_number(1)], "people.csv")
    await with_juki(ward, system="kokuho")
    async with ward.served() as caller:
        await ward.rows("update addressee set business_system_id = 'kokuho' returning 1")
        answer = await caller.post("/v1/persons/as-of", stated, token=await caller.token("kokuho"))
    [found] = answer.body["items"]
    assert (found["kana"], found["name"], found["birth_date"]) == ("", person(1)["name"], person(1)["birth_date"])
