"""LS-1.1, LS-1.2: the day that a file of a load is of is the day of its rows, whatever becomes of them, and what was sent for an addressee number is kept."""

from __future__ import annotations

from tests.support.change_files import day
from tests.support.resident_files import csv_bytes, put, through
from tests.support.review_world import Desk, individual, row

MOVED = "架空県他所市一丁目１番"
ISSUED, HELD = ["issued", ""], ["held", "four_items_differ"]
OTHER = {"name": "架空　三郎", "sex": "1"}


async def loaded(desk: Desk, system: str, of: str, *rows: dict[str, str]) -> list[list[str]]:
    """A file of a load that is of this day; outcome and reason of each row."""
    data = csv_bytes([{"individual_number": "", "system": system} | one for one in rows])
    folder = put(desk.world.linkage.config.spool, data, name="load.csv", count=len(rows), system=system, as_of=of)
    return [line.split(",")[1:3] for line in (await through(folder, "load.csv")).splitlines()[1:]]


async def test_changes_count_from_the_day_of_a_row_that_was_held_and_is_kept_as_somebody_new(desk):
    """The load is of ten days ago; while its row waited for staff, its person moved."""
    rows = [row(77, individual_number=individual(1), **OTHER), row(78, individual_number=individual(3), **OTHER)]
    assert await loaded(desk, "juki", day(-10), row(1, individual_number=individual(1))) == [ISSUED]
    assert await loaded(desk, "kokuho", day(-10), *rows) == [HELD, ISSUED]
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    for nth in (77, 78):
        told = await desk.change("kokuho", nth, "address_change", f"a{nth}", effective_on=day(-5), address=MOVED)
        assert (told["outcome"], told["reason"]) == ("applied", None)
        found = [(await desk.as_of("kokuho", nth, day(on))).get("address") for on in (-11, -7, 0)]
        assert found == [None, row(nth)["address"], MOVED]


async def test_somebody_new_is_known_since_the_day_of_the_row_that_staff_had_linked(desk):
    assert await loaded(desk, "juki", day(-10), row(1, individual_number=individual(1))) == [ISSUED]
    held = row(77, individual_number=individual(1), **OTHER)
    assert await loaded(desk, "kokuho", day(-8), held) == [HELD]
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    await desk.change("kokuho", 77, "address_change", "a", effective_on=day(-5), address=MOVED)
    split = [{"business_system": "kokuho", "addressee_number": "77"}]
    await desk.decided("links/split", integrated_number=await desk.person_of("juki", 1), addressees=split)
    found = [await desk.as_of("kokuho", 77, day(on)) for on in (-9, -7, 0)]
    assert [one.get("name") for one in found] == [None, OTHER["name"], OTHER["name"]]
    assert [one.get("address") for one in found] == [None, held["address"], MOVED]


async def test_somebody_new_begins_with_what_the_row_said_although_its_file_is_of_an_earlier_day(desk):
    """The row agreed with what was held when it came."""
    assert await loaded(desk, "juki", day(-10), row(1, individual_number=individual(1))) == [ISSUED]
    await desk.change("juki", 1, "address_change", "a", effective_on=day(-1), address=MOVED)
    came = row(77, individual_number=individual(1), address=MOVED)
    assert await loaded(desk, "kokuho", day(-5), came) == [["linked", ""]]
    split = [{"business_system": "kokuho", "addressee_number": "77"}]
    await desk.decided("links/split", integrated_number=await desk.person_of("juki", 1), addressees=split)
    found = [(await desk.as_of("kokuho", 77, day(on))).get("address") for on in (-6, -5, 0)]
    assert found == [None, MOVED, MOVED]


async def test_nobody_is_born_after_the_day_that_a_file_is_of(desk):
    rows = [row(nth, birth_date=day(on)) for nth, on in ((1, -10), (2, -9))]
    assert await loaded(desk, "juki", day(-10), *rows) == [ISSUED, ["rejected", "field_malformed"]]
