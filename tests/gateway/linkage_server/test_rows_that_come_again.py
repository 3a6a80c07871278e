"""LS-1.3, SC-18: a row that was held and comes again waits where it waits, and what two members of staff decided about it binds."""

from __future__ import annotations

import json
from datetime import date

import pytest

from gateway.linkage_server.addressees.decide import Known, Ledger, Outcome, Registered, Surroundings, decide
from gateway.linkage_server.addressees.rows import Row
from tests.support.resident_files import load
from tests.support.review_world import Desk, individual, row

A, B = individual(1), individual(2)
OTHER = {"name": "架空　若葉", "birth_date": "2015-07-07", "address": "架空県見本市試験町９丁目"}


async def told(desk: Desk, *rows: dict[str, str]) -> list[tuple[str, str | None]]:
    return [(one["outcome"], one["reason"]) for one in await desk.register("kokuho", *rows)]


async def disagreeing(desk: Desk) -> dict[str, str]:
    """A row of somebody who is held, with other items, sent twice."""
    await desk.number("juki", row(1, individual_number=A))
    one = row(77, individual_number=A, **OTHER)
    assert [await told(desk, one) for _ in range(2)] == [[("held", "four_items_differ")]] * 2
    return one


async def test_a_row_that_waits_for_a_decision_waits_once(desk):
    one = await disagreeing(desk)
    assert len(await desk.holds()) == 1
    assert await told(desk, one | {"name": "架空　次郎"}) == [("held", "four_items_differ")]
    assert len(await desk.holds()) == 2


@pytest.mark.parametrize(("action", "of_juki"), [("link", True), ("keep_as_new", False)])
async def test_what_was_decided_about_a_row_binds_when_it_comes_again(desk, action, of_juki):
    one = await disagreeing(desk)
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action=action)
    assert [await told(desk, one) for _ in range(2)] == [[("unchanged", None)]] * 2
    assert await desk.holds() == []
    assert (await desk.person_of("kokuho", 77) == await desk.person_of("juki", 1)) is of_juki
    assert await told(desk, one | {"name": "架空　次郎"}) != [("unchanged", None)]


def test_a_row_that_was_decided_tells_nobody_elses_number():
    """It was linked without its 個人番号, which is another's: a row beside it goes to whom the number names."""
    one, beside = (
        Row(nth, f"{nth}", B, name, "", "1", "1980-01-31", "架空県見本市", "住民")
        for nth, name in enumerate(("架空　甲", "架空　乙"), start=1)
    )
    a, b = Known(b"a", 1, one.four_items), Known(b"b", 2, beside.four_items)
    ledger = Ledger(by_index={b"b": b}, by_addressee={"1": Registered(person=a, intake_id=1)}, settled=frozenset({1}))
    around = Surroundings(intake_id=2, network={1: frozenset(), 2: frozenset()}, today=date(2026, 4, 1))
    decided = decide([(one, b"b"), (beside, b"b")], ledger, around)
    assert [(each.outcome, each.person) for each in decided] == [(Outcome.UNCHANGED, a), (Outcome.LINKED, b)]


async def test_an_addressee_number_that_ended_since_is_looked_at_again(desk):
    one = await disagreeing(desk)
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    assert (await desk.change("kokuho", 77, "addressee_end"))["outcome"] == "applied"
    assert await told(desk, one) == [("held", "addressee_ended")]
    assert len(await desk.holds()) == 1


async def test_what_was_decided_binds_when_what_the_row_said_is_forgotten(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        one = await disagreeing(desk)
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    async with reviewed_alone.linkage.served(clock_offset_s=91 * 86_400) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.forgotten(hold["hold_id"])
        assert await told(desk, one) == [("unchanged", None)]


def on_two_people() -> list[dict[str, str]]:
    """Of one file: the row of the one whose number it is, and of another with the same number."""
    owner, other = row(78, individual_number=A), row(77, individual_number=A, **OTHER)
    return [owner | {"system": "kokuho"}, other | {"system": "kokuho"}]


async def test_a_row_that_was_decided_does_not_count_in_the_rate_of_its_load(reviewed_alone):
    """ADR 0103: the rate of a load is to find slips, and what two members of staff have decided is none."""
    linkage = reviewed_alone.linkage
    async with linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await desk.number("juki", row(1, individual_number=A))
        results = await load(linkage.config.spool, on_two_people(), name="1.csv")
        assert [one[1:3] for one in results] == [["held", "number_on_two_people"]] * 2
        for hold, action in zip(await desk.holds(), ("link", "keep_as_new"), strict=True):
            await desk.decided("holds/decide", hold_id=hold["hold_id"], action=action)
    async with linkage.served(load_limits={"setagaya": {"mismatch_rate": 0.5, "mismatch_floor": 0}}):
        somebody = row(79, name="架空　次郎") | {"system": "kokuho"}
        results = await load(linkage.config.spool, [*on_two_people(), somebody], name="2.csv")
    assert [one[1] for one in results] == ["unchanged", "unchanged", "issued"]


async def test_a_row_that_disagrees_in_two_ways_counts_once(reviewed_alone):
    linkage = reviewed_alone.linkage
    async with linkage.served(load_limits={"setagaya": {"mismatch_rate": 0.5, "mismatch_floor": 0}}) as caller:
        await Desk(world=reviewed_alone, caller=caller).number("juki", row(1, individual_number=A))
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await load(linkage.config.spool, on_two_people())
    reason = linkage.config.spool / "setagaya" / "kokuho" / "addressees" / "failed" / "people.csv.reason.json"
    facts = {"rows": 2, "mismatches": 2, "four_items_differ": 1, "number_on_two_people": 1}
    assert json.loads(reason.read_text())["facts"] == facts
