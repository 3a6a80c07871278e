from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from gateway.linkage_server.people import flow
from gateway.linkage_server.people.changes import BadChange, ChangeReason
from gateway.linkage_server.people.judging import Court
from gateway.linkage_server.people.rehearsed import Rehearsed
from gateway.linkage_server.people.snapshot import Snapshot
from tests.support.change_files import as_of, change, day, loaded, registering, send, take, with_juki
from tests.support.resident_files import four_items, individual_number, person
from tests.support.review_world import until

DAY_S = 86_400
TODAY = date(2026, 4, 1)


@pytest.fixture
async def ward(world):
    return await with_juki(world)


async def test_every_kind_of_change_is_applied_and_can_be_looked_back_from(ward):
    rows = [
        change("e1", 1, "name_change", day(-5), name="模擬　改名", kana="モギ　カイメイ"),
        change("e2", 1, "address_change", day(-4), address="東京都世田谷区架空99番地"),
        change("e3", 1, "correction", day(-10), birth_date="1980-02-01"),
        change("e4", 2, "death", day(-3)),
        change("e5", 3, "move_out", day(-2), address="東京都杉並区架空1番地"),
        registering("e6", 4, "birth", day(-1)),
        registering("e7", 5, "move_in", day(-1)),
        change("e8", 1, "individual_number_change", day(0), individual_number=individual_number(50)),
    ]
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(ward, rows, name="day.csv")
        now = [await as_of(caller, nth, day()) for nth in (1, 2, 3, 4, 5)]
        before = await as_of(caller, 1, day(-5))
        first = await as_of(caller, 1, day(-9))
        unborn = await as_of(caller, 4, day(-2))
    assert results == [("applied", "")] * 5 + [("issued", "")] * 2 + [("applied", "")]
    assert [one["state"] for one in now] == ["living", "dead", "moved_out", "living", "living"]
    assert (now[0]["name"], now[0]["address"]) == ("模擬　改名", "東京都世田谷区架空99番地")
    assert (now[0]["birth_date"], now[0]["individual_number"]) == ("1980-02-01", individual_number(50))
    assert now[2]["address"] == "東京都杉並区架空1番地"
    assert (before["name"], before["address"]) == ("模擬　改名", person(1)["address"])
    assert first["name"] == person(1)["name"]
    assert unborn == {"addressee_number": "0000000004", "known": False}


async def test_changes_count_by_their_day_and_not_by_when_they_came(ward):
    async with ward.served() as caller:
        await loaded(ward)
        await take(ward, [change("b", 1, "address_change", day(-2), address="東京都世田谷区架空2-2")], name="1.csv")
        late = await take(
            ward, [change("a", 1, "address_change", day(-4), address="東京都世田谷区架空1-1")], name="2.csv"
        )
        assert late == [("applied", "")]
        assert (await as_of(caller, 1, day()))["address"] == "東京都世田谷区架空2-2"
        assert (await as_of(caller, 1, day(-3)))["address"] == "東京都世田谷区架空1-1"


async def test_replayed_files_and_events_change_nothing_twice(ward):
    rows = [
        change("a", 1, "address_change", day(-2), address="東京都世田谷区架空1-1"),
        registering("b", 7, "birth", day(-1)),
    ]
    async with ward.served() as caller:
        await loaded(ward)
        first = await take(ward, rows, name="1.csv")
        state = await ward.rows("select integrated_number, revision from person order by 1")
        again = await take(ward, rows, name="again.csv")
        mixed = await take(
            ward, [*rows, change("a", 1, "address_change", day(-2), address="東京都世田谷区架空別")], name="2.csv"
        )
        by_call = await send(caller, rows, key="k1")
        assert await ward.rows("select integrated_number, revision from person order by 1") == state
        assert (await as_of(caller, 1, day()))["address"] == "東京都世田谷区架空1-1"
    assert first == again == [("applied", ""), ("issued", "")]
    assert mixed == [("unchanged", "already_known")] * 2 + [("rejected", "event_id_reused")]
    assert [one["reason"] for one in by_call.body["items"]] == ["already_known"] * 2
    assert len(await ward.rows("select 1 from person_event")) == 2


async def test_a_cancellation_takes_back_its_event_whichever_comes_first(ward):
    async with ward.served() as caller:
        await loaded(ward)
        await take(ward, [change("d", 1, "death", day(-2))], name="1.csv")
        assert (await as_of(caller, 1, day()))["state"] == "dead"
        results = await take(
            ward,
            [
                change("c1", 1, "cancellation", day(0), cancels="d"),
                change("c2", 2, "cancellation", day(0), cancels="not yet"),
                change("c3", 2, "cancellation", day(0), cancels="d2"),
                change("d2", 2, "death", day(-1)),
                change("c4", 3, "cancellation", day(0), cancels="d2"),
                change("c5", 3, "cancellation", day(0)),
                change("c6", 1, "cancellation", day(0), cancels="c1"),
            ],
            name="2.csv",
        )
        states = [(await as_of(caller, nth, day()))["state"] for nth in (1, 2, 3)]
    assert results[0] == ("applied", "")
    assert results[1] == ("rejected", "field_malformed")
    assert results[2:4] == [("applied", "cancelled_event_unknown"), ("applied", "")]
    assert results[4:6] == [("rejected", "cancels_another_persons"), ("applied", "")]
    assert results[6] == ("rejected", "cancels_a_cancellation")
    assert states == ["living", "living", "cancelled"]


async def test_a_file_of_several_lists_is_taken_as_if_each_had_come_alone(ward, monkeypatch):
    monkeypatch.setattr(
        flow, "CHUNK", 2
    )  # a file is judged as a whole first: later lists stand on what earlier ones changed
    rows = [
        change("a", 1, "address_change", day(-2), address="東京都世田谷区架空1-1"),
        change("n", 3, "individual_number_change", day(-2), individual_number=individual_number(60)),
        change("b", 1, "death", day(-1)),
        change("c", 3, "cancellation", day(0), cancels="n"),
        change("a", 1, "address_change", day(-2), address="東京都世田谷区架空1-1"),
        change("d", 1, "address_change", day(0), address="東京都世田谷区架空2-2"),
        registering("e", 7, "birth", day(-1), individual_number=individual_number(60)),
        change("d", 1, "address_change", day(0), address="東京都世田谷区架空2-2"),
        change("f", 7, "address_change", day(0), address="東京都世田谷区架空3-3"),
        change("g", 2, "individual_number_change", day(0), individual_number=individual_number(3)),
        change("h", 8, "death", day(0)),
        change("h", 8, "death", day(0)),
        change("w", 2, "move_out", day(1)),
        change("w", 2, "move_out", day(1)),
    ]
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(ward, rows, name="day.csv")
        now = [await as_of(caller, nth, day()) for nth in (1, 2, 3, 7)]
        told = await ward.rows(
            "select integrated_number, state, state_since from person order by revision desc limit 1"
        )
    assert results == [
        ("applied", ""),
        ("applied", ""),
        ("applied", ""),
        ("applied", ""),
        ("unchanged", "already_known"),
        ("held", "event_after_death"),
        ("issued", ""),
        ("held", "event_after_death"),
        ("applied", ""),
        ("held", "individual_number_taken"),
        ("rejected", "addressee_unknown"),
        ("rejected", "addressee_unknown"),
        ("waiting", "not_yet"),
        ("waiting", "already_known"),
    ]
    assert [(one["state"], one["individual_number"]) for one in now] == [
        ("dead", individual_number(1)),
        ("living", individual_number(2)),
        ("living", individual_number(3)),
        ("living", individual_number(60)),
    ]
    assert (now[0]["address"], now[3]["address"]) == ("東京都世田谷区架空1-1", "東京都世田谷区架空3-3")
    assert f"{told[0]['integrated_number']:015d}" == now[3]["integrated_number"]


def test_what_was_judged_is_good_while_nobody_else_has_written():
    court = Court(
        snapshot=Snapshot(addressees={}, people={}, by_number={}, formerly={}, rows={}, events={}, holds={}),
        verdicts={}, system="juki", key_of=str, digest_of=lambda _change: b"", today=TODAY, now=datetime.now(UTC), asks=False,
    )  # fmt: skip
    judged = court.judge([BadChange(line, ChangeReason.FIELD_MISSING, "kind") for line in (1, 2)])
    rehearsed = Rehearsed()
    for last_line in (2, 3, 4):
        rehearsed.keep(last_line, court, judged, had_lock=5)
    assert rehearsed.take(2, had_lock=6, today=TODAY) == judged
    assert rehearsed.take(3, had_lock=7, today=TODAY + timedelta(days=1)) is None
    assert rehearsed.take(4, had_lock=9, today=TODAY) is None


async def test_the_cancellation_of_another_persons_event_is_refused(ward):
    async with ward.served():
        await loaded(ward)
        await take(ward, [change("d", 1, "death", day(-2))], name="1.csv")
        results = await take(ward, [change("c", 2, "cancellation", day(0), cancels="d")], name="2.csv")
    assert results == [("rejected", "cancels_another_persons")]


async def test_what_is_to_come_waits_for_its_day_whatever_else_comes_under_its_event_id(ward):
    waiting = partial(ward.rows, "select 1 from waiting_change")
    rows = [
        change("a", 1, "move_out", day(1)),
        change("b", 2, "address_change", day(1), address="東京都世田谷区架空転居先"),
        registering("c", 9, "move_in", day(1)),
        registering("d", 10, "birth", day(1)),
        change("e", 8, "move_out", day(1)),
        change("e", 3, "move_out", day(1)),
    ]
    others = [
        change("a", 1, "death", day(1)),
        change("b", 2, "address_change", day(1), address="東京都世田谷区架空別"),
        registering("c", 9, "move_in", day(2)),
        registering("d", 10, "birth", day(2)),
    ]
    waits, reused = ("waiting", "not_yet"), ("rejected", "event_id_reused")
    async with ward.served() as caller:
        await loaded(ward)
        in_one_list = await take(ward, [*rows, *others[1:3]], name="1.csv")
        assert in_one_list == [*[waits] * 4, reused, waits, *[reused] * 2]
        assert await take(ward, [others[0], others[3]], name="2.csv") == [reused] * 2
        assert await take(ward, [rows[2]], name="again.csv") == [("waiting", "already_known")]
        assert (await as_of(caller, 1, day()))["state"] == "living"
        assert (await as_of(caller, 1, day(1), with_waiting=True))["state"] == "moved_out"
        assert not (await as_of(caller, 9, day()))["known"]
    garble = "update person_event set sealed = $1 where kind = $2 returning sealed"
    [whole] = await ward.rows("select sealed from person_event where kind = 'address_change'")
    await ward.rows(garble, b"not sealed", "address_change")
    async with ward.served(clock_offset_s=DAY_S) as caller:  # one change that cannot be read holds back no other
        assert len(await until(waiting, lambda rows: len(rows) == 1)) == 1
        now = [(await as_of(caller, nth, day(1)))["state"] for nth in (1, 3, 9, 10)]
        assert now == ["moved_out", "moved_out", "living", "living"]
    await ward.rows(garble, whole["sealed"], "address_change")
    async with ward.served(clock_offset_s=DAY_S) as caller:
        assert not await until(waiting, lambda rows: not rows)
        assert (await as_of(caller, 2, day(1)))["address"] == "東京都世田谷区架空転居先"
        assert (await as_of(caller, 1, day()))["state"] == "living"


async def test_the_resident_network_is_asked_and_any_disagreement_is_a_hold(ward):
    known = {individual_number(nth): four_items(nth) for nth in (1, 2, 3, 60)}
    known[individual_number(1)] = four_items(1, address="東京都世田谷区架空新")
    ward.neighbours.people = known
    rows = [
        change("a", 1, "address_change", day(0), address="東京都世田谷区架空新"),
        change("b", 2, "address_change", day(0), address="東京都世田谷区架空新"),
        change("c", 3, "individual_number_change", day(0), individual_number=individual_number(60)),
        change("d", 3, "individual_number_change", day(0), individual_number=individual_number(61)),
        change("e", 3, "individual_number_change", day(0), individual_number=individual_number(2)),
        change("f", 2, "death", day(0)),
    ]
    async with ward.served() as caller:
        await loaded(ward)
    async with ward.served(compare_with_resident_network=True) as caller:
        results = await take(ward, rows, name="1.csv")
        held = await as_of(caller, 2, day())
    assert results == [
        ("applied", ""),
        ("held", "four_items_differ"),
        ("held", "four_items_differ"),
        ("held", "not_in_resident_network"),
        ("held", "individual_number_taken"),
        ("applied", ""),
    ]
    assert (held["address"], held["state"]) == (person(2)["address"], "dead")
    holds = await ward.rows("select subject, reason, differing from review_hold order by reason")
    assert [(row["subject"], row["reason"], row["differing"]) for row in holds] == [
        ("change", "four_items_differ", ["address"]),
        ("change", "four_items_differ", ["address", "name"]),
        ("change", "individual_number_taken", []),
        ("change", "not_in_resident_network", []),
    ]


async def test_a_change_whose_day_has_come_is_compared_then(ward):
    ward.neighbours.people = {individual_number(nth): four_items(nth) for nth in (1, 2)}
    async with ward.served() as caller:
        await loaded(ward)
        await take(ward, [change("a", 1, "address_change", day(1), address="東京都世田谷区架空先")], name="1.csv")
    async with ward.served(clock_offset_s=DAY_S, compare_with_resident_network=True) as caller:
        for _ in range(200):
            if await ward.rows("select 1 from review_hold"):
                break
            await caller.token("juki")
        assert (await as_of(caller, 1, day(1)))["address"] == person(1)["address"]
    [hold] = await ward.rows("select hold_id, event_key, reason from review_hold")
    [event] = await ward.rows("select event_key, undone_by, applied_at from person_event")
    assert hold["reason"] == "four_items_differ"
    assert (event["event_key"], event["undone_by"], event["applied_at"]) == (hold["event_key"], hold["hold_id"], None)


async def test_a_held_change_that_comes_again_stays_held_and_one_refused_stays_refused(ward):
    ward.neighbours.people = {individual_number(nth): four_items(nth) for nth in (1, 2)}
    row = change("a", 1, "address_change", day(0), address="東京都世田谷区架空新")
    async with ward.served():
        await loaded(ward)
    async with ward.served(compare_with_resident_network=True) as caller:
        await take(ward, [row], name="1.csv")
        again = await send(caller, [row], key="k1")
        await ward.rows("update review_hold set state = 'refused', decided_at = now()")
        refused = await send(caller, [row], key="k2")
    assert again.body["items"] == [{"outcome": "held", "reason": "four_items_differ"}]
    assert refused.body["items"] == [{"outcome": "rejected", "reason": "refused_in_review"}]
    assert len(await ward.rows("select 1 from review_hold")) == 1


async def test_nothing_happens_after_death_without_a_look(ward):
    async with ward.served():
        await loaded(ward)
        results = await take(
            ward,
            [
                change("a", 1, "death", day(-3)),
                change("b", 1, "address_change", day(-4), address="東京都世田谷区架空4日前"),
                change("c", 1, "address_change", day(-1), address="東京都世田谷区架空昨日"),
                registering("d", 1, "move_in", day(0)),
                change("e", 1, "correction", day(-2), kana="モギ　テイセイ"),
            ],
            name="1.csv",
        )
    assert results == [
        ("applied", ""),
        ("applied", ""),
        ("held", "event_after_death"),
        ("held", "event_after_death"),
        ("applied", ""),
    ]


async def test_a_registration_links_by_number_and_a_household_members_number_is_held(ward):
    async with ward.served():
        await loaded(ward)
        results = await take(
            ward,
            [
                registering("a", 11, "move_in", day(0), **four_items(1), individual_number=individual_number(1)),
                registering(
                    "b",
                    12,
                    "birth",
                    day(0),
                    name="模擬　子",
                    kana="モギ　コ",
                    birth_date=day(0),
                    address=person(1)["address"],
                    individual_number=individual_number(1),
                ),
                registering("c", 1, "birth", day(0)),
                change("d", 99, "death", day(0)),
            ],
            name="1.csv",
        )
    assert results == [
        ("linked", ""),
        ("held", "number_of_a_household_member"),
        ("held", "already_registered"),
        ("rejected", "addressee_unknown"),
    ]


async def test_a_system_changes_only_the_people_whom_it_holds(ward):
    await with_juki(ward, system="kokuho")
    async with ward.served():
        await loaded(ward)
        rows = [change("a", 1, "death", day(0), system="kokuho")]
        results = await take(ward, rows, name="1.csv", system="kokuho")
        assert await take(ward, [change("b", 1, "death", day(0))], name="2.csv", system="kokuho") == [
            ("rejected", "system_differs")
        ]
    assert results == [("rejected", "addressee_unknown")]


async def test_changes_from_before_the_base_do_not_turn_it_back(ward):
    async with ward.served() as caller:
        await loaded(ward)
        results = await take(
            ward,
            [
                change("a", 1, "address_change", day(-30), address="東京都世田谷区架空昔"),
                change("b", 2, "death", day(-30)),
                change("c", 3, "correction", day(-30), birth_date="1979-12-31"),
            ],
            name="1.csv",
        )
        people = [await as_of(caller, nth, day()) for nth in (1, 2, 3)]
    assert results == [("applied", "before_registration"), ("applied", ""), ("applied", "")]
    assert people[0]["address"] == person(1)["address"]
    assert (people[1]["state"], people[1]["state_since"]) == ("dead", day(-30))
    assert people[2]["birth_date"] == "1979-12-31"


async def test_a_file_of_changes_that_disagrees_too_often_stops_before_it_changes_anything(ward):
    ward.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 31)}
    rows = [change(f"e{nth}", nth, "address_change", day(0), address="東京都世田谷区架空一律") for nth in range(1, 31)]
    async with ward.served():
        await loaded(ward, 30)
    limits = {"setagaya": {"mismatch_rate": 0.1, "mismatch_floor": 5}}
    async with ward.served(compare_with_resident_network=True, load_limits=limits):
        with pytest.raises(AssertionError, match="mismatch_rate_over_limit"):
            await take(ward, rows, name="1.csv")
    assert not await ward.rows("select 1 from person_event")
    assert not await ward.rows("select 1 from review_hold")
