"""`sekisho trace` on the logs that the whole job left: each kind of inquiry through every party, as lines and as a page."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from evidence.entry import EntryKind, exchange_entry
from evidence.export import LogParty
from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED
from tests.evidence.exchanges import Log
from tests.support.running_system import RESIDENTS, entries


def traced(job, number: str, tmp_path, capsys, *, code: int = OK) -> tuple[dict, str]:
    """What the command prints for programs, and its page; `code`: with which it ends."""
    target = tmp_path / "trace.html"
    words = ["trace", number, "--json", "--html", str(target), "--data", str(job.system.running.data.root)]
    assert main(words) == code
    return json.loads(capsys.readouterr().out), target.read_text()


@pytest.fixture(scope="module")
def ward_log(job):
    return asyncio.run(job.system.export(WARD))


def number_of(log: bytes, kind: str, **facts) -> str:
    found = (one for one in entries(log, kind=kind) if all(one[name] == value for name, value in facts.items()))
    return str(next(found)["inquiry_number"])


@pytest.mark.parametrize(("agency", "asking"), [(WARD, RESIDENTS), ("suginami", "suginami-gyomu")])
def test_a_refusal_by_the_desk_is_traced_with_its_proof(job, tmp_path, capsys, agency, asking):
    """The ward's own, and a neighbour's: each has an auditor's client."""
    question = job.system.from_the_ward(job.stage.people[0], addressee_number="999999999999999")
    refused = asyncio.run(job.system.ask(asking, question))
    document, page = traced(job, refused["inquiry_number"], tmp_path, capsys)
    assert [(one["party"], one["server"], one["kind"], one["reason"]) for one in document["entries"]] == [
        (agency, "linkage", "inquiry.refused", "addressee_unknown")
    ]
    assert document["desks_not_readable"] == []
    assert f"sekisho.example/{agency}/linkage/2022" in page
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
    _, page = traced(job, number, tmp_path, capsys, code=FAILED)  # somebody decided against the list
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


class Handed(Log):
    """The log of an agency whose server is elsewhere, kept by itself under the key that the register has."""

    def __init__(self, job, agency: str) -> None:
        super().__init__(agency=agency, party=LogParty.INTERMEDIATE)
        self.own = job.system.running.elsewhere(agency).open_keys(agency).ring.signer("log")

    @property
    def origin(self) -> str:
        return f"sekisho.example/{self.agency}/intermediate/2022"

    @property
    def signer(self):
        return self.own


@pytest.fixture(scope="module")
def elsewhere(job):
    """A refusal by the core of an agency elsewhere, as the core has it, and that agency's own log of it."""
    core = asyncio.run(job.system.export("network"))
    refused = next(one for one in entries(core, kind="permit.refused") if one["inquirer"] == "tashi")
    log, at = Handed(job, "tashi"), datetime.fromisoformat(refused["at"])
    said = {
        name: refused[name]
        for name in (
            "inquiry_number",
            "inquirer",
            "provider",
            "basis",
            "item",
            "information",
            "items",
            "list_digest",
            "request_digest",
        )
    }
    for kind, before, more in (
        (EntryKind.INQUIRY_REGISTERED, 5, {}),
        (EntryKind.INQUIRY_DENIED, -5, {"disposition": "refused", "reason": refused["reason"]}),
    ):
        log.append(exchange_entry(id=kind.value, at=at - timedelta(milliseconds=before), kind=kind, **said, **more))
    return log, refused["inquiry_number"]


def test_the_side_of_an_agency_elsewhere_stands_on_the_time_line_when_it_hands_over_its_export(
    job, elsewhere, tmp_path, capsys
):
    log, number = elsewhere
    (tmp_path / "tashi.ndjson").write_bytes(b"".join(log.lines()))
    words = ["trace", number, "--json", "--data", str(job.system.running.data.root)]
    assert main(words) == OK
    without = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in without["entries"]] == ["permit.refused"]
    assert "tashi" in without["not_reachable"]
    page = tmp_path / "trace.html"
    given = ["--export", str(tmp_path / "tashi.ndjson"), "--html", str(page)]
    assert main([*words, *given]) == FAILED, "it registered what the list refuses"
    found = json.loads(capsys.readouterr().out)
    assert [(one["party"], one["kind"]) for one in found["entries"]] == [
        ("tashi", "inquiry.registered"),
        ("network", "permit.refused"),
        ("tashi", "inquiry.denied"),
    ]
    assert found["not_reachable"] == []
    assert "3 / 3 検証" in page.read_text()


def test_an_export_that_proves_nothing_is_not_shown(job, elsewhere, tmp_path, capsys):
    log, number = elsewhere
    good = b"".join(log.lines())
    stranger = Log(agency="tashi", party=LogParty.INTERMEDIATE, bodies=list(log.bodies), notes=list(log.notes))
    wrong = {
        "changed": good.replace(b"inquiry.denied", b"inquiry.denjed"),
        "cut": good[: len(good) // 2],
        "of another log": b"".join(stranger.lines()),
        "no export": b"{}\n",
    }
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
    given = [[tmp_path / name] for name in wrong] + [[tmp_path / "is not there"], [tmp_path / "good"] * 2]
    (tmp_path / "good").write_bytes(good)
    for files in given:
        words = [word for file in files for word in ("--export", str(file))]
        assert main(["trace", number, *words, "--data", str(job.system.running.data.root)]) == BAD_INPUT
        told = capsys.readouterr()
        assert (str(files[-1]) in told.err, told.out) == (True, "")
