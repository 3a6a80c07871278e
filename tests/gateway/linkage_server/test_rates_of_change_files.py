"""SC-18: a file of changes of which too many disagree changes nothing, however its lines hang together and whenever its people come."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, counts_against, judged_as
from gateway.linkage_server.people.state import Kind, Says
from gateway.linkage_server.people.strands import Strands
from tests.support.change_files import change, day, loaded, registering, take, with_juki

OVER = "mismatch_rate_over_limit"


@pytest.fixture
async def ward(world):
    return await with_juki(world)


def before_birth(nth: int) -> dict[str, str]:
    return change(f"w{nth}", nth, "address_change", "1900-01-01", address="架空県１番")


def move_in(nth: int) -> dict[str, str]:
    return registering(f"n{nth}", nth, "move_in", day(-1), individual_number="")


async def nothing_of_it(ward) -> bool:
    tables = ("person_event", "review_hold")
    return not [table for table in tables if await ward.rows(f"select from {table}")]


async def test_changes_of_people_whom_an_earlier_list_of_the_file_registers_count(ward):
    rows = [*map(move_in, range(1, 2_001)), *map(before_birth, range(1, 61))]
    async with ward.served():
        with pytest.raises(AssertionError, match=OVER):
            await take(ward, rows, name="1.csv")
        assert not await ward.rows("select from person")
        assert await nothing_of_it(ward)


async def test_changes_that_stand_above_the_registrations_that_they_need_count(ward):
    async with ward.served():
        with pytest.raises(AssertionError, match=OVER):
            await take(ward, [*map(before_birth, range(1, 61)), *map(move_in, range(1, 61))], name="1.csv")
        assert not await ward.rows("select from person")


async def test_changes_that_an_earlier_list_of_the_file_makes_wrong_count(ward):
    """Of people who are held: the second list moves those whom the first one says are dead."""
    deaths = [change(f"d{nth}", nth, "death", day(-3)) for nth in range(1, 61)]
    others = [change(f"u{nth}", nth, "death", day(-3)) for nth in range(10_001, 11_941)]
    moves = [change(f"m{nth}", nth, "address_change", day(-1), address="架空県１番") for nth in range(1, 61)]
    async with ward.served():
        await loaded(ward, 60)
        with pytest.raises(AssertionError, match=OVER):
            await take(ward, [*deaths, *others, *moves], name="1.csv")
        assert await nothing_of_it(ward)


async def test_lines_that_are_judged_anew_count_when_the_file_comes_again(ward):
    wrong, good = (
        map(before_birth, range(1, 61)),
        (change(f"g{nth}", nth, "address_change", day(), address="架空県２番") for nth in range(61, 101)),
    )
    rows = [*wrong, *good]
    async with ward.served():
        assert set(await take(ward, rows, name="1.csv")) == {("rejected", "addressee_unknown")}
        await loaded(ward, 100)
        for name in ("2.csv", "3.csv"):
            with pytest.raises(AssertionError, match=OVER):
                await take(ward, rows, name=name)
        assert await nothing_of_it(ward)


@given(st.lists(st.tuples(st.frozensets(st.integers(0, 12), min_size=1, max_size=3), st.booleans()), max_size=12))
def test_a_strand_is_all_that_is_joined_by_what_it_is_about(changes):
    strands = Strands()
    joined: list[tuple[set[int], set[int], list[bool]]] = []
    for nth, (concerns, unknown) in enumerate(changes):
        in_list = nth // 4
        strands.add(concerns, in_list=in_list, unknown=unknown)
        those = [one for one in joined if one[0] & concerns]
        joined = [one for one in joined if one not in those]
        lists = {in_list}.union(*(one[1] for one in those))
        joined.append(
            (set(concerns).union(*(one[0] for one in those)), lists, [unknown, *(u for one in those for u in one[2])])
        )
    for concerns, lists, unknown in joined:
        reaches = len(lists) > 1 or (any(unknown) and len(unknown) > 1)
        names = {strands.reaching(one) for one in concerns}
        assert len(names) == 1
        assert (names != {None}) == reaches
        assert not reaches or names <= concerns


def test_who_is_frozen_does_not_count_also_when_their_change_was_held_before():
    """Then the reason is a word of the database."""
    one = Change(
        line=1, event_id="e", addressee_number="1", kind=Kind.ADDRESS_CHANGE, effective_on=date(2026, 4, 1), cancels="", resident_kind="",
        says=Says(address="架空県１番"),
    )  # fmt: skip
    reasons = (ChangeReason.PERSON_FROZEN, "person_frozen", "four_items_differ")
    assert [counts_against(judged_as(one, "k", ChangeOutcome.HELD, why)) for why in reasons] == [False, False, True]
