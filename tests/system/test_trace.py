"""`sekisho trace` on the logs that the whole job left: each kind of inquiry through every party, as lines and as a page."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from tests.support.running_system import RESIDENTS, entries


def traced(job, number: str, tmp_path, capsys) -> tuple[dict, str]:
    """What the command prints for programs, and its page."""
    target = tmp_path / "trace.html"
    words = ["trace", number, "--json", "--html", str(target), "--data", str(job.system.running.data.root)]
    assert main(words) == OK
    return json.loads(capsys.readouterr().out), target.read_text()


@pytest.fixture(scope="module")
def ward_log(job):
    return asyncio.run(job.system.export(WARD))


def number_of(log: bytes, kind: str, **facts) -> str:
    found = (one for one in entries(log, kind=kind) if all(one[name] == value for name, value in facts.items()))
    return str(next(found)["inquiry_number"])


def test_a_refusal_by_the_desk_is_traced_with_its_proof(job, tmp_path, capsys):
    question = job.system.from_the_ward(job.stage.people[0], addressee_number="999999999999999")
    refused = asyncio.run(job.system.ask(RESIDENTS, question))
    document, page = traced(job, refused["inquiry_number"], tmp_path, capsys)
    assert [(one["party"], one["server"], one["kind"], one["reason"]) for one in document["entries"]] == [
        (WARD, "linkage", "inquiry.refused", "addressee_unknown")
    ]
    assert f"sekisho.example/{WARD}/linkage/2022" in page
    assert "1 / 1 検証" in page
    assert page.count("it never came here") == 3


def test_an_answered_inquiry_is_proved_at_every_party_and_decided_alike_again(job, ward_log, tmp_path, capsys):
    number = number_of(ward_log, "provision.made", inquirer="suginami")
    document, page = traced(job, number, tmp_path, capsys)
    assert {one["party"] for one in document["entries"]} == {WARD, "suginami", "network"}
    count = len(document["entries"])
    assert f"{count} / {count} 検証" in page
    assert page.count("再判定も同じ") == 3
    [what_for] = [one["purpose_text"] for one in document["entries"] if one["kind"] == "inquiry.registered"]
    assert what_for in {"デモの照会", "試験の照会"}
    assert what_for not in asyncio.run(job.system.export("suginami")).decode()
    assert "異常なし、登録簿の鍵" in page
    assert "杉並区長が世田谷区長に" in page


def test_a_released_inquiry_names_who_saw_and_released_it(job, ward_log, tmp_path, capsys):
    number = number_of(ward_log, "provision.released")
    _, page = traced(job, number, tmp_path, capsys)
    assert "職員が内容を見て提供した" in page
    assert "操作: held.view" in page


def test_what_a_core_permitted_against_the_list_is_shown_beside_the_provider_s_no(job, ward_log, tmp_path, capsys):
    number = number_of(ward_log, "provision.refused", reason="information_not_in_row")
    _, page = traced(job, number, tmp_path, capsys)
    assert "コア・インターフェイスシステム: 許可と記録、再判定は逆" in page
    assert "提供者の中間サーバー: 不許可" in page
    assert "リストが言うこと" in page


def test_a_linkage_servers_log_is_exported_by_its_auditor_alone(job, tmp_path, capsys):
    root, out = str(job.system.running.data.root), tmp_path / "desk.ndjson"
    assert main(["export", "--client", "kansa", str(out), "--data", root]) == OK
    assert main(["verify", str(out), "--data", root, "--json"]) == OK
    log = json.loads(capsys.readouterr().out)["logs"][0]
    assert (log["agency"], log["party"], log["anchored"]) == (WARD, "linkage", True)
    assert main(["export", "--client", "kokuho", str(out), "--data", root]) == REFUSED
    assert main(["export", "--client", "nobody", str(out), "--data", root]) == BAD_INPUT


def test_a_page_that_cannot_be_written_is_said_before_anybody_is_asked(job, tmp_path, capsys):
    words = ["trace", "Q01JZZZZZZZ0000000000000000", "--html", str(tmp_path / "nowhere" / "a.html")]
    assert main([*words, "--data", str(job.system.running.data.root)]) == BAD_INPUT
    assert "--html" in capsys.readouterr().err
