"""LS-2.3: business information is viewed, entered, changed and deleted by staff of its own system, and each look is on record."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.gateway.business_information.test_transfer import PATH, STATED, item, send, settled, states, until
from tests.gateway.linkage_server.test_business_information import record
from tests.support.resident_files import load, person


async def change(caller, items, key, **stated):
    body = {**STATED, **stated, "items": items}
    return await caller.post(PATH, body, token=await caller.token(), key=key)


async def look(caller, client="kokuho", **wanted):
    return await caller.post(f"{PATH}/search", {**STATED, **wanted}, token=await caller.token(client))


async def test_ls_2_3_a_record_is_entered_viewed_changed_and_deleted(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        entered = await change(caller, [record(1)], "k1")
        assert entered.body["items"][0]["outcome"] == "taken"
        await change(caller, [record(1, operation="change", items=item(1, "2222222"), public_to="2027-03-31")], "k2")
        await until(lambda: states(both), settled)
        [shown] = (await look(caller, addressee_number="0000000001", editions=True)).body["items"]
        assert shown["items"]["口座番号"] == {"value": "2222222"}
        assert (shown["edition"], shown["public_to"], shown["transfer"]["state"]) == (2, "2027-03-31", "registered")
        assert [one["items"]["口座番号"] for one in shown["past"]] == [{"value": "1111111"}]
        assert shown["changed_by"] == "kokuho/s-01/insurance-qualification"
        await change(caller, [record(1, operation="delete")], "k3")
        await until(both.replicas, lambda found: found == [])
        [gone] = (await look(caller, record_ids=["r1"], editions=True)).body["items"]
        assert (gone["deleted"], gone["items"], len(gone["past"])) == (True, {}, 2)


async def test_ls_2_3_the_same_request_again_changes_nothing_twice(both):
    items = [record(1, operation="change", items=item(1, "2222222")), {**record(1), "record_id": "x" * 41}]
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1)])
        answers = [(await change(caller, items, "same")).body["items"] for _ in range(2)]
        other = await change(caller, items[:1], "same")
    assert [[(one["outcome"], one["reason"]) for one in answer] for answer in answers] == [
        [("taken", None), ("rejected", "record_id_too_long")]
    ] * 2
    assert (other.status, other.body["reason"]) == (409, "idempotency_key_reused")
    [row] = await both.linkage.rows("select edition from original")
    assert row["edition"] == 2


async def test_ls_2_3_every_look_is_on_record_with_staff_and_affair(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1), person(2)])
        await change(caller, [record(1), record(2)], "k1")
        await look(caller, record_ids=["r1", "r2"])
        await look(caller, addressee_number="0000000009")
    rows = await both.linkage.rows(
        "select convert_from(body, 'UTF8') as entry from log_entry where kind = 'persons.seen' order by idx"
    )
    facts = [json.loads(row["entry"])["facts"] for row in rows]
    assert [(one["staff"], one["affair"], one["look"], one["count"]) for one in facts] == [
        ("s-01", "insurance-qualification", "business_information", count) for count in (2, 2, 0)
    ]


async def test_sc_7_whoever_a_past_edition_was_about_is_on_record_too(both):
    moved = record(2, record_id="r1", operation="change")
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1), person(2)])
        await change(caller, [record(1)], "k1")
        await change(caller, [moved], "k2")
        for editions in (False, True):
            [shown] = (await look(caller, addressee_number="0000000002", editions=editions)).body["items"]
    assert [one["addressee_number"] for one in shown["past"]] == ["0000000001"]
    rows = await both.linkage.rows(
        "select convert_from(body, 'UTF8') as entry from log_entry where kind = 'persons.seen' order by idx"
    )
    assert [json.loads(row["entry"])["facts"]["count"] for row in rows] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("stated", "status", "reason"),
    [
        ({"affair": "no-such-affair"}, 403, "affair_unknown"),
        ({"affair": "resident-changes"}, 403, "affair_not_of_system"),
        ({"staff": "-"}, 400, "staff_malformed"),
        ({"reason": " "}, 400, "reason_malformed"),
        ({"items": []}, 400, "malformed_body"),
    ],
)
async def test_ls_2_3_whoever_does_not_say_who_and_why_changes_nothing(both, stated, status, reason):
    async with both.served() as caller:
        await load(both.spool, [person(1)])
        items = stated.pop("items", [record(1)])
        answer = await change(caller, items, "k", **stated)
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert await both.linkage.rows("select 1 from original") == []


async def test_ls_2_3_another_system_s_records_are_neither_seen_nor_touched(both):
    scopes = ("addressees:register", "business-information:read", "business-information:change")
    await both.linkage.register("sky2", system="sky2", scopes=scopes)
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await load(both.spool, [person(1, system="sky2")], name="sky2.csv", system="sky2")
        await send(both, [record(1)])
        stated = {"affair": "insurance-collection"}
        seen = await look(caller, "sky2", record_ids=["r1", "kokuho/r1"], **stated)
        body = {**STATED, **stated, "items": [record(1, operation="delete")]}
        touched = await caller.post(PATH, body, token=await caller.token("sky2"), key="k")
    assert seen.body["items"] == []
    assert touched.body["items"][0]["reason"] == "record_unknown"
    assert len(await both.replicas()) == 1


async def test_ls_2_3_two_calls_at_once_about_one_record_follow_one_another(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        answers = await asyncio.gather(
            *(change(caller, [record(1, items=item(1, f"{nth:07d}"))], f"k{nth}") for nth in range(8))
        )
        await until(lambda: states(both), settled)
    outcomes = [(answer.body["items"][0]["outcome"], answer.body["items"][0]["reason"]) for answer in answers]
    assert sorted(outcomes, key=str) == [("rejected", "record_id_reused")] * 7 + [("taken", None)]
    assert len(await both.replicas()) == 1


def insured(record_id, data_set, items, **more):
    line = {
        "addressee_number": f"{1:010d}",
        "record_id": record_id,
        "information": "医療保険給付関係情報",
        "data_set": data_set,
    }
    return line | {"items": {name: {"value": value} for name, value in items.items()}} | more


PARENT = insured("p", "資格情報", {
    "保険者番号": "99999999", "被保険者記号": "模擬10", "被保険者番号": "90000001", "枝番": "01", "資格取得年月日": "2020-04-01",
    "資格取得事由": "01", "資格喪失年月日": "2024-04-01", "資格喪失事由": "01",
})  # fmt: skip
BENEFIT = {
    "給付種類": "01",
    "支給決定年月日": "2024-01-01",
    "支給額": "1",
    "支給対象期間開始日": "2024-01-01",
    "支給対象期間終了日": "2024-01-31",
}
CHILD = insured("c", "給付情報", BENEFIT, parent_record_id="p")


async def test_children_belong_to_their_parents(both):
    async with both.standing(), both.served():
        await load(both.spool, [person(1), person(2)])
        results = await send(
            both,
            [
                CHILD | {"record_id": "lost", "parent_record_id": "nobody"},
                PARENT,
                CHILD,
                CHILD | {"record_id": "other", "addressee_number": f"{2:010d}"},
                PARENT | {"operation": "delete"},
            ],
        )
        moved = PARENT | {"operation": "change", "addressee_number": f"{2:010d}"}
        later = await send(
            both,
            [
                moved,
                CHILD | {"record_id": "p", "operation": "change", "parent_record_id": None},
                CHILD | {"operation": "delete"},
                moved,
                PARENT | {"operation": "delete", "addressee_number": f"{2:010d}"},
            ],
            "later.ndjson",
        )
    assert [result[1:] for result in results] == [
        ["rejected", "parent_unknown", "parent_record_id"],
        ["registered", "", ""],
        ["registered", "", ""],
        ["rejected", "parent_unknown", "parent_record_id"],
        ["rejected", "record_has_children", "record_id"],
    ]
    assert [result[1:] for result in later] == [
        [
            "rejected",
            "record_unknown",
            "record_id",
        ],  # the child would be another person's than its parent; at the end there was none any more
        ["rejected", "record_unknown", "record_id"],
        ["deleted", "", ""],
        ["superseded", "", ""],
        ["deleted", "", ""],
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"addressee_number": "1", "record_ids": ["r1"]},
        {"addressee_number": "1", "after": "\u0000"},
        {"addressee_number": "1", "information": "a\u0000"},
        {"record_ids": ["一"]},
        {"addressee_number": "1", "limit": 0},
    ],
)
async def test_ls_2_3_a_question_without_form_is_refused(both, wanted):
    async with both.served() as caller:
        answer = await look(caller, **wanted)
        headers = {"Authorization": f"Bearer {await caller.token()}"}
        url = f"{caller.world.url}{PATH}/run-report?run_id=%00"
        async with caller.client.get(url, headers=headers) as report:
            assert (report.status, (await report.json())["reason"]) == (404, "run_unknown")
    assert answer.status == 400
