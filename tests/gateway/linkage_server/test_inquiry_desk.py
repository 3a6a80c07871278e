from __future__ import annotations

import asyncio
import json
import re
import uuid

import pytest

from tests.support.resident_files import individual_number, load, person


def inquiry(nth, **changes):
    return {
        "addressee_number": f"{nth:010d}",
        "provider": "naikaku-sori",
        "item": "42",
        "information": "公的給付支給等口座登録簿関係情報",
        "items": [],
        "purpose": "過誤納金の還付",
        "staff": "staff-1",
    } | changes


async def refused(world):
    found = await world.rows("select body, inquiry_number from log_entry where kind = 'inquiry.refused' order by idx")
    return [json.loads(row["body"]) | {"column": row["inquiry_number"]} for row in found]


async def test_an_inquiry_goes_on_by_integrated_number_and_comes_back_without_it(world):
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        answer = await caller.post("/v1/inquiries", {"items": [inquiry(1)], "wait_ms": 3000}, token=token, key="k1")
    [row] = await world.rows("select integrated_number from person")
    number = f"{row['integrated_number']:015d}"
    [(identity, sent)] = world.neighbours.inquiries.items()
    assert re.fullmatch("kokuho/desk/[0-9a-f]{64}", identity)
    assert (sent["integrated_number"], sent["system"], sent["actor"]) == (number, "kokuho", "staff-1")
    assert answer.body["items"][0]["values"][0]["items"] == {"口座番号": {"value": "0000001"}}
    assert number not in json.dumps(answer.body)
    assert "addressee_number" not in sent


async def test_an_addressee_that_the_system_does_not_hold_is_refused_and_recorded_once(world):
    await world.register("zeimu", system="zeimu")
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token("zeimu")
        first = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
        second = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
    assert first.body["items"][0]["reason"] == "addressee_unknown"
    assert first.body == second.body
    assert world.neighbours.inquiries == {}
    [entry] = await refused(world)
    assert (entry["reason"], entry["actor"], entry["item"]) == ("addressee_unknown", "zeimu/staff-1", "42")
    assert entry["column"] == first.body["items"][0]["inquiry_number"]


async def test_what_a_refused_inquiry_was_for_is_told_to_the_auditor_and_stands_in_no_entry(world):
    await world.register("kansa", system="kansa", scopes=("log:read",))
    async with world.served() as caller:
        body = {"items": [inquiry(1, purpose="架空 太郎の還付")]}
        answer = await caller.post("/v1/inquiries", body, token=await caller.token(), key="k1")
        wanted = {"items": [{"inquiry_number": answer.body["items"][0]["inquiry_number"]}]}
        found = await caller.post("/v1/log/search", wanted, token=await caller.token("kansa"))
    [told] = found.body["items"][0]["entries"]
    assert (told["reason"], told["purpose_text"]) == ("addressee_unknown", "架空 太郎の還付")
    [entry] = await refused(world)
    assert entry["purpose"] == told["purpose"]
    assert "架空" not in json.dumps(entry, ensure_ascii=False)


async def test_good_inquiries_of_a_list_go_on_beside_a_refused_one(world):
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        answer = await caller.post("/v1/inquiries", {"items": [inquiry(8), inquiry(1)]}, token=token, key="k1")
    assert [one["state"] for one in answer.body["items"]] == ["refused", "answered"]


async def test_without_the_scope_nothing_goes_on_and_each_inquiry_is_recorded(world):
    await world.register("zeimu", system="zeimu", scopes=("addressees:register",))
    async with world.served() as caller:
        token = await caller.token("zeimu")
        answer = await caller.post("/v1/inquiries", {"items": [inquiry(1), inquiry(2)]}, token=token, key="k1")
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")
    assert [entry["reason"] for entry in await refused(world)] == ["scope_missing"] * 2


async def test_free_text_with_a_number_of_a_person_is_not_taken(world):
    async with world.served() as caller:
        token = await caller.token()
        body = {"items": [inquiry(1, purpose=f"還付 {individual_number(1)}")]}
        answer = await caller.post("/v1/inquiries", body, token=token, key="k1")
    assert (answer.status, answer.body["reason"]) == (400, "malformed_item")
    assert individual_number(1) not in json.dumps(answer.body)


async def test_many_callers_share_requests_to_the_intermediate_server(world):
    async with world.served(desk_requests_in_flight=1) as caller:
        await load(world.config.spool, [person(nth) for nth in range(1, 41)])
        token = await caller.token()
        calls = [
            caller.post("/v1/inquiries", {"items": [inquiry(nth)]}, token=token, key=f"k{nth}") for nth in range(1, 41)
        ]
        answers = await asyncio.gather(*calls)
    assert all(answer.body["items"][0]["state"] == "answered" for answer in answers)
    sizes = [size for function, size in world.neighbours.lists if function == "inquiries"]
    assert sum(sizes) == 40
    assert len(sizes) < 40


async def test_when_the_intermediate_server_is_away_the_caller_asks_again(world):
    world.neighbours.away = {"inquiries"}
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        away = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
        world.neighbours.away = set()
        again = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
    assert (away.status, away.body["reason"]) == (503, "intermediate_server_unavailable")
    assert again.body["items"][0]["state"] == "answered"


async def test_results_are_asked_for_with_the_system_that_wants_them(world):
    async with world.served() as caller:
        token = await caller.token()
        answer = await caller.post("/v1/inquiry-results", {"items": [{"inquiry_number": "Q" + "0" * 26}]}, token=token)
    assert answer.body["items"][0]["state"] == "registered"


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "還付 1234-5678-9018"},
        {"purpose": "還付 １２３４　５６７８　９０１８"},
        {"purpose": "還付\u200bの件"},
        {"staff": "1234-5678-9018"},
        {"staff": "世田谷 太郎"},
        {"staff": "a" * 41},
        {"staff": "staff-1\n"},
        {"provider": "a1234-5678-9018"},
        {"item": "1234の5678の9018"},
        {"basis": "١٢٣٤٥٦٧٨٩٠١٨"},
        {"items": ["1234-5678-9018"]},
    ],
)
async def test_a_number_in_another_dress_is_not_taken_either(world, changes):
    async with world.served() as caller:
        answer = await caller.post(
            "/v1/inquiries", {"items": [inquiry(1, **changes)]}, token=await caller.token(), key="k1"
        )
    assert (answer.status, answer.body["reason"]) == (400, "malformed_item")


async def test_a_refused_question_gets_the_same_answer_although_the_person_became_known(world):
    async with world.served() as caller:
        token = await caller.token()
        first = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
        await load(world.config.spool, [person(1)])
        again = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
        fresh = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k2")
    assert first.body["items"][0]["reason"] == "addressee_unknown"
    assert again.body == first.body
    assert fresh.body["items"][0]["state"] == "answered"
    assert len(world.neighbours.inquiries) == 1


async def test_another_question_under_the_key_of_a_refused_one_is_not_asked(world):
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        await caller.post("/v1/inquiries", {"items": [inquiry(8)]}, token=token, key="k1")
        known = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=token, key="k1")
        unknown = await caller.post("/v1/inquiries", {"items": [inquiry(9)]}, token=token, key="k1")
    for answer in (known, unknown):
        assert answer.body["items"][0] == {
            "inquiry_number": None,
            "state": None,
            "outcome": None,
            "reason": "idempotency_key_reused",
            "values": None,
        }
    assert world.neighbours.inquiries == {}
    assert len(await refused(world)) == 1


@pytest.mark.parametrize("key", [individual_number(1), "1234-5678-9018", "1234.5678.9018", "00-1234-5678-9018-00"])
async def test_a_number_is_no_idempotency_key(world, key):
    async with world.served() as caller:
        answer = await caller.post("/v1/inquiries", {"items": [inquiry(1)]}, token=await caller.token(), key=key)
    assert (answer.status, answer.body["reason"]) == (400, "idempotency_key_malformed")


async def test_drawn_keys_are_always_taken_and_no_key_is_stored_or_sent_on(world):
    mark = individual_number(1)
    keys = [f"k{mark}", mark + "0" * 20, f"12345678-1234-4234-8234-{mark}", str(uuid.uuid4()), "k" * 120]
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        for key in keys:
            answers = [
                await caller.post("/v1/inquiries", {"items": [inquiry(1), inquiry(9)]}, token=token, key=key),
                await caller.post("/v1/addressees", {"items": []}, token=token, key=key),
                await caller.post("/v1/code-requests", {}, token=token, key=key),
            ]
            assert {answer.status for answer in answers} <= {200, 202}
    identities = list(world.neighbours.inquiries)
    stored = [
        str(dict(row))
        for table in ("desk_refusal", "intake", "code_run", "log_entry")
        for row in await world.rows(f"select * from {table}")
    ]
    assert len(identities) == len(keys)
    assert all(len(identity) < 150 for identity in identities)
    assert not [text for text in (*identities, *stored) if mark in text or keys[3] in text]


def with_holder(world, kana):
    """The intermediate server answers with an account of this holder."""
    answer = world.neighbours._inquiry

    def inquiry_with_holder(item):
        values = [{"data_set": "口座情報", "version": "0001", "items": {"名義人氏名カナ": {"value": kana}}}]
        return answer(item) | {"values": values}

    world.neighbours._inquiry = inquiry_with_holder
    world.neighbours._result = lambda item: {
        **inquiry_with_holder({"message_id": "x", "integrated_number": "0"}),
        "inquiry_number": item["inquiry_number"],
    }


@pytest.mark.parametrize(
    ("kana", "result", "folds"),
    [
        ("ﾓｷﾞ", "agree", {"folds": {"名義人氏名カナ": ["half_width_kana"]}}),
        ("ﾍﾞﾂｼﾞﾝ", "differ", {}),
        ("", "not_comparable", {}),
    ],
)
async def test_a_result_is_compared_with_the_person_held_and_never_withheld(world, kana, result, folds):
    with_holder(world, kana)
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        token = await caller.token()
        answer = await caller.post("/v1/inquiries", {"items": [inquiry(1), inquiry(9)]}, token=token, key="k1")
        wanted = {"inquiry_number": answer.body["items"][0]["inquiry_number"]}
        named = await caller.post(
            "/v1/inquiry-results", {"items": [wanted | {"addressee_number": f"{1:010d}"}]}, token=token
        )
        unnamed = await caller.post("/v1/inquiry-results", {"items": [wanted]}, token=token)
    found, refusal = answer.body["items"]
    assert found["match"] == {"result": result, "items": {"名義人氏名カナ": result}} | folds
    assert found["values"][0]["items"]["名義人氏名カナ"]["value"] == kana
    assert "match" not in refusal
    assert named.body["items"][0]["match"]["result"] == result
    assert unnamed.body["items"][0]["match"]["result"] == "not_comparable"


async def test_the_intermediate_server_is_told_who_reads_a_result_and_what_for(world):
    """SC-7: its record is made before it answers (docs/adr/0077)."""
    number = "Q" + "0" * 26
    async with world.served() as caller:
        token = await caller.token()
        for said in ({"staff": "staff-1", "purpose": "過誤納金の還付"}, {}):
            wanted = {"inquiry_number": number, **said}
            assert (await caller.post("/v1/inquiry-results", {"items": [wanted]}, token=token)).status == 200
        for wrong in ({"staff": "a b"}, {"purpose": "1234567890 の件"}):
            wanted = {"inquiry_number": number, **wrong}
            assert (await caller.post("/v1/inquiry-results", {"items": [wanted]}, token=token)).status == 400
    asked = {"inquiry_number": number, "system": "kokuho"}
    assert world.neighbours.wanted == [asked | {"actor": "staff-1", "purpose": "過誤納金の還付"}, asked]


async def test_a_person_of_another_system_is_compared_with_nobody(world):
    await world.register("zeimu", system="zeimu")
    with_holder(world, "ﾓｷﾞ")
    async with world.served() as caller:
        await load(world.config.spool, [person(1)])
        wanted = {"inquiry_number": "Q" + "0" * 26, "addressee_number": f"{1:010d}"}
        answer = await caller.post("/v1/inquiry-results", {"items": [wanted]}, token=await caller.token("zeimu"))
    assert answer.body["items"][0]["match"]["result"] == "not_comparable"
