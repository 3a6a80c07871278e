"""SKY2 as a running server: its staff API, and the road from a claim to an account over the linkage server's API."""

from __future__ import annotations

import json

import pytest

from keys.binding import bind
from keys.masked import Secret
from storage.key_store import KeyStore
from synthetic.business import AccountCase
from tests.adapters.sky2.linkage_peer import answered, ended, under_way
from tests.adapters.sky2.surroundings import (
    ADDRESSEES,
    BUSINESS,
    PASSPHRASE,
    STAFF,
    account_answer,
    claim_row,
    people,
    person_row,
)

[ANN, BEN] = people(AccountCase.OWN_NAME, 2)
[OTHER] = people(AccountCase.ANOTHER_NAME, 1)
[NONE] = people(AccountCase.NONE, 1)


async def claim(sky2, person, claim_id="claim-1", *script, **changes):
    """One loaded person with one claim, and what the linkage server will answer."""
    sky2.peer.scripts[ADDRESSEES.number(person)] = list(script) or [account_answer(person)]
    await sky2.load([person])
    answer = await sky2.ok("/refund-claims", {"items": [claim_row(person, claim_id, **changes)]})
    assert answer == {"loaded": 1, "refused": []}


async def test_an_account_in_the_persons_name_makes_the_claim_matched_and_shows_masked(sky2):
    await claim(sky2, ANN)
    answer = await sky2.ok("/refund-claims/ask-accounts", {})
    assert answer == {"asked": ["claim-1"], "not_asked": [], "unanswered": []}
    shown = (await sky2.claims())["claim-1"]
    number = account_answer(ANN)["values"][0]["items"]["口座番号"]["value"]
    assert (shown["state"], shown["matched"], shown["differing_parts"]) == ("matched", True, [])
    assert shown["account"]["number"] == number[:3] + "****"
    assert shown["inquiry_number"] == sky2.peer.kept["claim-1"].number


async def test_the_inquiry_says_who_asks_what_for_and_by_which_row_of_the_list(sky2):
    await claim(sky2, ANN)
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert sky2.peer.wanted == [
        {
            "addressee_number": ADDRESSEES.number(ANN),
            "provider": "naikaku",
            "item": "69",
            "information": "公的給付支給等口座登録簿関係情報",
            "items": [],
            "purpose": "保険料還付金の公金受取口座への支払",
            "staff": STAFF,
        }
    ]


@pytest.mark.parametrize("unstarted", [{"account_item": "42"}], indirect=True)
async def test_the_row_of_the_list_comes_from_the_configuration(sky2):
    await claim(sky2, ANN)
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert [wanted["item"] for wanted in sky2.peer.wanted] == ["42"]


async def test_an_account_in_another_name_is_mismatched_and_no_account_is_released(sky2):
    await claim(sky2, OTHER)
    await sky2.ok("/refund-claims/ask-accounts", {})
    shown = (await sky2.claims())["claim-1"]
    assert (shown["state"], shown["matched"], shown["differing_parts"]) == ("mismatched", False, ["surname"])
    assert shown["account"] is None
    number = account_answer(OTHER)["values"][0]["items"]["口座番号"]["value"]
    everything = json.dumps(await sky2.ok("/refund-claims/list", {"claim_ids": ["claim-1"]}), ensure_ascii=False)
    assert number not in everything
    assert number[:3] + "****" not in everything


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [
        ([account_answer(NONE)], "not_provided", "no_account_registered"),
        ([ended("answered", "no_such_person")], "not_provided", "no_such_person"),
        ([ended("not_provided", "no_replica")], "not_provided", "no_replica"),
        ([answered("公的給付支給等口座情報", {})], "not_provided", "answer_unusable"),
        ([answered("別の情報", {})], "not_provided", "answer_unusable"),
        ([ended("refused", "refused", "not_on_list")], "refused", "not_on_list"),
        ([ended("refused", "refused_by_desk", "addressee_unknown")], "refused", "addressee_unknown"),
        ([ended("aborted", "aborted")], "refused", "aborted"),
    ],
)
async def test_an_inquiry_that_gives_no_account_ends_the_claim_with_its_reason(sky2, script, state, reason):
    await claim(sky2, NONE, "claim-1", *script)
    await sky2.ok("/refund-claims/ask-accounts", {})
    shown = (await sky2.claims())["claim-1"]
    assert (shown["state"], shown["reason"], shown["account"]) == (state, reason, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chose_receiving_account": False}, "receiving_account_not_chosen"),
        ({"individual_number_written": False}, "individual_number_not_written"),
    ],
)
async def test_a_claim_that_did_not_choose_the_account_leads_to_no_inquiry(sky2, changes, reason):
    await claim(sky2, ANN, **changes)
    assert (await sky2.ok("/refund-claims/ask-accounts", {}))["asked"] == []
    named = await sky2.ok("/refund-claims/ask-accounts", {"claim_ids": ["claim-1", "claim-2"]})
    assert named["asked"] == []
    assert {one["claim_id"]: one["reason"] for one in named["not_asked"]} == {
        "claim-1": reason,
        "claim-2": "no_such_claim",
    }
    assert sky2.peer.kept == {}
    assert (await sky2.claims())["claim-1"]["state"] == "claimed"


async def test_only_the_named_claims_are_asked_for(sky2):
    await claim(sky2, ANN, "claim-1")
    await claim(sky2, BEN, "claim-2")
    await sky2.ok("/refund-claims/ask-accounts", {"claim_ids": ["claim-2"]})
    assert set(sky2.peer.kept) == {"claim-2"}


async def test_an_inquiry_under_way_is_polled_until_it_ends(sky2):
    await claim(sky2, ANN, "claim-1", under_way("registered"), under_way("permitted"), account_answer(ANN))
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert (await sky2.claims())["claim-1"]["state"] == "matched"


async def test_a_held_inquiry_stays_asked_and_is_settled_when_its_outcome_has_come(sky2):
    await claim(sky2, ANN, "claim-1", under_way("held"), under_way("held"), account_answer(ANN))
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert (await sky2.claims())["claim-1"]["state"] == "asked"
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert (await sky2.claims())["claim-1"]["state"] == "matched"
    assert len(sky2.peer.kept) == 1


@pytest.mark.parametrize("unstarted", [{"follow_up_s": 0.1}], indirect=True)
async def test_a_held_inquiry_is_settled_without_anybody_asking_again(sky2):
    await claim(sky2, ANN, "claim-1", under_way("held"), under_way("held"), account_answer(ANN))
    await sky2.ok("/refund-claims/ask-accounts", {})
    while (await sky2.claims())["claim-1"]["state"] == "asked":
        pass
    assert (await sky2.claims())["claim-1"]["state"] == "matched"


async def test_an_answer_told_again_without_its_values_is_read_from_the_results(sky2):
    await claim(sky2, ANN, "claim-1", ended("answered", "answered"), account_answer(ANN))
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert (await sky2.claims())["claim-1"]["state"] == "matched"


async def test_a_linkage_server_that_is_down_is_asked_again_with_the_same_bytes_by_whoever_comes(sky2):
    await claim(sky2, ANN)
    sky2.peer.down = True
    answer = await sky2.ok("/refund-claims/ask-accounts", {})
    assert answer["unanswered"] == [{"claim_id": "claim-1", "reason": "intermediate_server_unavailable"}]
    assert (await sky2.claims())["claim-1"]["state"] == "asked"
    sky2.peer.down = False
    await sky2.ok("/refund-claims/ask-accounts", {}, who="another-member")
    assert (await sky2.claims())["claim-1"]["state"] == "matched"
    assert [wanted["staff"] for wanted in sky2.peer.wanted] == [STAFF]


async def test_a_token_is_used_again_and_renewed_when_it_is_refused(sky2):
    await claim(sky2, ANN, "claim-1")
    await sky2.ok("/refund-claims/ask-accounts", {})
    await claim(sky2, BEN, "claim-2")
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert sky2.peer.tokens == 1
    sky2.peer.forget_tokens = True
    await claim(sky2, BEN, "claim-3")
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert sky2.peer.tokens == 2
    assert {claim["state"] for claim in (await sky2.claims()).values()} == {"matched"}


async def test_what_is_stored_shows_neither_number_nor_account(sky2):
    await claim(sky2, ANN)
    await sky2.ok("/refund-claims/ask-accounts", {})
    account = account_answer(ANN)["values"][0]["items"]["口座番号"]["value"]
    rows = await sky2.fetch("select individual_number from insured_person")
    rows += await sky2.fetch("select account from refund_claim")
    stored = [bytes(row[0]) for row in rows]
    assert len(stored) == 2
    assert all(ANN.individual_number.encode() not in one and account.encode() not in one for one in stored)
    requests = await sky2.fetch("select answer::text, digest from staff_request")
    assert all(ANN.individual_number not in row["answer"] and account not in row["answer"] for row in requests)
    assert ANN.individual_number not in sky2.log()
    assert ADDRESSEES.number(ANN) not in sky2.log()


async def test_benefits_are_kept_sealed_and_shown_only_by_their_key(sky2):
    person = next(one for one in people(AccountCase.OWN_NAME, 500) if BUSINESS.is_unemployed(one) and one != BEN)
    records = BUSINESS.unemployment(person, system="kosei-rodo", addressee_number="1")
    addressee = ADDRESSEES.number(person)
    found = [(record.data_set, record.wire_items()) for record in records]
    sky2.peer.scripts[addressee] = [answered(*found[0], *found[1:])]
    await sky2.load([person, BEN])
    sky2.peer.scripts[ADDRESSEES.number(BEN)] = [ended("not_provided", "no_replica")]
    wanted = {"addressee_numbers": [addressee, ADDRESSEES.number(BEN), "1"]}
    answer = await sky2.ok("/unemployment-inquiries", wanted)
    states = {one["addressee_number"]: one["state"] for one in answer["items"]}
    assert states == {addressee: "provided", ADDRESSEES.number(BEN): "not_provided"}
    assert answer["not_asked"] == [{"addressee_number": "1", "reason": "no_such_insured_person"}]
    listed = (await sky2.ok("/unemployment-inquiries/list", {}))["items"]
    assert {one["addressee_number"]: (one["state"], one["reason"]) for one in listed} == {
        addressee: ("provided", None),
        ADDRESSEES.number(BEN): ("not_provided", "no_replica"),
    }
    assert all("values" not in one for one in listed)
    keys = [one["inquiry_key"] for one in answer["items"] if one["addressee_number"] == addressee]
    opened = await sky2.ok("/unemployment-inquiries/list", {"inquiry_keys": keys})
    assert [(one["data_set"], one["items"]) for one in opened["items"][0]["values"]] == found
    [stored] = await sky2.fetch("select benefit from unemployment_inquiry where benefit is not null")
    assert found[0][0].encode() not in bytes(stored["benefit"])
    assert {(one["provider"], one["item"]) for one in sky2.peer.wanted} == {("kosei-rodo", "71")}


async def test_the_same_unemployment_request_again_asks_nobody_again(sky2):
    await sky2.load([ANN])
    wanted = {"addressee_numbers": [ADDRESSEES.number(ANN)]}
    first = await sky2.ok("/unemployment-inquiries", wanted, key="same")
    assert await sky2.ok("/unemployment-inquiries", wanted, key="same") == first
    assert len(sky2.peer.kept) == 1
    await sky2.ok("/unemployment-inquiries", wanted, key="another")
    assert len(sky2.peer.kept) == 2


async def test_ledger_rows_are_stored_by_column_and_bad_ones_refused_by_row_and_column(sky2):
    good = {
        "addressee_number": "0000000001",
        "addressee_individual_number": ANN.individual_number,
        "addressee_birth_date": "1990-01-02",
        "addressee_name": {"氏名": "模擬　花子"},
        "levy_assessed_year": 2026,
        "levy_amount": 120_000,
        "addressee_accounts": [{"口座番号": "7654321"}],
    }
    bad = [
        {**good, "levy_amount": "120000"},
        {**good, "levy_total": 1},
        {**good, "addressee_birth_date": "1990-02-30"},
        {**good, "addressee_individual_number": "999999999999"},
        {"levy_amount": 1},
        {**good, ANN.individual_number: 1},
        [],
    ]
    answer = await sky2.ok("/ledger/receipts", {"items": [good, *bad, good]})
    assert answer == {
        "loaded": 2,
        "refused": [
            {"row": 2, "column": "levy_amount", "reason": "wrong_type"},
            {"row": 3, "column": "levy_total", "reason": "column_unknown"},
            {"row": 4, "column": "addressee_birth_date", "reason": "wrong_type"},
            {"row": 5, "column": "addressee_individual_number", "reason": "wrong_type"},
            {"row": 6, "column": "addressee_number", "reason": "column_missing"},
            {"row": 7, "column": None, "reason": "column_unknown"},
            {"row": 8, "column": None, "reason": "row_malformed"},
        ],
    }
    [row, _] = await sky2.fetch("select * from receipts_ledger")
    assert (row["levy_amount"], row["levy_assessed_year"], row["addressee_birth_date"].isoformat()) == (
        120_000,
        2026,
        "1990-01-02",
    )
    assert json.loads(row["addressee_name"]) == {"氏名": "模擬　花子"}
    assert ANN.individual_number.encode() not in bytes(row["addressee_individual_number"])
    assert b"7654321" not in bytes(row["addressee_accounts"])


async def test_arrears_rows_go_to_the_arrears_ledger(sky2):
    row = {"addressee_number": "1", "note_written_at": "09:30", "debtor_payment_plans": 3}
    assert await sky2.ok("/ledger/arrears", {"items": [row]}) == {"loaded": 1, "refused": []}
    [stored] = await sky2.fetch("select note_written_at::text, debtor_payment_plans from arrears_ledger")
    assert tuple(stored) == ("09:30:00", 3)


async def test_a_load_that_comes_again_changes_nothing(sky2):
    body = {"items": [{"addressee_number": "1", "levy_amount": 1}]}
    first = await sky2.ok("/ledger/receipts", body, key="load")
    assert await sky2.ok("/ledger/receipts", body, key="load") == first
    assert len(await sky2.fetch("select 1 from receipts_ledger")) == 1


async def test_a_key_that_comes_with_another_request_is_refused(sky2):
    await sky2.ok("/ledger/receipts", {"items": []}, key="load")
    for path, body in [("/ledger/receipts", {"items": [{}]}), ("/ledger/arrears", {"items": []})]:
        status, answer = await sky2.post(path, body, key="load")
        assert (status, answer["reason"]) == (422, "idempotency_key_reused")


async def test_people_are_brought_up_to_date_and_keep_a_number_that_is_not_given(sky2):
    await sky2.load([ANN])
    moved = {**person_row(ANN), "address": "架空の転居先"}
    del moved["individual_number"]
    answer = await sky2.ok("/insured-persons", {"items": [moved, moved, {**moved, "kana": ""}]})
    assert answer["loaded"] == 1
    assert [(one["row"], one["reason"]) for one in answer["refused"]] == [
        (2, "repeated_in_request"),
        (3, "wrong_type"),
    ]
    [row] = await sky2.fetch("select personal, individual_number is not null as has_number from insured_person")
    keys = KeyStore.open(sky2.folder / "setagaya.keys", Secret(PASSPHRASE))
    label = bind(b"sekisho/sky2-insured-person/v1", moved["addressee_number"])
    assert json.loads(keys.ring.decrypt("insured-person", row["personal"], label))["address"] == "架空の転居先"
    assert row["has_number"]


async def test_what_is_stored_of_people_does_not_show_who_they_are(sky2):
    await sky2.load([ANN, BEN])
    stored = b"".join(
        row["row"].encode() for row in await sky2.fetch("select insured_person::text as row from insured_person")
    )
    stored += b"".join(row["personal"] for row in await sky2.fetch("select personal from insured_person"))
    for person in (ANN, BEN):
        for shown in (person.name, person.kana, person.birth_date.isoformat(), person.address):
            assert shown.encode() not in stored


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"amount": 0}, "amount", "wrong_type"),
        ({"amount": True}, "amount", "wrong_type"),
        ({"claim_id": "c 1"}, "claim_id", "wrong_type"),
        ({"claim_id": "claim-1234567890"}, "claim_id", "wrong_type"),
        ({"addressee_number": "999"}, "addressee_number", "no_such_insured_person"),
        ({"chose_receiving_account": None}, "chose_receiving_account", "column_missing"),
        ({"amount": 1}, "claim_id", "claim_id_taken"),
    ],
    ids=str,
)
async def test_a_claim_that_cannot_stand_is_refused_by_row_and_column(sky2, changes, column, reason):
    await claim(sky2, ANN)
    answer = await sky2.ok("/refund-claims", {"items": [{**claim_row(ANN, "claim-1"), **changes}]})
    assert answer == {"loaded": 0, "refused": [{"row": 1, "column": column, "reason": reason}]}
    assert set(await sky2.claims()) == {"claim-1"}


async def test_the_same_claim_again_changes_nothing_even_after_it_was_asked(sky2):
    await claim(sky2, ANN)
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert await sky2.ok("/refund-claims", {"items": [claim_row(ANN, "claim-1")]}) == {"loaded": 1, "refused": []}
    assert (await sky2.claims())["claim-1"]["state"] == "matched"


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("sky2", "certificate_for_another_use"),
        ("staff-elsewhere", "certificate_for_another_use"),
        ("stranger", "certificate_not_registered"),
    ],
)
async def test_only_staff_of_the_agency_may_call(sky2, who, reason):
    status, answer = await sky2.post("/refund-claims/list", {}, who=who)
    assert (status, answer["reason"]) == (403, reason)


@pytest.mark.parametrize(("who", "status"), [(STAFF, 200), ("sky2", 200), ("staff-elsewhere", 200), ("stranger", 403)])
async def test_how_it_is_called_is_told_to_every_registered_certificate(sky2, who, status):
    async with sky2.sessions[who].get(sky2.url + "/openapi.json") as answer:
        assert answer.status == status


@pytest.mark.parametrize("key", ["", "key 1", "999000000017", "9990-0000-0017"])
async def test_a_changing_request_needs_a_key_that_names_nobody(sky2, key):
    async with sky2.sessions[STAFF].post(
        sky2.url + "/ledger/receipts", json={"items": []}, headers={"Idempotency-Key": key} if key else {}
    ) as response:
        answer = await response.json(content_type=None)
    assert (response.status, answer["reason"].startswith("idempotency_key_")) == (400, True)


@pytest.mark.parametrize(
    "path", ["/insured-persons", "/refund-claims", "/refund-claims/ask-accounts", "/unemployment-inquiries"]
)
@pytest.mark.parametrize("body", [[], {"unknown": 1}, {"items": 1}, {"addressee_numbers": ["x"]}], ids=str)
async def test_a_body_of_another_form_is_a_problem_and_not_a_failure(sky2, path, body):
    status, answer = await sky2.post(path, body)
    assert (status, answer["reason"] in {"malformed_body", "malformed_item"}) == (400, True)
