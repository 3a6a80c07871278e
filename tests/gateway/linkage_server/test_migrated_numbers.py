"""LS-1.3: an integrated number that an earlier system had issued stays its person's, through merges and holds (DOMAIN §1.1)."""

from __future__ import annotations

import csv
import io
import itertools

import pytest

from tests.support.resident_files import COLUMNS, put, through
from tests.support.review_world import SCOPES, SYSTEMS, Desk, individual, row

MIGRATED = "000000000012345"
X = {"individual_number": "", "integrated_number": MIGRATED}
_FILES = itertools.count(1)
Y = {"individual_number": individual(2), "integrated_number": ""}


@pytest.fixture
async def desk(reviewed_alone):
    for system in SYSTEMS:
        scopes = (*SCOPES, "integrated-numbers:migrate")
        await reviewed_alone.linkage.register(system, system=system, scopes=scopes)
    async with reviewed_alone.linkage.served() as caller:
        yield Desk(world=reviewed_alone, caller=caller)


async def migrated(desk: Desk, system: str, *rows: dict[str, str]) -> list[list[str]]:
    """A file with integrated numbers; outcome, reason and number of each row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, "integrated_number"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(one | {"system": system} for one in rows)
    name = f"{system}-{next(_FILES)}.csv"
    folder = put(desk.world.linkage.config.spool, text.getvalue().encode(), name=name, count=len(rows), system=system)
    return [line.split(",")[1:4] for line in (await through(folder, name)).splitlines()[1:]]


async def holder(desk: Desk, system: str, addressee: str) -> str:
    answer = await desk.say("persons/search", system=system, business_system=system, addressee_number=addressee)
    [found] = answer.body["items"]
    return str(found["integrated_number"])


async def merged(desk: Desk) -> str:
    """X, who has the migrated number, was merged into Y; the number of Y."""
    [[kept, *_], [issued, _, y]] = await migrated(desk, "juki", row(1, **X), row(2, **Y))
    assert (kept, issued) == ("kept", "issued")
    await desk.decided("links/merge", integrated_number=MIGRATED, other_integrated_number=y)
    return y


async def test_a_migrated_number_that_was_merged_leads_to_whoever_lives_on(desk):
    y = await merged(desk)
    with_both = row(77, **Y | {"integrated_number": MIGRATED})
    assert await migrated(desk, "kokuho", with_both) == [["linked", "", y]]
    assert await holder(desk, "kokuho", "77") == y
    assert await migrated(desk, "kokuho", with_both | {"name": "架空 花子"}) == [["unchanged", "", y]]


async def test_a_row_without_individual_number_under_a_number_that_was_merged_is_for_staff_to_link(desk):
    y = await merged(desk)
    assert await migrated(desk, "kokuho", row(77, **X)) == [["held", "integrated_number_taken", ""]]
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link", integrated_number=y)
    assert await holder(desk, "kokuho", "77") == y


async def test_a_migrated_number_of_two_without_individual_number_leads_to_whoever_lives_on(desk):
    without = {"individual_number": "", "integrated_number": ""}
    [_, [_, _, y]] = await migrated(desk, "juki", row(1, **X), row(2, **without))
    await desk.decided("links/propose", integrated_number=MIGRATED, other_integrated_number=y)
    assert await migrated(desk, "kokuho", row(77, **X)) == [["linked", "", y]]
    assert await holder(desk, "kokuho", "77") == y


async def test_a_held_row_that_is_kept_as_somebody_new_keeps_its_migrated_number(desk):
    two = [
        row(nth, name=name, individual_number=individual(9), integrated_number=number)
        for nth, name, number in ((1, "架空　甲", "000000000000111"), (2, "架空　乙", "000000000000222"))
    ]
    assert await migrated(desk, "juki", *two) == [["held", "number_on_two_people", ""]] * 2
    for hold in await desk.holds():
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    assert [await holder(desk, "juki", nth) for nth in ("1", "2")] == ["000000000000111", "000000000000222"]
    assert [(await desk.person(number))["migrated"] for number in ("111", "222")] == [True, True]
    good = two[0] | {"individual_number": ""}
    assert await migrated(desk, "juki", good) == [["unchanged", "", "000000000000111"]]


async def test_a_migrated_number_that_is_somebodys_makes_nobody_new(desk):
    y = await merged(desk)
    assert await migrated(desk, "kokuho", row(77, **X)) == [["held", "integrated_number_taken", ""]]
    [hold] = await desk.holds()
    answer = await desk.say("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    assert (answer.status, answer.body["reason"]) == (409, "integrated_number_taken")
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link", integrated_number=y)


async def test_a_field_that_is_filled_with_zeros_is_no_number(desk):
    zeros = [row(nth, individual_number=individual(nth), integrated_number="0" * 15) for nth in (1, 2)]
    blank = row(3, individual_number="0" * 12, integrated_number="")
    assert await migrated(desk, "juki", *zeros, blank) == [["rejected", "field_malformed", ""]] * 3
    await desk.number("juki", row(4))
    told = await desk.change("juki", 4, "individual_number_change", individual_number="0" * 12)
    assert (told["reason"], told["where"]) == ("field_malformed", "individual_number")
