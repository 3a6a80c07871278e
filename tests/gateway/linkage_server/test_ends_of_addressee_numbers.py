"""LS-1.2: a business system ends an addressee number, or replaces it by another of its own for the same person (DOMAIN §1.4, §6.2: 帰化 and others)."""

from __future__ import annotations

import pytest

from tests.support.change_files import STATED, as_of, change, day, loaded, registering, send, take, with_juki
from tests.support.resident_files import individual_number, person
from tests.support.review_world import CARE, Desk, individual, row

NEW_ADDRESS = "東京都世田谷区架空9-9"
ENDED = ("held", "addressee_ended")
APPLIED = ("applied", "")


@pytest.fixture
async def ward(world):
    return await with_juki(world)


def moved(event_id: str, nth: int, on: str) -> dict[str, str]:
    return change(event_id, nth, "address_change", on, address=NEW_ADDRESS)


def replaced(event_id: str, nth: int, on: str, by: int) -> dict[str, str]:
    return change(event_id, nth, "addressee_end", on, replaced_by=f"{by:010d}")


async def known(caller, nth: int, on: str, **more: bool) -> bool:
    return (await as_of(caller, nth, on, **more))["known"]


async def test_a_number_that_has_ended_means_nobody_from_that_day_on(ward):
    rows = [change("e", 1, "addressee_end", day(-2))]
    async with ward.served() as caller:
        await loaded(ward)
        assert await take(ward, rows, name="1.csv") == [APPLIED]
        results = await take(
            ward,
            [
                moved("late", 1, day(-3)),
                moved("after", 1, day(-2)),
                registering("again", 1, "move_in", day(0)),
                change("twice", 1, "addressee_end", day(-5)),
                *rows,
            ],
            name="2.csv",
        )
        days = [await known(caller, 1, day(nth)) for nth in (-9, -3, -2, 0)]
        then = await as_of(caller, 1, day(-3))
        history = await caller.post(
            "/v1/persons/history",
            STATED | {"addressee_number": f"{1:010d}"},
            token=await caller.token("juki"),
        )
        other = await take(ward, [moved("other", 2, day(0))], name="3.csv")
    assert results == [APPLIED, ENDED, ENDED, ENDED, ("unchanged", "already_known")]
    assert days == [True, True, False, False]
    assert then["address"] == NEW_ADDRESS
    assert history.body == {"known": False}
    assert other == [APPLIED]


async def test_another_number_takes_its_place_by_call_and_both_are_one_person(ward):
    async with ward.served() as caller:
        await loaded(ward)
        rows = [replaced("e", 1, day(-2), 21), moved("a", 21, day(-1)), moved("b", 1, day(-1))]
        first = await send(caller, rows, key="k1")
        again = await send(caller, rows[:2], key="k2")
        now, before = await as_of(caller, 21, day()), await as_of(caller, 1, day(-3))
        linked = await take(ward, [replaced("f", 2, day(0), 3)], name="other.csv")
    assert [(one["outcome"], one["reason"]) for one in first.body["items"]] == [
        ("applied", None),
        ("applied", None),
        ENDED,
    ]
    assert [one["outcome"] for one in again.body["items"]] == ["unchanged"] * 2
    assert (now["individual_number"], now["address"]) == (individual_number(1), NEW_ADDRESS)
    assert (before["integrated_number"], before["address"]) == (now["integrated_number"], person(1)["address"])
    assert linked == [("held", "replaced_by_another_persons")]
    assert len(await ward.rows("select from person")) == 3
    ends = await ward.rows("select addressee_number, replaced_by from addressee where state = 'ended'")
    assert [tuple(one) for one in ends] == [("0000000001", "0000000021")]


async def test_an_end_is_taken_back_whichever_comes_first_and_told_anew(ward):
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(
            ward,
            [
                replaced("e", 1, day(-2), 21),
                change("c", 1, "cancellation", day(0), cancels="e"),
                change("d", 2, "cancellation", day(0), cancels="f"),
                change("f", 2, "addressee_end", day(-1)),
            ],
            name="1.csv",
        )
        taken_back = [await known(caller, nth, day()) for nth in (1, 2, 21)]
        after = await take(ward, [moved("g", 1, day(0)), moved("h", 21, day(0))], name="2.csv")
        anew = await take(ward, [replaced("i", 1, day(-4), 21), replaced("j", 21, day(-1), 22)], name="3.csv")
        in_the_end = [await known(caller, nth, day()) for nth in (1, 21, 22)]
        between = [await known(caller, nth, day(-2)) for nth in (1, 21)]
        closed = await take(ward, [replaced("k", 22, day(0), 1)], name="4.csv")
    assert results == [APPLIED, APPLIED, ("applied", "cancelled_event_unknown"), APPLIED]
    assert taken_back == [True, True, False]
    assert after == [APPLIED, ENDED]
    assert anew == [APPLIED, APPLIED]
    assert in_the_end == [False, False, True]
    assert between == [False, True]
    assert closed == [("held", "replaced_by_ended")]


async def test_an_end_to_come_waits_for_its_day(ward):
    rows = [
        replaced("e", 1, day(1), 21),
        change("f", 2, "addressee_end", day(1)),
        change("c", 2, "cancellation", day(0), cancels="f"),
    ]
    async with ward.served() as caller:
        await loaded(ward)
        assert await take(ward, rows, name="1.csv") == [("waiting", "not_yet")] * 2 + [APPLIED]
        assert await known(caller, 1, day(1))
        assert not await known(caller, 1, day(1), with_waiting=True)
        assert not await known(caller, 21, day())
        assert await take(ward, [moved("a", 1, day(0))], name="2.csv") == [APPLIED]
    async with ward.served(clock_offset_s=86_400) as caller:
        for _ in range(200):
            if not await ward.rows("select 1 from waiting_change"):
                break
            await caller.token("juki")
        assert [await known(caller, nth, day(1)) for nth in (1, 2, 21)] == [False, True, True]
        assert (await as_of(caller, 21, day(1)))["address"] == NEW_ADDRESS


@pytest.mark.parametrize(
    ("said", "reason", "where"),
    [
        ({"replaced_by": "0000000001"}, "field_malformed", "replaced_by"),
        ({"replaced_by": "12a"}, "field_malformed", "replaced_by"),
        ({"replaced_by": "2", "kind": "move_out"}, "field_not_of_kind", "replaced_by"),
        ({"address": NEW_ADDRESS}, "field_not_of_kind", "address"),
    ],
)
async def test_an_end_says_no_more_than_the_number_that_takes_its_place(ward, said, reason, where):
    async with ward.served() as caller:
        answer = await send(caller, [change("e", 1, "addressee_end", day(0)) | said], key="k")
    assert answer.body["items"] == [{"outcome": "rejected", "reason": reason, "where": where}]


async def changed(desk: Desk, system: str, event_id: str, kind: str, **said: str) -> tuple[str, str | None]:
    item = {"event_id": event_id, "addressee_number": "1", "kind": kind, "effective_on": day(), **said}
    body = {"staff": "a.sato", "affair": CARE, "reason": "異動", "items": [item]}
    token = await desk.token(system)
    answer = await desk.caller.post("/v1/person-changes", body, token=token, key=f"{system}-{event_id}")
    assert answer.status == 200, answer
    return answer.body["items"][0]["outcome"], answer.body["items"][0]["reason"]


async def test_two_members_of_staff_give_an_ended_number_again(reviewed_ward):
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        somebody = await desk.number("juki", row(1, individual_number=individual(1)))
        assert await changed(desk, "juki", "e", "addressee_end") == ("applied", None)
        [again] = await desk.register("juki", row(1, individual_number=individual(1)))
        assert (again["outcome"], again["reason"]) == ENDED
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        assert await changed(desk, "juki", "a", "address_change", address=NEW_ADDRESS) == ("applied", None)
        assert await changed(desk, "juki", "b", "address_change", address=NEW_ADDRESS) == ("applied", None)
        [addressee] = await reviewed_ward.linkage.rows("select state, integrated_number from addressee")
    assert (addressee["state"], f"{addressee['integrated_number']:015d}") == ("held", somebody)


async def test_an_ended_number_that_is_given_to_somebody_else_takes_nothing_along(reviewed_ward):
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        somebody = await desk.number("juki", row(1, individual_number=individual(1)))
        assert await changed(desk, "juki", "a", "address_change", address=NEW_ADDRESS) == ("applied", None)
        assert await changed(desk, "juki", "e", "addressee_end") == ("applied", None)
        [again] = await desk.register("juki", row(1, name="別人　太郎", individual_number=individual(2)))
        assert (again["outcome"], again["reason"]) == ENDED
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="keep_as_new", individual_number_goes=True)
        other = await desk.searched(await desk.person_of("juki", 1))
        first = await desk.searched(somebody)
        ends = await reviewed_ward.linkage.rows("select undone_by from person_event where kind = 'addressee_end'")
    assert (other["name"], other["address"], first["address"]) == ("別人　太郎", row(1)["address"], NEW_ADDRESS)
    assert [one["undone_by"] for one in ends] == [None]


async def test_two_people_who_are_one_let_the_held_replacement_through(reviewed_ward):
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        one = await desk.number("juki", row(1, individual_number=individual(1)))
        other = await desk.number("juki", row(2))
        held = await changed(desk, "juki", "e", "addressee_end", replaced_by="2")
        assert held == ("held", "replaced_by_another_persons")
        [hold] = await desk.holds()
        sent = (await desk.say("holds/show", hold_id=hold["hold_id"])).body["sent"]
        await desk.decided("links/merge", integrated_number=other, other_integrated_number=one)
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        addressees = await reviewed_ward.linkage.rows(
            "select addressee_number, state, replaced_by from addressee order by 1"
        )
    assert sent == {"kind": "addressee_end", "effective_on": day(), "replaced_by": "2"}
    assert [tuple(found) for found in addressees] == [("1", "ended", "2"), ("2", "held", None)]


async def test_a_held_row_takes_the_number_along_whose_place_its_own_took(reviewed_alone):
    """kokuho's 75 was linked wrongly, told an address, and became 77; then a row of 77 says who it is."""
    other = row(2, individual_number=individual(2), name="架空　次郎")
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        wrong = await desk.number("juki", row(1, individual_number=individual(1)))
        assert await desk.number("kokuho", row(75, individual_number=individual(1))) == wrong
        await desk.change("kokuho", 75, "address_change", "e1", address=NEW_ADDRESS)
        await desk.change("kokuho", 75, "addressee_end", "e2", replaced_by="77")
        right = await desk.number("juki", other)
        [held] = await desk.register("kokuho", other | {"addressee_number": "77"})
        assert (held["outcome"], held["reason"]) == ("held", "individual_number_differs")
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        assert [await desk.person_of("kokuho", nth) for nth in (75, 77)] == [right, right]
        found = [(await desk.searched(number))["address"] for number in (wrong, right)]
        assert found == [row(1)["address"], NEW_ADDRESS]
        back = await desk.change("kokuho", 77, "cancellation", "c", cancels="e1")
        assert (back["outcome"], back["reason"]) == ("applied", None)
        assert (await desk.searched(right))["address"] == other["address"]
