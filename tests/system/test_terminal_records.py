"""What staff see and write at the terminal: copies, business information, codes that were not renewed (LS-2.3, IS-1, IS-6, SC-7, SC-24)."""

from __future__ import annotations

import asyncio
import html
import io
import json
import re
import sys

import pytest

from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from tests.support.browser import Browser, at_the_terminal, enter
from tests.support.running_system import INSURANCE, RESIDENTS, entries
from tests.support.staff_terminal import first, somebody, terminal

INSURED = "医療保険給付関係情報"
WORK = {"affair": "insurance-qualification", "reason": "届出の入力"}
QUALIFICATION = {
    "保険者番号": "99999999", "被保険者記号": "模擬10", "被保険者番号": "90000001", "枝番": "01", "資格取得年月日": "2020-04-01",
    "資格取得事由": "01", "資格喪失年月日": "", "資格喪失事由": "",
}  # fmt: skip
NONE = {"null-資格喪失年月日": "NotApplicable", "null-資格喪失事由": "NotApplicable"}


async def newcomer(job, *, insured: bool = True):
    """Somebody of whom 国民健康保険 has records, or none: the person and their integrated number."""
    system = job.system
    person = next(one for one in system.new_people(40) if system.business.is_insured(one) or not insured)
    await system.populate([person])
    [found] = await system.register(RESIDENTS, [person])
    await system.register(INSURANCE, [person])
    if insured:
        await system.load_records(
            INSURANCE, system.insurance(person), f"records-{system.number(INSURANCE, person)}.ndjson"
        )
    return person, found["integrated_number"]


def choice_of(browser: Browser) -> str:
    return html.unescape(re.search(rf'<option value="({INSURED}\|[^"]+)"', browser.text).group(1))


def operated(log, function: str) -> list[dict]:
    return [one for one in entries(log, kind="staff.operated") if one["facts"].get("function") == function]


async def set_bar(browser: Browser, **said: str) -> str:
    await browser.get("/bars")
    bar_id = browser.all("bar_id")[-1]
    nothing = {"integrated_number": "", "inquirer": "", "information": "", "data_item": "", "cause": "incident"}
    assert await browser.post("/bars/set", **{**nothing, "bar_id": bar_id, **said}) == 200
    return bar_id


async def test_copies_are_shown_as_they_stand_after_the_look_is_on_record(job):
    person, number = await newcomer(job)
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/copies")
        choice = choice_of(browser)
        asked = {"integrated_number": number, "choice": choice, "reason": "inspection", "reference": "R4-17"}
        assert await browser.post("/copies", **{**asked, "choice": f"{INSURED}|なし"}) == 400
        assert "挙げていません" in browser.said
        assert browser.field("integrated_number") == number
        assert await browser.post("/copies", **{**asked, "reference": "参照"}) == 400
        assert await browser.post("/copies", **asked) == 200
        records = job.system.insurance(person)
        for value in (said["value"] for record in records for said in record.items.values() if "value" in said):
            assert f">{html.escape(str(value))}" in browser.text
        assert re.search(r"資格取得事由</th><td[^>]*>[0-9]{2} [^0-9<]+<", browser.text)  # what a code means
        assert browser.text.count("公開中") == len(records)
        assert "<dt>レイアウトの版</dt><dd>0001</dd>" in browser.text
        assert "凍結中" not in browser.text
        frozen = await set_bar(browser, place="person", effect="freeze", integrated_number=number)
        item = await set_bar(browser, place="item", effect="hold", information=INSURED, data_item="枝番")
        assert await browser.post("/copies", **asked) == 200
        assert "凍結中です" in browser.said
        assert "項目の制限: 枝番" in browser.text
        await browser.get("/bars")
        for bar_id in (frozen, item):
            await browser.post("/bars/change", bar_id=bar_id, event="lift")
        assert await browser.post("/copies/about", integrated_number=number) == 200
        assert browser.field("integrated_number") == number
        assert not any(number in address for address in browser.seen)
        await enter(browser, job, "admin-1")
        await browser.get("/copies")
        assert await browser.post("/copies", **asked) == 400
        assert "権限がありません" in browser.said
    acts = operated(await job.system.export(WARD), "replicas.view")
    looks = [one for one in acts if one["facts"].get("replicas")]
    assert {(one["actor"], one["reason"], one["facts"]["reference"]) for one in looks[-2:]} == {
        ("staff-1", "inspection", "R4-17")
    }
    assert looks[-1]["facts"]["information"] == INSURED
    assert looks[-1]["facts"]["affair"] == choice.partition("|")[2]
    assert looks[-1]["facts"]["person"]
    assert number not in json.dumps(acts)


async def test_a_right_to_see_copies_covers_its_affair_and_information_alone(job):
    _, number = await newcomer(job, insured=False)
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/copies")
        affairs = re.findall(rf'<option value="{INSURED}\|([^"]+)"', browser.text)
    async with terminal(job.system.running) as desk:
        one, other = [await desk.entered(first(job.system.running, each)) for each in ("admin-1", "admin-2")]
        holder = somebody()
        await desk.add(one, holder)
        await desk.entered(holder)
        wanted = {"integrated_number": number, "information": INSURED, "affair": affairs[0]}
        assert await desk.call(holder, "replicas/view", wanted) == (403, "right_missing")
        await desk.granted(one, other, holder, "replicas.view", affair=affairs[0], information=INSURED)
        status, found = await desk.call(holder, "replicas/view", wanted)
        assert (status, found["replicas"], found["next"]) == (200, [], None)
        for changed, answer in (
            ({"affair": affairs[1]}, (403, "right_missing")),
            ({"affair": "*"}, (400, "affair_not_listed")),
            ({"information": "ほか"}, (400, "information_unknown")),
            ({"integrated_number": "12"}, (400, "integrated_number_malformed")),
        ):
            assert await desk.call(holder, "replicas/view", {**wanted, **changed}) == answer
        await desk.granted(one, other, holder, "desk.business.view", affair="insurance-qualification")
        act = {"affair": "insurance-qualification", "information": INSURED, "act": "look"}
        assert (await desk.call(holder, "staff/desk/business-information", act))[0] == 200
        unknown = await desk.call(holder, "staff/desk/business-information", {**act, "information": "123456789012"})
        assert unknown == (400, "information_unknown")
        for wrong in ({"affair": "insurance-notices"}, {"act": "delete"}):
            answer = await desk.call(holder, "staff/desk/business-information", {**act, **wrong})
            assert answer == (403, "right_missing")
        for typed, reason in (
            ({"information": "山田太郎"}, "information_unknown"),
            ({"affair": "123456789018"}, "malformed_item"),
        ):
            answer = await desk.call(holder, "staff/desk/business-information", {**act, **typed})
            assert answer == (400, reason)


BENEFIT = {
    "value-給付種類": "01", "value-支給決定年月日": "2022-09-01", "value-支給額": "1200",
    "value-支給対象期間開始日": "2022-08-01", "value-支給対象期間終了日": "2022-08-31",
}  # fmt: skip


def fields_of(record: dict[str, str]) -> dict[str, str]:
    return {f"value-{name}": value for name, value in record.items()} | NONE


async def test_a_record_is_entered_once_and_what_is_wrong_is_told_at_its_field(job):
    person, _ = await newcomer(job, insured=False)
    about = {**WORK, "addressee_number": job.system.number(INSURANCE, person), "information": INSURED}
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/business")
        assert await browser.post("/business/about", addressee_number=about["addressee_number"]) == 200
        assert browser.field("addressee_number") == about["addressee_number"]
        assert await browser.post("/business", **{**about, "addressee_number": "１２"}) == 400
        assert await browser.post("/business", **about) == 200
        assert "記録はありません" in browser.text
        assert await browser.post("/business/edit", data_set="資格情報", **about) == 200
        kept = {name: browser.field(name) for name in ("once", "typed", "data_set", "record_id", "edition", "version")}
        wrong = fields_of({**QUALIFICATION, "保険者番号": "9", "資格取得事由": "77"}) | {"null-枝番": "NotApplicable"}
        assert await browser.post("/business/save", **about, **kept, **wrong, public_to="2022-02-31") == 400
        assert "直すところが 4 か所" in browser.said
        told = dict(re.findall(r'id="wrong-([^"]+)">([^<]+)<', browser.text))
        assert set(told) == {"value-保険者番号", "value-資格取得事由", "value-枝番", "public_to"}
        assert told["value-保険者番号"].endswith("（8 桁の数字）")
        assert browser.field("value-被保険者番号") == "90000001"
        right = {**about, **kept, **fields_of(QUALIFICATION)}
        assert await browser.post("/business/save", **{**right, "parent_record_id": "nobody"}) == 400
        assert (
            "親の記録はありません" in dict(re.findall(r'id="wrong-([^"]+)">([^<]+)<', browser.text))["parent_record_id"]
        )
        for _ in range(2):  # sent twice it is entered once
            assert await browser.post("/business/save", **right) == 200
        assert browser.text.count(f"<code>{kept['record_id']}</code>") == 1
        assert ">90000001<" in browser.text


async def entered(browser: Browser, about: dict[str, str], data_set: str, values: dict[str, str], **parent: str) -> str:
    """A record that is there: its id."""
    assert await browser.post("/business/edit", data_set=data_set, **about, **parent) == 200
    kept = {name: browser.field(name) for name in ("once", "typed", "record_id", "edition", "version")}
    assert await browser.post("/business/save", data_set=data_set, **about, **parent, **kept, **values) == 200
    return kept["record_id"]


async def test_a_record_is_changed_and_deleted_as_it_was_opened(job):
    person, _ = await newcomer(job, insured=False)
    about = {**WORK, "addressee_number": job.system.number(INSURANCE, person), "information": INSURED}
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/business")
        parent = await entered(browser, about, "資格情報", fields_of(QUALIFICATION))
        child = await entered(browser, about, "給付情報", BENEFIT, parent_record_id=parent)
        record = {"record_id": parent}
        assert await browser.post("/business/edit", **about, **record) == 200
        assert browser.field("value-被保険者番号") == "90000001"
        assert 'value="NotApplicable" selected' in browser.text
        opened = {
            name: browser.field(name) for name in ("once", "typed", "data_set", "record_id", "edition", "version")
        }
        changed = fields_of({**QUALIFICATION, "被保険者番号": "90000002"})
        assert await browser.post("/business/save", **about, **opened, **changed, auto_response="barred") == 200
        assert ">90000002<" in browser.text
        assert "職員が確かめるまで保留" in browser.text
        late = fields_of({**QUALIFICATION, "被保険者番号": "90000003"})
        assert await browser.post("/business/save", **{**about, **opened, **late, "once": "0" * 32}) == 400
        assert "変わっています" in browser.said
        assert browser.field("value-被保険者番号") == "90000003"
        lifts = {**about, **opened, **changed, "once": "1" * 32, "auto_response": "allowed"}
        assert await browser.post("/business/save", **lifts) == 400, "opened before the bar was set"
        assert await browser.post("/business/delete", **about, **record) == 200
        sure = {**record, "sure": "1", **{name: browser.field(name) for name in ("edition", "once")}}
        assert await browser.post("/business/delete", **about, **sure) == 400
        assert "先にそれを消してください" in browser.said
        for record_id in (child, parent):
            await browser.post("/business/delete", **about, record_id=record_id)
            sure = {"sure": "1", **{name: browser.field(name) for name in ("edition", "once", "record_id")}}
            assert await browser.post("/business/delete", **about, **sure) == 200
            assert "消しました" in browser.said
        assert "記録はありません" in browser.text
        assert await browser.post("/business", **about, editions="1") == 200
        assert "消された記録" in browser.text
        assert ">90000001<" in browser.text
        assert not any(about["addressee_number"] in address for address in browser.seen)
    log = await job.system.export(WARD)
    acts = [
        (one["actor"], one["facts"]["act"]) for one in operated(log, "desk.business.change") if "act" in one["facts"]
    ]
    assert [act for _, act in acts][-3:] == ["delete"] * 3
    assert {("staff-1", "register"), ("staff-1", "change")} <= set(acts)
    seen = entries(await job.system.linkage_log(), kind="persons.seen")
    assert {"staff": "staff-1", "affair": WORK["affair"], "look": "business_information"}.items() <= seen[-1][
        "facts"
    ].items()


async def test_business_information_takes_its_own_right_and_a_client_that_has_it(job):
    person, _ = await newcomer(job, insured=False)
    about = {**WORK, "addressee_number": job.system.number(INSURANCE, person), "information": INSURED}
    async with at_the_terminal(job) as browser:
        await enter(browser, job, "admin-1")
        await browser.get("/business")
        assert await browser.post("/business", **about) == 400
        assert "権限がありません" in browser.said
    async with at_the_terminal(job, agency="suginami", client="suginami-gyomu") as browser:
        await enter(browser, job, "staff-1", agency="suginami")
        assert await browser.get("/business") == 403
        assert "クライアントがありません" in browser.said


@pytest.fixture
async def left_behind(job):
    """Somebody whose code the core did not renew, as it stands in the database: their number."""
    _, number = await newcomer(job, insured=False)
    await job.system.obtain_codes(RESIDENTS)
    write = "update a_setagaya_intermediate.person_code set renewal_refused = $2, renewal_refused_at = $3 where integrated_number = $1"
    since = job.system.running.role("intermediate").clock()
    async with job.system.administrator() as connection:
        assert await connection.execute(write, number, "code_epoch_over", since) == "UPDATE 1"
        yield number
        await connection.execute(write, number, None, None)


async def test_codes_that_were_not_renewed_are_listed_with_what_to_do_and_on_record(job, left_behind):
    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        assert await browser.get("/codes") == 200
        row = next(one for one in re.findall(r"<tr>.*?</tr>", browser.text, re.DOTALL) if left_behind in one)
        assert "世代が終わり" in row
        assert "取り直す" in row
        assert await browser.post("/codes/again", id="epoch-99") == 400
        assert "そのジョブはありません" in browser.said
        assert await browser.post("/codes", after=left_behind) == 200
        assert left_behind not in browser.text
        await enter(browser, job, "admin-1")
        await browser.get("/codes")
        assert "権限がありません" in browser.said
    looks = [
        one["facts"] for one in operated(await job.system.export(WARD), "operations") if one["facts"].get("person")
    ]
    assert looks[-1].keys() >= {"person", "epoch"}


async def test_copies_and_codes_by_command(job, left_behind, capsys, monkeypatch):
    person, number = await newcomer(job)

    async def sekisho(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{number}\n"))
        where = ("--agency", WARD, "--data", str(job.system.running.data.root))
        code = await asyncio.to_thread(main, [*words, *where])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    async with at_the_terminal(job) as browser:
        await enter(browser, job)
        await browser.get("/copies")
        affair = choice_of(browser).partition("|")[2]
    asked = ("copies", "--information", INSURED, "--affair", affair, "--reason", "inspection")
    code, shown = await sekisho(*asked, "--json")
    assert code == 0
    records = job.system.insurance(person)
    assert len(json.loads(shown)["replicas"]) == len(records)
    code, shown = await sekisho(*asked)
    assert (code, shown.count("公開中")) == (0, len(records))
    assert (await sekisho(*asked[:3], "--affair", "なし"))[0] == 3
    assert (await sekisho(*asked, "--reference", "参照"))[0] == 2
    code, shown = await sekisho("codes", "not-renewed")
    assert code == 0
    assert left_behind in shown
    assert "sekisho call code-requests/replace" in shown
