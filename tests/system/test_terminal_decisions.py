"""What staff decide at the terminal, by real HTTP: held provisions, holds and links of people, bars, grants; jobs and statistics (LS-1.3, SC-4, SC-11, IS-10)."""

from __future__ import annotations

import asyncio
import html
import re

from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from gateway.topology import Program, shipped
from tests.support.browser import Browser, at_the_terminal, by_card, enter, enter_by_card, known, with_card
from tests.support.running_system import INSURANCE, RESIDENTS, entries


async def held_insurance(job, number: str):
    """A provision of the ward about somebody's insurance that waits for its staff: the person, the answer, the held row."""
    system = job.system
    person = next(one for one in system.new_people(40) if system.business.is_insured(one))
    await system.populate([person])
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu"):
        await system.register(each, [person])
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    await system.load_records(INSURANCE, system.insurance(person, barred=True), f"terminal-{number}.ndjson")
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person))
    assert answer["state"] == "held"
    return person, answer, await system.held(WARD, answer["inquiry_number"])


async def test_two_people_see_what_would_leave_and_release_it(job):
    system = job.system
    person, answer, held = await held_insurance(job, "whole")
    async with at_the_terminal(job) as browser:
        for staff_id in ("staff-1", "staff-2"):
            await enter(browser, job, staff_id)
            await browser.get("/held")
            if held["permit_id"] not in browser.text:
                break
            assert await browser.post("/held/show", permit_id=held["permit_id"]) == 200
            for record in system.insurance(person):
                for value in record.items.values():
                    if "value" in value:
                        assert f">{html.escape(str(value['value']))}<" in browser.text
            fields = {name: browser.field(name) for name in ("permit_id", "content_hash", "shown")}
            page = browser.text
            assert await browser.post("/held/decide", **fields) == 400  # neither released nor refused
            browser.text = page
            assert await browser.post("/held/decide", decision="release", **fields) == 200
            await browser.post("/logout")
    assert (await system.settled("suginami-gyomu", answer))["state"] == "answered"


async def test_an_item_is_struck_out_and_only_what_was_shown_is_released(job):
    system = job.system
    _, answer, held = await held_insurance(job, "struck")
    permit = {"permit_id": held["permit_id"]}
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/held")
        await browser.post("/held/show", **permit)
        places = re.findall(r'<select name="(strike-[^"]+)"', browser.text)
        struck = {html.unescape(places[0]): "protection_of_person"}

        def seen() -> dict[str, str]:
            return {name: browser.field(name) for name in ("content_hash", "shown")}

        first = seen()
        everything = {html.unescape(place): "not_needed" for place in places}
        assert await browser.post("/held/decide", decision="look", **permit, **first, **everything) == 400
        assert "提供するものが残りません" in browser.said
        assert 'value="release"' not in browser.text
        assert await browser.post("/held/decide", decision="release", **permit, **first, **struck) == 400
        assert "まだ提供していません" in browser.said
        assert 'class="struck"' in browser.text
        assert seen() != first
        wrong = {**seen(), "content_hash": "0" * 64}
        assert (
            await browser.post("/held/decide", decision="release", reason="non_disclosure", **permit, **wrong, **struck)
            == 400
        )
        assert "見た内容と違います" in browser.said
        assert 'value="protection_of_person" selected' in browser.text  # what was chosen is there still
        assert 'value="non_disclosure" selected' in browser.text
        assert await browser.post("/held/decide", decision="release", **permit, **seen(), **struck) == 200
        await browser.post("/logout")
        await enter(browser, job, "staff-2")
        await browser.get("/held")
        if held["permit_id"] in browser.text:
            await browser.post("/held/show", **permit)
            assert 'class="struck"' in browser.text
            assert "1 項目を除く" in browser.said
            assert await browser.post("/held/decide", decision="release", **permit, **seen(), **struck) == 200
        assert await browser.post("/held/show", **permit) == 200  # decided: the list, and why
    given = (await system.settled("suginami-gyomu", answer))["values"]
    withheld = [
        name for record in given for name, said in record["items"].items() if said.get("null_reason") == "Withheld"
    ]
    assert withheld == [next(iter(struck)).split("-", 2)[2]]


CARE = {"affair": "addressee-care", "reason": "届出の確認"}
HOSTILE = "架空<script>alert(1)</script>"


async def held_row(job):
    """Somebody whom 住民基本台帳 holds, and of whom 国民健康保険 sends another name, made to run in a page: the person."""
    system = job.system
    [person] = system.new_people(1)
    await system.populate([person])
    await system.register(RESIDENTS, [person])
    async with system.stage.system(INSURANCE) as caller:
        sent = system.row(INSURANCE, person) | {"name": HOSTILE}
        [result] = (await caller.post("/v1/addressees", {"items": [sent]}))["items"]
    assert result["outcome"] == "held", result
    return person


async def stands_on_the_second_page(job, browser: Browser, decision_id: str) -> bool:
    """Of open decisions, when 200 were proposed before; it is not on the first."""
    role = shipped().hosting(Program.LINKAGE, WARD)
    assert role is not None
    async with job.system.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", role.tenant(WARD))
        await connection.execute(
            "insert into review_decision (decision_id, kind, subject, state, persons, revisions, sealed, content, business_system_id, affair, "
            "proposed_by, proposed_at) select 'D' || lpad(n::text, 26, '0'), 'freeze', 'many/' || n, 'proposed', '{}', '{}', '', "
            "decode(repeat('00', 32), 'hex'), 'juki', 'addressee-care', 'staff-1', now() from generate_series(1, 200) n"
        )
        try:
            await browser.post("/reviews", **CARE)
            assert decision_id not in browser.all("decision_id")
            await browser.post("/reviews", decisions_after=browser.field("decisions_after"), **CARE)
        finally:
            await connection.execute("delete from review_decision where subject like 'many/%'")
    return decision_id in browser.all("decision_id")


async def test_a_hold_is_decided_by_two_people_who_have_seen_the_same(job):
    person = await held_row(job)
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "admin-1")
        await browser.get("/reviews")
        assert await browser.post("/reviews", **CARE) == 400
        assert "権限がありません" in browser.said
        await enter(browser, job, "staff-1")
        await browser.get("/reviews")
        assert await browser.post("/reviews", affair="enquiries", reason="窓口") == 400
        assert "事務を選び直してください" in browser.said
        assert await browser.post("/reviews", **CARE) == 200
        assert person.name not in browser.text  # the list holds nobody's data
        hold = {"hold_id": browser.all("hold_id")[-1]}
        assert await browser.post("/reviews", after=hold["hold_id"], **CARE) == 200
        assert hold["hold_id"] not in browser.all("hold_id")  # the page after the last
        assert await browser.post("/reviews/hold", **CARE, **hold) == 200
        assert html.escape(HOSTILE) in browser.text
        assert "<script>" not in browser.text
        assert html.escape(person.name) in browser.text
        assert "違う" in browser.text
        assert await browser.post("/reviews/propose", items_go="1", **CARE, **hold) == 400
        assert 'name="items_go" value="1" checked' in browser.text
        assert await browser.post("/reviews/propose", action="link", **CARE, **hold) == 200
        assert 'value="approve"' not in browser.text  # nobody approves their own
        shown = {name: browser.field(name) for name in ("decision_id", "kind", "content_hash")}
        assert await browser.post("/reviews/settle", act="approve", **CARE, **shown) == 400
        assert "自分の提案は承認できません" in browser.said
        await browser.post("/logout")
        await enter(browser, job, "staff-2")
        await browser.get("/reviews")
        assert await stands_on_the_second_page(job, browser, shown["decision_id"])
        assert await browser.post("/reviews/decision", decision_id=shown["decision_id"], **CARE) == 200
        assert html.escape(HOSTILE) in browser.text
        assert browser.field("content_hash") == shown["content_hash"]
        wrong = {**shown, "content_hash": "0" * 64}
        assert await browser.post("/reviews/settle", act="approve", **CARE, **wrong) == 400
        assert "見た内容と違います" in browser.said
        assert await browser.post("/reviews/settle", act="approve", **CARE, **shown) == 200
        assert "承認しました" in browser.said
        assert not any(person.individual_number in address for address in browser.seen)
    acts = entries(await job.system.export(WARD), kind="staff.operated")
    done = [(one["actor"], one["facts"]["act"]) for one in acts if one["facts"].get("about") == shown["decision_id"]]
    assert ("staff-2", "approve") in done
    proposed = [one["actor"] for one in acts if one["facts"].get("act") == "propose"]
    assert proposed[-1:] == ["staff-1"]
    steps = [one["facts"] for one in entries(await job.system.linkage_log(), kind="persons.reviewed")]
    by = [(one["step"], one["staff"]) for one in steps if one["decision"] == shown["decision_id"]]
    assert by[:2] == [("propose", "staff-1"), ("approve", "staff-2")]


async def test_a_person_is_frozen_by_one_and_released_by_two(job):
    system = job.system
    [person] = system.new_people(1)
    await system.populate([person])
    for each in (RESIDENTS, INSURANCE):
        await system.register(each, [person])
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/reviews")
        assert await browser.post("/reviews/person", number="000000000000001", **CARE) == 400
        assert (browser.field("number"), browser.field("reason")) == ("000000000000001", CARE["reason"])
        assert await browser.post("/reviews/person", number=system.number(RESIDENTS, person), **CARE) == 200
        assert system.number(INSURANCE, person) in browser.text
        who = {"integrated_number": browser.field("integrated_number")}
        assert await browser.post("/reviews/recipients", since="いつか", **CARE, **who) == 400
        assert await browser.post("/reviews/recipients", since="2022-09-01", **CARE, **who) == 200
        assert "渡った機関はありません" in browser.text
        assert await browser.post("/reviews/link", act="link", other="123", **CARE, **who) == 400
        assert browser.field("other") == "123"
        assert await browser.post("/reviews/link", act="link", other=who["integrated_number"], **CARE, **who) == 400
        assert "二つの番号が同じです" in browser.said
        assert await browser.post("/reviews/link", act="freeze", **CARE, **who) == 200
        assert "凍結しました" in browser.said
        split = {f"addressee-{INSURANCE}-{system.number(INSURANCE, person)}": "1", "wrong_since": "2022-09-01"}
        right = {"right-name": "模擬　正子", "right-birth_date": "1990-02-31", "right-sex": "2"}
        assert await browser.post("/reviews/link", act="split", **split, **right, **CARE, **who) == 400
        assert browser.field("right-name") == "模擬　正子"
        right["right-birth_date"] = "1990-02-03"
        assert await browser.post("/reviews/link", act="split", **split, **right, **CARE, **who) == 200
        assert "分ける宛名番号" in browser.text
        told = re.findall(r"分けられる人の正しい([^<]*)</th><td>([^<]*)<", browser.text)
        assert told == [("氏名", "模擬　正子"), ("性別", "女"), ("生年月日", "1990-02-03")]
        shown = {name: browser.field(name) for name in ("decision_id", "kind", "content_hash")}
        assert await browser.post("/reviews/settle", act="withdraw", **CARE, **shown) == 200
        assert await browser.post("/reviews/link", act="release", **CARE, **who) == 200
        shown = {name: browser.field(name) for name in ("decision_id", "kind", "content_hash")}
        await enter(browser, job, "staff-2")
        await browser.get("/reviews")
        assert await browser.post("/reviews/decision", decision_id=shown["decision_id"], **CARE) == 200
        assert html.escape(person.name) in browser.text
        assert await browser.post("/reviews/settle", act="approve", **CARE, **shown) == 200
        await browser.post("/reviews/person", **CARE, **who)
        assert 'value="freeze"' in browser.text


async def test_a_bar_is_set_once_shown_with_its_person_on_record_and_lifted(job):
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/people")
        person = job.stage.people[0]
        keys = {"kana": person.kana[:4], "birth_date": person.birth_date.isoformat()}
        assert await browser.post("/people", affair="enquiries", reason="窓口での問合せ", **keys) == 200
        number = browser.field("integrated_number")
        await browser.get("/bars")
        bar = {"bar_id": browser.all("bar_id")[-1], "place": "person", "cause": "support_measures"}
        typed = {**bar, "effect": "freeze", "information": "", "data_item": ""}
        assert await browser.post("/bars/set", inquirer="suginami", integrated_number=number, **typed) == 400
        assert "どれか一つ" in browser.said
        assert re.search(rf'name="integrated_number"[^>]* value="{number}"', browser.text)
        assert 'value="support_measures" selected' in browser.text
        for _ in range(2):
            assert await browser.post("/bars/set", inquirer="", integrated_number=number, **typed) == 200
            assert number in browser.text
        await browser.get("/bars")
        assert browser.all("bar_id").count(bar["bar_id"]) == 1
        assert number not in browser.text
        assert await browser.post("/bars/change", bar_id=bar["bar_id"], event="check") == 400
        assert "この状態" in browser.said
        assert await browser.post("/bars/change", bar_id=bar["bar_id"], event="lift") == 200
        assert "外しました" in browser.said
        assert not any(number in address for address in browser.seen)
    changed = entries(await job.system.export(WARD), kind="bars.changed")
    assert [(one["actor"], one["facts"]["event"]) for one in changed][-2:] == [("staff-1", "set"), ("staff-1", "lift")]


async def test_a_grant_waits_for_a_second_person_with_both_factors(job):
    secret = {who: known(job, who) for who in ("admin-1", "admin-2")}

    def factors(who: str) -> dict[str, str]:
        return {"password": secret[who].password, "passphrase": secret[who].passphrase}

    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/grants")
        assert "権限がありません" in browser.said
        await enter(browser, job, "admin-1")
        await browser.get("/grants")
        grant = {
            "grant_id": re.search(r'/grants/ask".*?name="grant_id" value="([^"]+)"', browser.text, re.DOTALL).group(1)
        }
        asked = {"staff_id": "staff-2", "function": "backup", "office": "kokuho-nenkin", "until": "2023-04-01"}
        assert await browser.post("/grants/ask", information="なんでも", **grant, **asked) == 400
        assert (browser.field("staff_id"), browser.field("information")) == ("staff-2", "なんでも")
        assert await browser.post("/grants/ask", **grant, **asked) == 200
        await browser.post("/grants/show", **grant)
        shown = {**grant, "content_hash": browser.field("content_hash")}
        assert await browser.post("/grants/decide", event="approve", **shown, **factors("admin-1")) == 400
        assert "別の職員" in browser.said
        assert secret["admin-1"].password not in browser.text
        await enter(browser, job, "admin-2")
        await browser.get("/grants")
        await browser.post("/grants/show", **grant)
        for wrong in ({"password": "x"}, {"passphrase": "x"}):
            assert (
                await browser.post("/grants/decide", event="approve", **shown, **{**factors("admin-2"), **wrong}) == 400
            )
            assert "職員証" in browser.said
        assert (
            await browser.post(
                "/grants/decide", event="approve", **{**shown, "content_hash": "0" * 64}, **factors("admin-2")
            )
            == 400
        )
        assert "見た内容と違います" in browser.said
        decision = {"event": "approve", **shown}
        card = await with_card(browser, factors("admin-2"))
        await browser.get("/grants")
        signed = await by_card(browser, card, decision)
        assert await browser.post("/grants/decide", **decision, **signed, password=secret["admin-2"].password) == 400
        assert "ログインに使った職員証" in browser.said
        await enter_by_card(browser, card, "admin-2", secret["admin-2"].password)
        assert (await browser.send("/grants/challenge", {**decision, "form_key": "x"}))[0] == 403
        signed = await by_card(browser, card, decision)
        other = {**signed, **(await by_card(browser, card, {**decision, "event": "reject"}))}
        assert await browser.post("/grants/decide", **decision, **other) == 400  # signed for another act
        assert await browser.post("/grants/decide", **decision, **signed, password="x") == 400
        signed = await by_card(browser, card, decision)
        assert await browser.post("/grants/decide", **decision, **signed, password=secret["admin-2"].password) == 200
        assert "承認しました" in browser.said
        assert await browser.post("/grants/revoke", **grant) == 200
        await enter(browser, job, "admin-1")
        await browser.post("/grants/show", **grant)
        assert 'value="check"' in browser.text
        assert await browser.post("/grants/decide", event="check", **shown, **factors("admin-1")) == 200
        assert "失効を確かめました" in browser.said


async def test_an_account_is_extended_by_two_at_the_screen(job):
    names = ("admin-1", "admin-2")
    factors = {who: {"password": known(job, who).password, "passphrase": known(job, who).passphrase} for who in names}
    add = ["staff", "add", "kari-9", "--office", "zeimu", "--until", "2022-11-01", "--agency", WARD]
    assert await asyncio.to_thread(main, [*add, "--data", str(job.system.running.data.root)]) == OK
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        await browser.get("/accounts")
        assert "権限がありません" in browser.said
        await enter(browser, job, "admin-1")
        assert await browser.get("/accounts") == 200
        assert "<td>kari-9</td>" in browser.text  # what ends soon
        drawn, wanted = {"extension_id": browser.field("extension_id")}, {"staff_id": "kari-9", "cards": ""}
        assert await browser.post("/accounts/propose", **drawn, **wanted, until="2032-04-01") == 400
        assert "設定の上限" in browser.said
        assert (browser.field("staff_id"), browser.field("until")) == ("kari-9", "2032-04-01")
        assert await browser.post("/accounts/propose", **drawn, **wanted, until="2023-04-01") == 200
        await browser.post("/accounts/show", **drawn)
        shown = {**drawn, "content_hash": browser.field("content_hash")}
        assert await browser.post("/accounts/decide", event="approve", **shown, **factors["admin-1"]) == 400
        assert "別の職員" in browser.said
        assert factors["admin-1"]["password"] not in browser.text
        await enter(browser, job, "admin-2")
        await browser.get("/accounts")
        await browser.post("/accounts/show", **drawn)
        unseen = {**shown, "content_hash": "0" * 64}
        assert await browser.post("/accounts/decide", event="approve", **unseen, **factors["admin-2"]) == 400
        assert "見た内容と違います" in browser.said
        assert (await browser.send("/accounts/challenge", {**shown, "event": "approve", "form_key": "x"}))[0] == 403
        assert await browser.post("/accounts/decide", event="approve", **shown, **factors["admin-2"]) == 200
        assert "期限が延びました" in browser.said


async def test_jobs_of_both_servers_and_statistics_are_on_the_screen(job):
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "staff-1")
        assert await browser.get("/jobs") == 200
        assert {"番号連携", "中間"} <= set(re.findall(r"<tr><td>([^<]+)<", browser.text))
        assert await browser.post("/jobs/retry", kind="backup", id="J0") == 400
        assert "そのジョブはありません" in browser.said
        assert await browser.get("/statistics") == 200
        months = {"since": "2022-09", "until": "2022-10", "by-month": "1", "by-outcome": "1"}
        assert await browser.post("/statistics", **months) == 400
        assert "終わった月まで" in browser.said
        assert browser.field("until") == "2022-10"
        assert await browser.post("/statistics", **{**months, "until": "2022-09"}) == 200
        assert "示せる数はありません" in browser.text
        assert await browser.post("/statistics", csv="1", **{**months, "until": "2022-09"}) == 200
        assert browser.text.splitlines() == ["month,outcome,exchanges"]
        await enter(browser, job, "admin-1")
        await browser.get("/jobs")
        assert "権限がありません" in browser.said
    async with at_the_terminal(job, agency="suginami", client="suginami-gyomu") as browser:
        await enter(browser, job, "staff-1", agency="suginami")
        assert await browser.get("/jobs") == 200
        assert "クライアントがありません" in browser.said
