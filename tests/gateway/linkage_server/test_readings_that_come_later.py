"""LS-1.4, LS-1.2: whoever is held without a reading gets the one that a later row brings, in the history as in the search, once."""

from __future__ import annotations

import pytest

from tests.support.change_files import day
from tests.support.push_ward import row as pushed_row
from tests.support.push_ward import ward_of
from tests.support.resident_files import csv_bytes, put, through
from tests.support.review_world import Desk, individual, row, said, until

ONE = individual(1)
KANA = row(1)["kana"]
ISSUED, LINKED, UNCHANGED = ["issued", ""], ["linked", ""], ["unchanged", ""]


@pytest.fixture
async def desk(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def loaded(desk: Desk, system: str, of: str, *rows: dict[str, str], name: str = "load.csv") -> list[list[str]]:
    """A file of a load that is of this day; outcome and reason of each row."""
    data = csv_bytes([{"individual_number": ONE, "system": system} | one for one in rows])
    folder = put(desk.world.linkage.config.spool, data, name=name, count=len(rows), system=system, as_of=of)
    return [line.split(",")[1:3] for line in (await through(folder, name)).splitlines()[1:]]


async def found_by_kana(desk: Desk) -> list[str]:
    """The readings of those whom a search by the beginning of one finds, once the tokens are made."""

    async def look():
        answer = await desk.say("persons/search", kana="カクウハ", birth_date=row(1)["birth_date"])
        assert answer.status == 200, answer
        return answer.body

    body = await until(look, lambda one: one["indexed_revision"] == one["newest_revision"])
    return [one["kana"] for one in body["items"]]


async def readings(desk: Desk, system: str, addressee: int, *days: int) -> list[str | None]:
    return [(await desk.as_of(system, addressee, day(on))).get("kana") for on in days]


async def test_a_row_that_is_linked_brings_the_reading_once(desk):
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    assert await found_by_kana(desk) == []
    for name in ("a.csv", "again.csv"):
        assert await loaded(desk, "kokuho", day(-5), row(77), name=name) == [LINKED]
    assert await loaded(desk, "kokuho", day(-4), row(77, kana="ｶｸｳ ﾊﾅｺ")) == [UNCHANGED]
    assert await found_by_kana(desk) == [KANA]
    assert await readings(desk, "juki", 1, -11, -10, -6, -5, 0) == [None, "", "", KANA, KANA]
    [event] = await desk.history("juki", 1)
    assert event.pop("recorded_at")
    assert event == {"kind": "correction", "effective_on": day(-5), "status": "applied", "kana": KANA}


async def test_a_row_of_a_number_that_is_held_already_brings_the_reading_once(desk):
    """By the same system, whose later load says more, by file or by call."""
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    for name in ("a.csv", "again.csv"):
        assert await loaded(desk, "juki", day(-5), row(1), name=name) == [UNCHANGED]
    assert await found_by_kana(desk) == [KANA]
    assert await readings(desk, "juki", 1, -10, -6, -5, 0) == ["", "", KANA, KANA]
    [told] = await desk.register("juki", row(1, individual_number=ONE))
    assert told["outcome"] == "unchanged"
    assert [(one["kind"], one["effective_on"]) for one in await desk.history("juki", 1)] == [("correction", day(-5))]


async def test_a_row_that_is_held_brings_nothing(desk):
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    assert await loaded(desk, "kokuho", day(-5), row(77, name="架空　三郎")) == [["held", "four_items_differ"]]
    assert (await readings(desk, "juki", 1, 0), await desk.history("juki", 1)) == ([""], [])


async def test_rows_of_one_load_see_the_reading_that_one_of_them_brought(desk):
    rows = [row(1, kana=""), row(2, kana="　"), row(3), row(4, kana="ｶｸｳ ﾊﾅｺ"), row(5, kana="ベツノ　ヨミ")]
    told = await loaded(desk, "juki", day(-5), *rows)
    assert told == [ISSUED, LINKED, LINKED, LINKED, ["held", "four_items_differ"]]
    assert await readings(desk, "juki", 1, -5, 0) == [KANA, KANA]
    assert [one["kana"] for one in await desk.history("juki", 1)] == [KANA]


async def test_a_reading_is_of_the_name_that_is_held_and_not_of_the_one_before(desk):
    assert await loaded(desk, "juki", day(-10), row(1, kana="", name="架空　菊")) == [ISSUED]
    await desk.change("juki", 1, "name_change", effective_on=day(-3), name=row(1)["name"])
    assert await loaded(desk, "kokuho", day(-5), row(77)) == [LINKED]
    assert await readings(desk, "juki", 1, -5, -4, -3, 0) == ["", "", KANA, KANA]


async def test_a_reading_goes_with_the_addressee_number_that_brought_it(desk):
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    assert await loaded(desk, "kokuho", day(-5), row(77)) == [LINKED]
    split = [{"business_system": "kokuho", "addressee_number": "77"}]
    await desk.decided("links/split", integrated_number=await desk.person_of("juki", 1), addressees=split)
    assert await readings(desk, "juki", 1, 0) == [""]
    assert await readings(desk, "kokuho", 77, 0) == [KANA]


@pytest.mark.parametrize("on", [-20, -10, -1])
async def test_a_move_in_that_is_linked_brings_the_reading_whichever_day_it_is_of(desk, on):
    """Of a day before the person was registered too: of that day nothing else counts."""
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    event = {"effective_on": day(on), "individual_number": ONE}
    for _ in range(2):
        told = await desk.change("kokuho", 77, "move_in", **event, **said())
        assert told["outcome"] in {"linked", "unchanged"}, told
    assert await found_by_kana(desk) == [KANA]
    assert await readings(desk, "juki", 1, max(on, -10), 0) == [KANA, KANA]
    assert [one["kind"] for one in await desk.history("juki", 1)] == ["move_in"]


async def test_a_reading_that_a_row_brings_is_pushed_to_who_holds_the_person(world):
    async with ward_of(world) as ward:
        await ward.load(pushed_row(kana=""))
        assert "secret" in (await ward.target(client="kokuho")).body
        await ward.load(pushed_row("81"), client="sky2")
        (push,) = await ward.pushed(1)
        assert (push["addressee_numbers"], push["items"]["kana"]) == (["1"], pushed_row()["kana"])
        assert [one["kind"] for one in push["changes"]] == ["correction"]
        await ward.quiet()
        assert len(ward.receiver.got) == 1


async def test_a_row_that_staff_link_brings_the_reading_of_a_name_that_is_theirs(desk):
    assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
    number = await desk.person_of("juki", 1)
    rows = [row(77, address="架空県新市新町９番"), row(78, name="架空　菊", kana="カクウ　キク")]
    for one, kana in zip(reversed(rows), ("", KANA), strict=True):
        assert await loaded(desk, "kokuho", day(-5), one, name=f"{one['addressee_number']}.csv") == [
            ["held", "four_items_differ"]
        ]
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link", integrated_number=number)
        assert (await desk.searched(number))["kana"] == kana


async def test_a_reading_that_was_told_before_it_counted_is_found_after_the_upgrade(reviewed_alone):
    """The history has it, the person has it not, as a server of before left them."""
    linkage = reviewed_alone.linkage
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        assert await loaded(desk, "juki", day(-10), row(1, kana="")) == [ISSUED]
        await desk.change("kokuho", 77, "move_in", effective_on=day(-20), individual_number=ONE, **said())
    await linkage.rows(
        "update person p set four_items_sealed = b.four_items_sealed, revision = nextval('person_revision')"
        " from person_base b where b.integrated_number = p.integrated_number"
    )
    await linkage.rows("insert into person_to_refold select integrated_number from person")
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await until(lambda: linkage.rows("select from person_to_refold"), lambda rows: not rows)
        assert await found_by_kana(desk) == [KANA]
