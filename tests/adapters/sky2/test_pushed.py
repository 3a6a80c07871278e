"""LS-1.5, LS-3.1: SKY2 takes a change of somebody it holds, and hears of results, from its own linkage server, signed and once."""

from __future__ import annotations

import asyncio

import pytest

from synthetic.business import AccountCase
from tests.adapters.sky2.linkage_peer import under_way
from tests.adapters.sky2.surroundings import ADDRESSEES, STAFF, account_answer, claim_row, people

[ANN] = people(AccountCase.OWN_NAME, 1)
NUMBER = ADDRESSEES.number(ANN)


def change(**items):
    return {"addressee_numbers": [NUMBER], "state": "living", "items": items}


@pytest.fixture
async def pushed_to(sky2):
    await sky2.load([ANN])
    await sky2.ok("/push-target", {})
    return sky2


async def matched(sky2):
    """Whether an account under the person's old name still agrees with who SKY2 thinks he is (SC-22)."""
    sky2.peer.scripts[NUMBER] = [account_answer(ANN)]
    await sky2.ok("/refund-claims", {"items": [claim_row(ANN, "claim-1")]})
    await sky2.ok("/refund-claims/ask-accounts", {})
    return (await sky2.claims())["claim-1"]["state"] == "matched"


async def test_staff_have_changes_pushed_here(pushed_to):
    assert pushed_to.peer.push_targets == [
        {
            "staff": STAFF,
            "kind": "webhook",
            "url": f"{pushed_to.url}/changes",
            "new_secret": True,
            "inquiry_results": True,
        }
    ]


async def test_a_changed_name_is_the_one_that_an_account_is_compared_with(pushed_to):
    assert await pushed_to.push(change(name="見本 別名", kana="ミホン ベツメイ"), delivery="sky2-p1") == (
        200,
        {"updated": 1},
    )
    assert not await matched(pushed_to)


async def test_what_a_push_does_not_say_stays(pushed_to):
    assert await pushed_to.push(change(address="東京都世田谷区見本町1-1"), delivery="sky2-p1") == (200, {"updated": 1})
    assert await matched(pushed_to)


async def test_an_individual_number_that_is_told_to_be_none_goes_and_one_that_is_not_told_stays(pushed_to):
    async def numbers():
        rows = await pushed_to.fetch("select individual_number is not null as held from insured_person")
        return [row["held"] for row in rows]

    await pushed_to.push(change(kana=ANN.kana), delivery="sky2-p1")
    assert await numbers() == [True]
    answer = await pushed_to.push(change() | {"individual_number": ""}, delivery="sky2-p2")
    assert (answer, await numbers()) == ((200, {"updated": 1}), [False])
    await pushed_to.push(change() | {"individual_number": ANN.individual_number}, delivery="sky2-p3")
    assert await numbers() == [True]


async def test_a_push_that_comes_again_changes_nothing_again(pushed_to):
    await pushed_to.push(change(kana="ミホン ベツメイ"), delivery="sky2-p1")
    await pushed_to.push(change(kana=ANN.kana), delivery="sky2-p2")
    assert await pushed_to.push(change(kana="ミホン ベツメイ"), delivery="sky2-p1") == (200, {"updated": 1})
    assert await matched(pushed_to)


@pytest.fixture
async def open_claim(pushed_to):
    """A claim whose inquiry is held, and that SKY2 would look after in an hour; its result is there now."""
    pushed_to.peer.scripts[NUMBER] = [under_way("held")]
    await pushed_to.ok("/refund-claims", {"items": [claim_row(ANN, "claim-1")]})
    await pushed_to.ok("/refund-claims/ask-accounts", {})
    [kept] = pushed_to.peer.kept.values()
    kept.script = [account_answer(ANN)]
    return pushed_to, kept.number


async def state_of_claim(sky2, *, seconds):
    for _ in range(int(seconds / 0.05)):
        if (state := (await sky2.claims())["claim-1"]["state"]) != "asked":
            return state
        await asyncio.sleep(0.05)
    return "asked"


async def test_a_result_that_sky2_is_told_of_is_fetched_at_once(open_claim):
    sky2, number = open_claim
    for _ in range(2):
        told = {"about": "inquiry", "inquiry_number": number, "state": "answered"}
        assert await sky2.push(told, delivery=f"sky2-{number}-answered") == (200, {"updated": 0})
    assert await state_of_claim(sky2, seconds=5) == "matched"


@pytest.mark.parametrize(
    "said",
    [
        {"about": "inquiry", "inquiry_number": "Q" + "0" * 26, "state": "answered"},
        {"about": "inquiry", "inquiry_number": "123456789018"},
        {"about": "inquiry_file", "file": "a.dat", "supplement": 0},
        {"about": "something else"},
    ],
)
async def test_a_notice_about_nothing_of_ours_changes_nothing(open_claim, said):
    sky2, _ = open_claim
    assert await sky2.push(said, delivery="sky2-x") == (200, {"updated": 0})
    assert await state_of_claim(sky2, seconds=0.5) == "asked"


async def test_a_notice_that_is_forged_fetches_nothing(open_claim):
    sky2, number = open_claim
    status, body = await sky2.push({"about": "inquiry", "inquiry_number": number}, delivery="x", secret="another")
    assert (status, body["reason"]) == (401, "push_signature_wrong")
    assert await state_of_claim(sky2, seconds=0.5) == "asked"


async def test_somebody_whom_sky2_does_not_hold_is_passed_over(pushed_to):
    body = change(name="見本 花子") | {"addressee_numbers": ["999"]}
    assert await pushed_to.push(body, delivery="sky2-p1") == (200, {"updated": 0})
    assert len(await pushed_to.fetch("select 1 from insured_person")) == 1


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ({"secret": "another secret"}, 401, "push_signature_wrong"),
        ({"age_s": 301}, 401, "push_too_old"),
        ({"age_s": -301}, 401, "push_too_old"),
        ({"who": STAFF}, 403, "certificate_for_another_use"),
        ({"who": "linkage-elsewhere"}, 403, "certificate_for_another_use"),
        ({"who": "stranger"}, 403, "certificate_not_registered"),
    ],
)
async def test_a_push_that_is_not_of_our_linkage_server_now_is_refused(pushed_to, how, status, reason):
    answered, body = await pushed_to.push(change(kana="ミホン ベツメイ"), delivery="sky2-p1", **how)
    assert (answered, body["reason"]) == (status, reason)
    assert await matched(pushed_to)


async def test_a_push_before_anybody_asked_for_one_is_refused(sky2):
    await sky2.load([ANN])
    status, body = await sky2.push(change(kana="ミホン"), delivery="sky2-p1")
    assert (status, body["reason"]) == (401, "push_secret_missing")


async def test_a_signed_body_that_says_nothing_is_refused(pushed_to):
    status, body = await pushed_to.push({"addressee_numbers": 1}, delivery="sky2-p1")
    assert (status, body["reason"]) == (400, "malformed_body")


async def test_a_linkage_server_that_refuses_is_said(sky2):
    sky2.peer.down = True
    status, body = await sky2.post("/push-target", {})
    assert (status, body["reason"]) == (503, "linkage_server_refused")


async def test_the_linkage_server_may_call_nothing_else(pushed_to):
    status, body = await pushed_to.post("/refund-claims/list", {}, who="linkage-of-the-ward")
    assert (status, body["reason"]) == (403, "certificate_for_another_use")
