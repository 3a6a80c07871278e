"""接続端末 in the hands of staff: the pages over real HTTP, in front of the servers on which the whole job has run (LS-1.4, LS-3.1, SC-4, SC-7, SC-10)."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
from datetime import timedelta

import aiohttp
import pytest
from fido2.utils import websafe_decode

from codebook.identifiers import new_sortable_id
from gateway.demonstration.stage import WARD
from gateway.setting_up.ports import untaken
from tests.support.browser import account_choice, ask, at_the_terminal, end_sessions, enter, known
from tests.support.running_system import RESIDENTS, entries
from tests.support.soft_authenticator import SoftAuthenticator


@pytest.fixture(scope="module")
def with_account(job):
    """Somebody whose account 内閣総理大臣 holds and answers for."""
    found = entries(asyncio.run(job.system.export("naikaku")), kind="provision.made")
    assert found
    system = job.system
    person = system.new_people(1)[0]

    async def load() -> None:
        await system.populate([person])
        for each in (RESIDENTS, "naikaku-gyomu"):
            await system.register(each, [person])
            await system.obtain_codes(each)
        await system.load_records("naikaku-gyomu", [system.account(person)], "terminal.ndjson", agency="naikaku")

    asyncio.run(load())
    return person


async def test_an_inquiry_is_asked_and_answered_on_the_screen_and_the_person_is_on_record(job, with_account):
    async with at_the_terminal(job) as browser:
        assert await enter(browser, job) == 200
        assert await ask(browser, job, with_account) == 200
        assert "回答がありました" in browser.text
        for value in job.system.account(with_account).items.values():
            if "value" in value:
                assert f">{html.escape(str(value['value']))}<" in browser.text
        number = re.search(r"<code>(Q[0-9A-Z]{26})</code>", browser.text).group(1)
    log = await job.system.export(WARD)
    acts = [one for one in entries(log, kind="staff.operated") if one["facts"].get("function") == "desk.inquire"]
    assert {one["actor"] for one in acts} == {"staff-1"}
    assert {"affair": "42"}.items() <= acts[-1]["facts"].items()
    order = [one for one in entries(log) if one in acts or one.get("inquiry_number") == number]
    asked = next(at for at, one in enumerate(order) if one.get("inquiry_number") == number)
    assert order[asked - 1] == acts[-1]  # on record before the inquiry's own entries
    assert order[asked]["actor"] == f"{RESIDENTS}/staff-1"
    job_number = job.system.number(RESIDENTS, with_account)
    assert not any(job_number in address for address in browser.seen)


async def test_sending_a_form_twice_asks_once(job, with_account):
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/inquiry")
        once = browser.field("once")
        numbers = []
        for _ in range(2):
            await ask(browser, job, with_account, once=once)
            numbers += re.findall(r"<code>(Q[0-9A-Z]{26})</code>", browser.text)
        assert len(numbers) == 2
        assert len(set(numbers)) == 1
        await ask(browser, job, with_account, once=once, purpose="還付のため（訂正）")
        corrected = re.findall(r"<code>(Q[0-9A-Z]{26})</code>", browser.text)
        assert corrected
        assert corrected[0] not in numbers


async def test_a_result_is_looked_at_again_by_who_asked_and_by_nobody_else(job, with_account):
    system = job.system
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await ask(browser, job, with_account)
        number = re.search(r"<code>(Q[0-9A-Z]{26})</code>", browser.text).group(1)
        await browser.get("/held")
        assert await browser.post("/inquiry/result", inquiry_number=number) == 200
        assert "回答がありました" in browser.text
        other = entries(await system.export(WARD), kind="inquiry.registered")[0]["inquiry_number"]
        await browser.get("/held")
        assert await browser.post("/inquiry/result", inquiry_number=other) == 403
    acts = [one["facts"] for one in entries(await system.export(WARD), kind="staff.operated")]
    assert any(one.get("inquiry_number") == number and one.get("affair") == "42" for one in acts)
    assert not any(one.get("inquiry_number") == other and one.get("function") == "desk.inquire" for one in acts)


async def test_an_outage_costs_neither_what_was_typed_nor_a_second_inquiry(job, with_account):
    running = job.system.running
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/inquiry")
        once = browser.field("once")
        running.kill("linkage")
        try:
            assert await ask(browser, job, with_account, once=once) == 400
            assert "接続できません" in browser.said
            assert browser.field("once") == once
            assert browser.field("purpose") == "還付のため"
        finally:
            running.restart("linkage")
        await ask(browser, job, with_account, once=once)
        first = re.search(r"<code>(Q[0-9A-Z]{26})</code>", browser.text).group(1)
        await ask(browser, job, with_account, once=once)
        assert first in browser.text


async def test_what_cannot_be_asked_comes_back_as_it_was_filled_in(job, with_account):
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        assert await ask(browser, job, with_account, addressee_number="１２３", purpose="<b>還付</b>") == 400
        assert "1〜15 桁の数字" in browser.said
        assert browser.field("purpose") == "<b>還付</b>"
        assert "<b>還付" not in browser.text
        assert await ask(browser, job, with_account, choice="naikaku||42|なんでも") == 400


async def test_one_asks_for_another_where_a_delegation_is_on_file_and_staff_of_elsewhere_do_not_enter(
    job, with_account
):
    system = job.system
    await system.register("suginami-gyomu", [with_account])
    async with at_the_terminal(job, agency="suginami", client="suginami-gyomu") as browser:
        assert await enter(browser, job, "staff-1", agency=WARD) == 401
        assert await enter(browser, job, "staff-1", agency="suginami") == 200
        choice = next(one for one in re.findall(r'<option value="([^"]+)"', browser.text) if "koiki-rengo" in one)
        assert choice.startswith(f"{WARD}||80|")
        assert "東京都後期高齢者医療広域連合 の委任を受けて尋ねる" in browser.text
        number = system.number("suginami-gyomu", with_account)
        days = {"fiscal_year": "2022", "period_first": "2022-04-01"}
        assert await ask(browser, job, with_account, addressee_number=number, choice=choice, **days) == 400
        assert "どちらか一方" in browser.said
        days = {"period_first": "2022-04-01", "period_last": "2022-09-30"}
        assert await ask(browser, job, with_account, addressee_number=number, choice=choice, **days) == 200
        asked = re.search(r"<code>(Q[0-9A-Z]{26})</code>", browser.text).group(1)
    log = entries(await system.export("suginami"))
    said = json.dumps([one for one in log if one.get("inquiry_number") == asked])
    assert "koiki-rengo" in said
    assert "2022-04-01/2022-09-30" in said


async def test_people_are_found_by_two_keys_and_the_look_is_on_both_records(job):
    person = job.stage.people[0]
    keys = {"affair": "enquiries", "reason": "窓口での問合せ"}
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/people")
        assert (
            await browser.post("/people", **keys, kana=person.kana[:4], birth_date=person.birth_date.isoformat()) == 200
        )
        assert html.escape(person.name) in browser.text
        assert job.system.number(RESIDENTS, person) in browser.text
        assert await browser.post("/people", **keys, kana=person.kana[:4]) == 400
        assert "二つ以上" in browser.said
        assert await browser.post("/people", **keys, name='"><script>', birth_date="1990-04-01") == 200
        assert "<script>" not in browser.text.replace('<script src="/terminal.js" defer></script>', "")
    seen = entries(await job.system.linkage_log(), kind="persons.seen")
    assert "staff-1" in json.dumps(seen[-1])
    log = await job.system.export(WARD)
    assert entries(log, kind="staff.operated")[-1]["facts"]["function"] != ""
    assert any(one["facts"].get("function") == "desk.search" for one in entries(log, kind="staff.operated"))


async def test_whatever_is_wrong_the_log_in_page_says_the_same(job):
    async with at_the_terminal(job) as browser:
        told = set()
        for wrong in ({"password": "x"}, {"passphrase": "x"}, {"staff_id": "nobody"}, {"staff_id": "../staff-1"}):
            assert await enter(browser, job, "staff-2", {**wrong}) == 401
            told.add(browser.said)
        assert len(told) == 1
        refused = entries(await job.system.export(WARD), kind="staff.refused")
        assert sum(one["actor"] == "staff-2" for one in refused) >= 2  # the card that did not open too
        for page in ("/held", "/notices"):
            assert await browser.get(page) == 200
            assert browser.seen[-1].endswith("/login")


async def test_a_notice_of_the_operator_is_on_the_screen_as_text(job):
    now = job.system.running.role("intermediate").clock()
    item = {
        "notice_id": new_sortable_id("N", int(now.timestamp() * 1000), bytes(10)),
        "kind": "trouble",
        "text": "<b>調整中</b>",
        "shown_until": (now + timedelta(hours=1)).isoformat(),
    }
    async with job.stage.staff(WARD, "intermediate") as operator:
        assert await operator.items(f"/{WARD}/notices/post", [item]) == [{"posted": True}]
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        assert await browser.get("/notices") == 200
        assert "障害" in browser.text
        assert "&lt;b&gt;調整中&lt;/b&gt;" in browser.text


async def test_a_member_of_staff_without_the_right_asks_nobody(job, with_account):
    before = len(entries(await job.system.export(WARD), kind="inquiry.registered"))
    async with at_the_terminal(job) as browser:
        assert await enter(browser, job, "admin-1") == 200
        assert await ask(browser, job, with_account) == 400
        assert "権限がありません" in browser.said
        await browser.get("/held")
        assert "権限がありません" in browser.said
    assert len(entries(await job.system.export(WARD), kind="inquiry.registered")) == before


async def test_only_a_page_of_this_terminal_under_its_own_name_is_served(job):
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/held")
        assert await browser.post("/held/show", permit_id="K0", form_key="another") == 403
        assert await browser.post("/held/show", origin="http://elsewhere.example", permit_id="K0") == 403
        async with browser.session.post(f"{browser.base}/logout", data={"form_key": browser.form_key}) as answer:
            assert answer.status == 403  # no origin at all
        async with browser.session.get(f"{browser.base}/login", headers={"Host": "elsewhere.example"}) as answer:
            assert answer.status == 421
        for site, there in (("same-site", "/login"), ("same-origin", "/held")):  # ports of one machine are one site
            async with browser.session.get(f"{browser.base}/held", headers={"Sec-Fetch-Site": site}) as answer:
                assert answer.url.path == there
        async with browser.session.get(f"{browser.base}/login") as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Referrer-Policy"] == "same-origin"  # no-referrer: a form's Origin would be null
            assert 'name="referrer"' not in await answer.text()
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert (answer.headers["Cache-Control"], answer.headers["X-Frame-Options"]) == ("no-store", "DENY")
        async with browser.session.post(
            f"{browser.base}/login", data={"staff_id": "x"}, headers={"Origin": browser.base}
        ) as answer:
            assert answer.status == 401
        cookies = [one for one in browser.session.cookie_jar if one.key == f"seat-{job.terminal_port}"]
        assert all(one["httponly"] and one["samesite"] == "Strict" for one in cookies)
        assert cookies
        await browser.get("/held")
        async with browser.session.post(
            f"{browser.base}/logout",
            data={"form_key": browser.form_key},
            headers={"Origin": browser.base},
            allow_redirects=False,
        ) as answer:  # nothing is left for the back button
            assert answer.headers["Clear-Site-Data"] == '"cache"'
            assert answer.cookies[f"seat-{job.terminal_port}"]["max-age"] == "0"
        assert await browser.get("/held") == 200
        assert browser.seen[-1].endswith("/login")


async def test_what_was_typed_when_the_session_ended_comes_back_to_the_same_person_alone(job, with_account):
    typed = {"purpose": "<b>還付</b>のため", "period_first": "2022-04-01", "period_last": "2022-09-30"}
    number = job.system.number(RESIDENTS, with_account)
    before = len(entries(await job.system.export(WARD), kind="inquiry.registered"))
    for back, sees in (("staff-1", True), ("staff-2", False)):
        async with at_the_terminal(job) as browser:
            await enter(browser, job, "staff-1")
            await browser.get("/inquiry")
            page = browser.text
            await end_sessions(job, "staff-1")
            await browser.get("/held")  # in another window the end is noticed first
            browser.text = page
            assert await ask(browser, job, with_account, once=browser.field("once"), opened=page, **typed) == 401
            assert "書いたものは、同じ職員がログインすると戻ります" in browser.said
            assert number not in browser.text
            assert await enter(browser, job, back) == 200
            assert browser.seen[-1].endswith("/again" if sees else "/inquiry")
            assert (number in browser.text, "まだ送っていません" in browser.said) == (sees, sees)
            if sees:
                assert {name: browser.field(name) for name in typed} == typed
                assert account_choice(page) in re.findall(r'value="([^"]+)" selected', browser.text)
            await browser.post("/logout")
            await enter(browser, job, "staff-1")
            assert number not in browser.text  # whoever logs out leaves nothing
    assert len(entries(await job.system.export(WARD), kind="inquiry.registered")) == before


async def test_two_terminals_on_one_machine_leave_one_another_signed_in(job):
    cookies = aiohttp.CookieJar(unsafe=True)
    async with (
        at_the_terminal(job, cookies=cookies) as one,
        at_the_terminal(job, port=untaken(1)[0], cookies=cookies) as other,
    ):
        for browser, staff_id in ((one, "staff-1"), (other, "staff-2")):
            await enter(browser, job, staff_id)
        assert await one.get("/held") == 200
        assert ">staff-1<" in one.text
        assert await other.get("/card") == 200
        assert "staff_origins" in other.said  # a browser's card speaks to no other address than the registered ones
        assert 'id="card"' not in other.text
        status, told = await other.send("/login/challenge", {"staff_id": "staff-2"})
        assert (status, "staff_origins" in told["message"]) == (400, True)
        await other.post("/logout")
        assert await one.get("/held") == 200
        assert ">staff-1<" in one.text


async def test_a_session_that_ended_elsewhere_ends_the_seat(job):
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        assert await browser.get("/held") == 200
        async with job.system.administrator() as connection:
            await connection.execute(
                "update a_setagaya_intermediate.staff_session set ended_at = now(), mark = null where staff_id = 'staff-1'"
            )
        assert await browser.get("/held") == 401
        await browser.get("/inquiry")
        assert browser.seen[-1].endswith("/login")


async def test_a_security_key_is_enrolled_and_logs_in(job):
    card = SoftAuthenticator(origin=f"http://localhost:{job.terminal_port}")
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-2")
        await browser.get("/card")
        status, asked = await browser.send("/card/options", {"form_key": browser.form_key})
        assert status == 200
        assert asked["options"]["publicKey"]["user"]["displayName"] == "staff-2"  # no browser makes a card without it
        challenge = websafe_decode(asked["options"]["publicKey"]["challenge"])
        knows = known(job, "staff-2")
        words = {"password": knows.password, "passphrase": knows.passphrase, "form_key": browser.form_key}
        assert (await browser.send("/card/register", {**words, "form_key": "x", "registration": {}}))[0] == 403
        status, made = await browser.send("/card/register", {**words, "registration": card.register(challenge)})
        assert (status, "card_id" in made) == (200, True)
        await browser.post("/logout")
        _, given = await browser.send("/login/challenge", {"staff_id": "staff-2"})
        proof = {"challenge": given["challenge"], "webauthn": card.sign(base64.b64decode(given["challenge"]))}
        entered = {"staff_id": "staff-2", "password": knows.password, "reason": "held_review", **proof}
        assert (await browser.send("/login/web", {**entered, "password": "x"}))[0] == 403
        _, given = await browser.send("/login/challenge", {"staff_id": "staff-2"})
        proof = {"challenge": given["challenge"], "webauthn": card.sign(base64.b64decode(given["challenge"]))}
        assert await browser.send("/login/web", {**entered, **proof}) == (200, {"place": "/inquiry"})
        assert await browser.get("/held") == 200
