"""LS-1.2: a cancellation takes its change off every day, once its own day has come; every kind of change, by file and by call, in any order."""

from __future__ import annotations

import itertools

import pytest

from tests.support.change_files import STATED, as_of, change, day, loaded, registering, send, take, with_juki
from tests.support.resident_files import individual_number
from tests.support.review_world import until

DAY_S = 86_400
APPLIED = ("applied", "")
KINDS = (
    "death", "move_out", "name_change", "address_change", "correction", "individual_number_change", "addressee_end", "move_in",
)  # fmt: skip
CASES = [
    (nth, kind, changed, taken_back)
    for nth, (kind, changed, taken_back) in enumerate(itertools.product(KINDS, (-1, 0, 1), (-1, 0, 1, 2)), start=1)
]


@pytest.fixture
async def ward(world):
    return await with_juki(world)


def one_change(event_id: str, nth: int, kind: str, on: str) -> dict[str, str]:
    said = {
        "name_change": {"name": f"模擬　改名{nth}"},
        "address_change": {"address": f"東京都杉並区架空{nth}番地"},
        "correction": {"birth_date": "1979-01-02"},
        "individual_number_change": {"individual_number": individual_number(500 + nth)},
        "addressee_end": {"replaced_by": f"{9_000 + nth}"},
    }
    if kind == "move_in":
        return registering(event_id, nth, kind, on, address=f"東京都世田谷区架空再転入{nth}")
    return change(event_id, nth, kind, on, **said.get(kind, {}))


async def shown(caller, on: int) -> list[dict[str, str]]:
    """Everybody as they are on a day."""
    body = STATED | {"as_of": day(on), "addressee_numbers": [f"{nth:010d}" for nth, *_ in CASES]}
    answer = await caller.post("/v1/persons/as-of", body, token=await caller.token("juki"))
    assert answer.status == 200, answer
    return list(answer.body["items"])


def outcomes(answer) -> list[tuple[str, str]]:
    assert answer.status == 200, answer
    return [(one["outcome"], one["reason"] or "") for one in answer.body["items"]]


async def nothing_waits(ward) -> None:
    assert not await until(lambda: ward.rows("select 1 from waiting_change"), lambda rows: not rows)


async def test_every_kind_of_change_is_taken_back_on_the_day_of_its_cancellation(ward):
    by_file = [case for case in CASES if case[0] % 2]
    by_call = [case for case in CASES if not case[0] % 2]
    async with ward.served() as caller:
        await loaded(ward, len(CASES))
        gone = [change(f"o{nth}", nth, "move_out", day(-5)) for nth, kind, *_ in CASES if kind == "move_in"]
        await take(ward, gone, name="gone.csv")
        before = await shown(caller, 0)
        await take(ward, [one_change(f"e{nth}", nth, kind, day(on)) for nth, kind, on, _ in CASES], name="1.csv")
        changed = await shown(caller, 0)
        await take(
            ward, [change(f"c{nth}", nth, "cancellation", day(on), cancels=f"e{nth}") for nth, _, _, on in by_file], name="2.csv",
        )  # fmt: skip
        await send(
            caller, [change(f"c{nth}", nth, "cancellation", day(on), cancels=f"e{nth}") for nth, _, _, on in by_call], key="2",
        )  # fmt: skip
        now = await shown(caller, 0)
        for (nth, kind, on, back), was, did, found in zip(CASES, before, changed, now, strict=True):
            assert (was == did) == (on > 0), (nth, kind, on)
            assert found == (was if back <= 0 else did), (nth, kind, on, back)
    async with ward.served(clock_offset_s=3 * DAY_S) as caller:
        await nothing_waits(ward)
        assert await shown(caller, 3) == before
    assert not await ward.rows("select 1 from review_hold")
    [row] = await ward.rows("select count(*) from person_event where applied_at is null")
    assert row["count"] == 0


async def test_a_number_that_somebody_has_by_the_day_of_a_cancellation_is_a_hold_and_nothing_fails(ward):
    rows = [
        change("n", 1, "individual_number_change", day(-2), individual_number=individual_number(60)),
        change("m", 2, "individual_number_change", day(1), individual_number=individual_number(61)),
    ]
    async with ward.served() as caller:
        await loaded(ward, 3)
        await take(ward, rows, name="1.csv")
        await ward.rows("delete from former_individual_number returning 1")  # or two members of staff decided so
        got = change("g", 3, "individual_number_change", day(0), individual_number=individual_number(1))
        assert await take(ward, [got], name="2.csv") == [APPLIED]
        called = await send(caller, [change("c", 1, "cancellation", day(1), cancels="n")], key="1")
        assert outcomes(called) == [("waiting", "not_yet")]
        filed = [
            change("d", 2, "cancellation", day(2), cancels="m"),
            change("x", 2, "name_change", day(0), name="模擬　別"),
        ]
        assert await take(ward, filed, name="3.csv") == [("waiting", "not_yet"), APPLIED]
        assert (await as_of(caller, 1, day()))["individual_number"] == individual_number(60)
    async with ward.served(clock_offset_s=3 * DAY_S) as caller:
        await nothing_waits(ward)
        found = [(await as_of(caller, nth, day(3)))["individual_number"] for nth in (1, 2, 3)]
    assert found == [individual_number(60), individual_number(2), individual_number(1)]
    assert [tuple(row) for row in await ward.rows("select reason from review_hold")] == [("individual_number_taken",)]


async def test_a_change_that_comes_behind_its_cancellation_counts_nowhere_and_is_held_by_nobody(ward):
    rows = [
        change("c1", 1, "cancellation", day(0), cancels="d1"),
        change("c2", 1, "cancellation", day(-3), cancels="d1"),
        change("c3", 2, "cancellation", day(1), cancels="d2"),
        change("c4", 3, "cancellation", day(0), cancels="n3"),
        change("c5", 3, "cancellation", day(0), cancels="e3"),
        change("c6", 3, "cancellation", day(0), cancels="r3"),
        change("d1", 1, "death", day(1)),
        change("d2", 2, "death", day(-1)),
        change("n3", 3, "individual_number_change", day(0), individual_number=individual_number(2)),
        change("e3", 3, "addressee_end", day(0), replaced_by="9003"),
        change("r3", 3, "cancellation", day(0)),
        change("c7", 1, "cancellation", day(0), cancels="d2"),
    ]
    unknown = ("applied", "cancelled_event_unknown")
    async with ward.served() as caller:
        await loaded(ward, 3)
        results = await take(ward, rows, name="1.csv")
        assert results == [
            unknown, unknown, ("waiting", "not_yet"), *[unknown] * 3,
            ("waiting", "not_yet"), *[APPLIED] * 4, ("rejected", "cancels_another_persons"),
        ]  # fmt: skip
        assert [(await as_of(caller, nth, day()))["state"] for nth in (1, 2, 3)] == ["living", "dead", "living"]
        ahead = await as_of(caller, 2, day(1), with_waiting=True)
        assert ahead["state"] == "living"
        three = await as_of(caller, 3, day())
        assert (three["individual_number"], three["known"]) == (individual_number(3), True)
    async with ward.served(clock_offset_s=2 * DAY_S) as caller:
        await nothing_waits(ward)
        assert [(await as_of(caller, nth, day(2)))["state"] for nth in (1, 2, 3)] == ["living"] * 3
    assert not await ward.rows("select 1 from addressee where addressee_number = '9003'")
    assert not await ward.rows("select 1 from review_hold")


async def test_a_move_in_or_birth_to_come_is_taken_back_and_registers_nobody(ward):
    to_come = [
        registering("m1", 7, "move_in", day(2)),
        registering("b2", 8, "birth", day(2)),
        registering("m3", 9, "move_in", day(2), individual_number=individual_number(1)),
        registering("m4", 10, "move_in", day(1)),
        registering("m5", 11, "move_in", day(1)),
    ]
    back = [
        change("c1", 7, "cancellation", day(0), cancels="m1"),
        change("c2", 8, "cancellation", day(2), cancels="b2"),
        change("c2", 8, "cancellation", day(2), cancels="b2"),
        change("c3", 9, "cancellation", day(1), cancels="m3"),
        change("c3b", 9, "cancellation", day(0), cancels="m3"),
        change("c4", 10, "cancellation", day(2), cancels="m4"),
        change("c5", 7, "cancellation", day(0), cancels="m4"),
        to_come[0],
    ]
    async with ward.served() as caller:
        await loaded(ward, 1)
        assert await take(ward, to_come, name="1.csv") == [("waiting", "not_yet")] * 5
        assert await take(ward, back, name="2.csv") == [
            APPLIED, APPLIED, ("unchanged", "already_known"), APPLIED, APPLIED,
            ("rejected", "cancels_the_registration"), ("rejected", "cancels_another_persons"), ("unchanged", "already_known"),
        ]  # fmt: skip
        both = [
            change("c6", 12, "cancellation", day(0), cancels="m6"),
            registering("m6", 12, "move_in", day(1)),
            registering("m7", 13, "move_in", day(1)),
            change("c7", 13, "cancellation", day(1), cancels="m7"),
            registering("m7", 13, "move_in", day(1)),
        ]
        assert await take(ward, both, name="3.csv") == [
            APPLIED, ("waiting", "not_yet"), ("waiting", "not_yet"), APPLIED, ("unchanged", "already_known"),
        ]  # fmt: skip
        called = await send(
            caller, [change("c8", 11, "cancellation", day(0), cancels="m5"), back[0], *to_come, both[4]], key="1"
        )
        assert outcomes(called) == [
            APPLIED, *[("unchanged", "already_known")] * 4, ("waiting", "already_known"), *[("unchanged", "already_known")] * 2,
        ]  # fmt: skip
    async with ward.served(clock_offset_s=3 * DAY_S) as caller:
        await nothing_waits(ward)
        again = await take(ward, [*to_come[:3], back[3], both[1]], name="4.csv")
        known = [(await as_of(caller, nth, day(3)))["known"] for nth in (7, 8, 9, 10, 11, 12, 13)]
    assert again == [("unchanged", "already_known")] * 5
    assert known == [False, False, False, True, False, False, False]
    assert len(await ward.rows("select from person")) == 2
    assert len(await ward.rows("select from addressee")) == 2
