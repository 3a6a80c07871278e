"""Codes without a run: people who come, change and go are followed; staff order and ask who has none."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.resident_files import four_items, individual_number, load, person

ORDERS = (
    "addressees:register",
    "code-requests:create",
    "code-requests:report",
    "code-requests:replace",
    "code-requests:cancel",
)
STATED = {"staff": "shokuin-1", "affair": "insurance-qualification", "reason": "符号の確認"}


@pytest.fixture
async def ward(world):
    """Five people whom the resident network knows."""
    await world.register(scopes=ORDERS)
    world.config.options["continuous_codes"] = True
    world.neighbours.people = {individual_number(nth): four_items(nth) for nth in range(1, 6)}
    return world


async def standing(world, want=None, *, seconds=15.0):
    """State and reason by 宛名番号; waits until they are as wanted."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        rows = await world.rows(
            "select a.addressee_number, c.state, c.reason from addressee a left join code_standing c using (integrated_number)"
        )
        found = {int(row["addressee_number"]): (row["state"], row["reason"]) for row in rows}
        if want is None or found == want or asyncio.get_running_loop().time() > end:
            return found
        await asyncio.sleep(0.05)


async def told(caller):
    """The report: people by state and reason, and those of the system with theirs."""
    report = (await caller.post("/v1/code-requests/report", {**STATED, "limit": 9}, token=await caller.token())).body
    return (
        {(one["state"], one["reason"]): one["people"] for one in report["counts"]},
        [(one["addressee_number"], one["state"], one["reason"]) for one in report["people"]],
    )


async def change(world, nth, sets, *more):
    """What a change of a person does to its row, by the administrator."""
    await world.rows(
        f"update person set {sets}, revision = nextval('person_revision') where integrated_number ="
        " (select integrated_number from addressee where addressee_number = $1) returning 1",
        f"{nth:010d}",
        *more,
    )


BOUND = ("bound", None)


async def test_new_people_get_codes_without_anybodys_doing(ward):
    async with ward.served():
        await load(ward.config.spool, [person(1), person(2, individual_number=""), person(9)])
        found = await standing(
            ward, want := {1: BOUND, 2: ("without_individual_number", None), 9: ("refused", "unknown_person")}
        )
    assert found == want


async def test_nobody_is_followed_where_it_is_switched_off(ward):
    async with ward.served(continuous_codes=False) as caller:
        await load(ward.config.spool, [person(1)])
        await asyncio.sleep(0.5)
        assert await standing(ward) == {1: (None, None)}
        assert await told(caller) == ({("none", "not_looked_at"): 1}, [(f"{1:010d}", "none", "not_looked_at")])


async def test_a_neighbour_who_is_away_costs_time_and_nothing_else(ward):
    ward.neighbours.away = {"acquisition-numbers"}
    async with ward.served():
        await load(ward.config.spool, [person(1)])
        assert await standing(ward, {1: ("none", None)}) == {1: ("none", None)}
        await asyncio.sleep(0.5)
        ward.neighbours.away = {"code-requests"}
        await asyncio.sleep(0.5)
        ward.neighbours.away = set()
        assert await standing(ward, {1: BOUND}) == {1: BOUND}


async def test_a_frozen_person_is_not_asked_about_until_released(ward):
    ward.neighbours.away = {"acquisition-numbers"}
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2)])
        await standing(ward, {1: ("none", None), 2: ("none", None)})
        await change(ward, 1, "frozen = true")
        assert await told(caller) == (
            {("none", "frozen"): 1, ("none", None): 1},
            [(f"{1:010d}", "none", "frozen"), (f"{2:010d}", "none", None)],
        )
        ward.neighbours.away = set()
        assert await standing(ward, {1: ("none", None), 2: BOUND}) == {1: ("none", None), 2: BOUND}
        assert individual_number(1) not in {one["individual_number"] for one in ward.neighbours.requests}
        await change(ward, 1, "frozen = false")
        assert await standing(ward, {1: BOUND, 2: BOUND}) == {1: BOUND, 2: BOUND}
        nos, yes = iter([{"cancelled": False}]), ward.neighbours._cancellation
        ward.neighbours._cancellation = lambda item: next(nos, None) or yes(item)
        await change(ward, 1, "frozen = true, state = 'cancelled'")
        ended = await standing(ward, want := {1: ("cancelled", "record_cancelled"), 2: BOUND})
    assert ended == want, "the end of a code waits for nobody's release"


async def test_a_move_out_cancels_where_the_agency_says_so_and_a_return_asks_again(ward):
    async with ward.served(cancel_codes_of_moved_out=True):
        await load(ward.config.spool, [person(1), person(2)])
        await standing(ward, {1: BOUND, 2: BOUND})
        await change(ward, 1, "state = 'moved_out'")
        cancelled = await standing(ward, {1: ("cancelled", "moved_out"), 2: BOUND})
        [number] = ward.neighbours.cancelled
        await change(ward, 1, "state = 'living'")
        again = await standing(ward, {1: BOUND, 2: BOUND})
    assert cancelled == {1: ("cancelled", "moved_out"), 2: BOUND}
    assert ward.neighbours.cancelled == {number: "moved_out"}
    assert again == {1: BOUND, 2: BOUND}


async def test_a_move_out_cancels_nothing_by_itself(ward):
    async with ward.served():
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: BOUND})
        await change(ward, 1, "state = 'moved_out'")
        await asyncio.sleep(0.5)
        assert await standing(ward) == {1: BOUND}


async def test_a_number_that_is_taken_from_a_person_takes_its_code_along(ward):
    """The code that a wrong number brought is another person's: it ends with the link (DOMAIN §6.1)."""
    async with ward.served():
        await load(ward.config.spool, [person(1), person(2)])
        await standing(ward, {1: BOUND, 2: BOUND})
        await change(ward, 1, "individual_number_index = null, individual_number_sealed = null")
        gone = await standing(ward, {1: ("without_individual_number", None), 2: BOUND})
    assert gone == {1: ("without_individual_number", None), 2: BOUND}
    assert list(ward.neighbours.cancelled.values()) == ["link_undone"]


async def test_a_merged_number_gives_its_code_up(ward):
    async with ward.served():
        await load(ward.config.spool, [person(1), person(2)])
        await standing(ward, {1: BOUND, 2: BOUND})
        [other] = await ward.rows("select integrated_number from addressee where addressee_number = $1", f"{2:010d}")
        await change(ward, 1, "merged_into = $2", other["integrated_number"])
        found = await standing(ward, {1: ("cancelled", "merged"), 2: BOUND})
    assert found == {1: ("cancelled", "merged"), 2: BOUND}


# --- staff


async def order(caller, path, token, key, *people, **more):
    body = {**STATED, "addressee_numbers": [f"{nth:010d}" for nth in people], **more}
    return await caller.post(f"/v1/code-requests/{path}", body, token=token, key=key)


async def entries(world, kind):
    found = await world.rows("select body from log_entry where kind = $1 order by idx", kind)
    return [json.loads(row["body"]) for row in found]


async def test_staff_replace_a_code_once_however_often_they_say_so(ward):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2)])
        await standing(ward, {1: BOUND, 2: BOUND})
        token = await caller.token()
        sent = len(ward.neighbours.requests)
        first = await order(caller, "replace", token, "k1", 1, 8, ground="resident_record_changed")
        await standing(ward, {1: BOUND, 2: BOUND})
        for _ in range(100):
            if ward.neighbours.replaced:
                break
            await asyncio.sleep(0.05)
        done = await standing(ward, {1: BOUND, 2: BOUND})
        again = await order(caller, "replace", token, "k1", 1, 8, ground="resident_record_changed")
        await asyncio.sleep(0.5)
    assert [(one["state"], one["refused"]) for one in first.body["items"]] == [
        ("replacing", None),
        (None, {"reason": "addressee_unknown"}),
    ]
    assert done == {1: BOUND, 2: BOUND}
    assert again.body["items"][0]["refused"] is None
    assert len(ward.neighbours.requests) == sent + 1
    [entry] = await entries(ward, "codes.ordered")
    assert (entry["facts"]["ground"], entry["facts"]["count"], entry["facts"]["staff"]) == (
        "resident_record_changed",
        1,
        "shokuin-1",
    )
    [seen] = await entries(ward, "persons.seen")
    assert (seen["facts"]["look"], len(seen["facts"]["subjects"])) == ("code_order", 1)


async def test_what_staff_cancelled_stays_so_until_they_ask_again(ward):
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1)])
        await standing(ward, {1: BOUND})
        token = await caller.token()
        answer = await order(caller, "cancel", token, "k1", 1, ground="moved_out")
        await standing(ward, {1: ("cancelled", "moved_out")})
        await change(ward, 1, "state = 'living'")
        await caller.post("/v1/code-requests", {"wait_ms": 10000}, token=token, key="run")
        stays = await standing(ward)
        anew = await order(caller, "replace", token, "k2", 1, ground="resident_record_changed")
        after = await standing(ward, {1: BOUND})
    assert answer.body["items"] == [{"state": "cancelling", "refused": None}]
    assert stays == {1: ("cancelled", "moved_out")}
    assert anew.body["items"] == [{"state": "none", "refused": None}]
    assert after == {1: BOUND}


@pytest.mark.parametrize(
    ("path", "more", "status", "reason"),
    [
        ("replace", {"ground": "moved_out"}, 400, "ground_not_for_this"),
        ("cancel", {"ground": "number_corrected"}, 400, "ground_not_for_this"),
        ("cancel", {"ground": "because"}, 400, "malformed_body"),
        ("cancel", {"ground": "moved_out", "addressee_numbers": []}, 400, "malformed_body"),
        ("cancel", {"ground": "moved_out", "staff": ""}, 400, "staff_malformed"),
        ("cancel", {"ground": "moved_out", "affair": "resident-changes"}, 403, "affair_not_of_system"),
        ("report", {"limit": 1001}, 400, "malformed_body"),
    ],
)
async def test_orders_out_of_form_are_refused(ward, path, more, status, reason):
    async with ward.served() as caller:
        body = {**STATED, **({} if path == "report" else {"addressee_numbers": ["1"]}), **more}
        answer = await caller.post(f"/v1/code-requests/{path}", body, token=await caller.token(), key="k")
    assert (answer.status, answer.body["reason"]) == (status, reason)


async def test_each_operation_needs_its_own_scope(ward):
    await ward.register(scopes=("addressees:register", "code-requests:create"))
    async with ward.served() as caller:
        token = await caller.token()
        answers = [
            await order(caller, "replace", token, "k", 1, ground="new_epoch"),
            await order(caller, "cancel", token, "k", 1, ground="moved_out"),
            await caller.post("/v1/code-requests/report", STATED, token=token),
        ]
    assert [(one.status, one.body["reason"]) for one in answers] == [(403, "scope_missing")] * 3


async def test_the_report_says_who_has_none_and_why_and_the_look_is_on_record(ward):
    await ward.register("juki", system="juki", scopes=("addressees:register",))
    async with ward.served() as caller:
        await load(ward.config.spool, [person(1), person(2, individual_number=""), person(8), person(9)])
        await load(ward.config.spool, [person(7, system="juki")], name="juki.csv", system="juki")
        for _ in range(100):
            rows = await ward.rows("select state from code_standing where state in ('refused', 'bound')")
            if len(rows) == 4:
                break
            await asyncio.sleep(0.05)
        token = await caller.token()
        counts = await caller.post("/v1/code-requests/report", STATED, token=token)
        first = await caller.post("/v1/code-requests/report", {**STATED, "limit": 2}, token=token)
        rest = await caller.post(
            "/v1/code-requests/report", {**STATED, "limit": 2, "after": first.body["after"]}, token=token
        )
        bound = await caller.post("/v1/code-requests/report", {**STATED, "limit": 9, "states": ["bound"]}, token=token)
    assert {(one["state"], one["reason"]): one["people"] for one in counts.body["counts"]} == {
        ("bound", None): 1,
        ("without_individual_number", None): 1,
        ("refused", "unknown_person"): 3,
    }
    people = [
        (one["addressee_number"], one["state"], one["reason"]) for one in first.body["people"] + rest.body["people"]
    ]
    assert people == [
        (f"{2:010d}", "without_individual_number", None),
        (f"{8:010d}", "refused", "unknown_person"),
        (f"{9:010d}", "refused", "unknown_person"),
    ]
    assert (first.body["after"], rest.body["after"]) == (f"{8:010d}", None)
    assert [one["addressee_number"] for one in bound.body["people"]] == [f"{1:010d}"]
    looks = [one["facts"] for one in await entries(ward, "persons.seen")]
    assert [one["look"] for one in looks] == ["code_report"] * 4
    assert [len(one["subjects"]) for one in looks] == [0, 2, 1, 1]
