"""情報提供等記録 through the real servers and the command line (IS-5, SC-16, SC-27): searched, proven, corrected, shown to its person, erased."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import pytest

from gateway.__main__ import main
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED
from storage.database import Database
from tests.support.running_system import entries

FINDINGS = 1


@pytest.fixture
def sekisho(job, capsys, monkeypatch):
    """Run a command on the ward, with what is said to its standard input; returns exit code and what it printed."""

    def run(*words: str, said: str = "", agency: str | None = WARD):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{said}\n"))
        where = ("--agency", agency) if agency else ()
        code = main([*words, *where, "--data", str(job.system.running.data.root)])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if "--json" in words else printed.out + printed.err

    return run


@pytest.fixture(scope="module")
def somebody(job) -> str:
    """The integrated number of somebody whose data the ward has given and who was asked about: what only the ward's own database tells."""
    return asyncio.run(_of_an_answer(job))


async def _of_an_answer(job) -> str:
    database = await Database.open(job.system.running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_intermediate") as connection:
            found = await connection.fetchval(
                "select integrated_number from provision where state = 'provided' order by permit_id limit 1"
            )
    finally:
        await database.close()
    assert found is not None
    return found


def test_records_of_a_person_are_found_and_each_look_is_on_record(sekisho, somebody, job):
    code, found = sekisho("records", "search", "--person", "--json", said=somebody)
    assert code == OK
    assert {one["kind"] for one in found} >= {"provision.made"}
    narrower = sekisho("records", "search", "--person", "--kind", "provision.made", "--json", said=somebody)[1]
    assert narrower == [one for one in found if one["kind"] == "provision.made"]
    assert sekisho("records", "search", "--affair", "998", "--json") == (OK, [])
    log = entries(asyncio.run(job.system.export(WARD)), kind="staff.operated")
    looks = [one for one in log if one["facts"].get("function") == "records.search" and "by_staff" in one["facts"]]
    assert {one["facts"].get("record_kind") for one in looks if "person" in one["facts"]} >= {None, "provision.made"}
    assert len({one["facts"]["person"] for one in looks if "person" in one["facts"]}) == 1
    assert somebody not in json.dumps(log), "the number itself is nowhere in the log"


def test_everything_found_goes_into_a_file(sekisho, tmp_path):
    out = tmp_path / "records.csv"
    assert sekisho("records", "export", str(out), "--partner", "suginami")[0] == OK
    header, *rows = out.read_text().splitlines()
    assert header.startswith("id,at,kind,outcome,inquiry_number,inquirer,inquirer_for,provider")
    lines = tmp_path / "records.ndjson"
    assert sekisho("records", "export", str(lines), "--partner", "suginami", "--format", "ndjson")[0] == OK
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [one["id"] for one in records] == [row.split(",")[0] for row in rows]
    assert {one["inquirer"] for one in records} | {one["provider"] for one in records} == {"suginami", WARD}


def test_the_proof_of_one_record_is_checked_by_anybody_who_has_the_register(sekisho, somebody, tmp_path):
    record = sekisho("records", "search", "--person", "--json", said=somebody)[1][0]
    file = tmp_path / "proof.ndjson"
    code, told = sekisho("records", "show", record["id"], "--proof", str(file))
    assert (code, record["id"] in told) == (OK, True)
    assert sekisho("verify", "--extract", str(file), agency=None)[0] == OK
    file.write_text(file.read_text().replace(record["inquiry_number"], record["inquiry_number"][::-1]))
    code, report = sekisho("verify", "--extract", str(file), "--json", agency=None)
    assert (code, report["clean"]) == (FINDINGS, False)
    assert sekisho("records", "show", "E0")[0] == REFUSED
    assert sekisho("verify", agency=None)[0] == BAD_INPUT
    assert sekisho("verify", str(file), "--extract", str(file), agency=None)[0] == BAD_INPUT


def test_a_correction_is_a_new_record_that_two_people_made(sekisho, somebody):
    search = ("records", "search", "--person", "--kind", "provision.made", "--json")
    record = sekisho(*search, said=somebody)[1][0]
    correct = ("records", "correct", record["id"], "--field", "disposition", "--reason", "found_by_staff")
    assert sekisho(*correct, "--value", "山田太郎に渡した")[0] == REFUSED
    code, told = sekisho(*correct, "--value", "not_provided")
    correction_id, state, content_hash = told.split()
    assert (code, state) == (OK, "proposed")
    own = sekisho("records", "approve", correction_id, "--hash", content_hash)
    assert (own[0], "second_person_needed" in own[1]) == (REFUSED, True)
    other = sekisho("records", "approve", correction_id, "--hash", "0" * 64, "--staff", "staff-2")
    assert (other[0], "content_changed" in other[1]) == (REFUSED, True)
    code, told = sekisho("records", "approve", correction_id, "--hash", content_hash, "--staff", "staff-2")
    assert (code, told.split()[1]) == (OK, "approved")
    again = sekisho("records", "approve", correction_id, "--hash", content_hash, "--staff", "staff-2")
    assert (again[0], "decided_already" in again[1]) == (REFUSED, True)

    now = sekisho(*search, said=somebody)[1][0]
    assert {name: now[name] for name in record if name != "corrections"} == {
        name: record[name] for name in record if name != "corrections"
    }
    [correction] = now["corrections"]
    assert (correction["correction_id"], correction["state"], correction["decided_by"]) == (
        correction_id,
        "approved",
        "staff-2",
    )
    found = sekisho("records", "search", "--person", "--json", said=somebody)[1]
    entry = next(one for one in found if one["kind"] == "record.corrected")
    assert (entry["facts"]["corrects"], entry["facts"]["proposed_by"], entry["facts"]["approved_by"]) == (
        record["id"], "staff-1", "staff-2",
    )  # fmt: skip


def test_a_rejected_correction_leaves_no_record(sekisho, somebody):
    record = sekisho("records", "search", "--person", "--kind", "provision.made", "--json", said=somebody)[1][0]
    told = sekisho(
        "records", "correct", record["id"], "--field", "subject", "--reason", "wrong_link", said="123456789012345"
    )[1]
    correction_id, _, content_hash = told.split()
    assert "123456789012345" not in told
    code, told = sekisho("records", "reject", correction_id, "--hash", content_hash, "--staff", "staff-2")
    assert (code, told.split()[1]) == (OK, "rejected")
    assert sekisho("records", "search", "--person", "--json", said="123456789012345") == (OK, [])


def test_what_a_person_would_see_is_proven_to_them_and_names_no_staff(sekisho, somebody, tmp_path):
    out = tmp_path / "extract.ndjson"
    code, _ = sekisho("records", "extract", str(out), said=somebody)
    assert code == OK
    views = [
        json.loads(json.loads(line)["record"]["view"]) for line in out.read_text().splitlines() if '"record"' in line
    ]
    assert {"given"} <= {view["outcome"] for view in views}
    assert not {"actor", "permit_id", "reason", "list_digest", "request_digest"} & {
        name for view in views for name in view
    }
    assert somebody not in out.read_text()
    verify = ("verify", "--extract", str(out), "--person", "--json")
    code, report = sekisho(*verify, said=somebody, agency=None)
    assert (code, report["clean"], report["of_this_person"]) == (OK, True, len(views))
    code, report = sekisho(*verify, said="999999999999999", agency=None)
    assert (code, {one["name"] for one in report["findings"]}) == (FINDINGS, {"another_person"})
    tampered = out.read_text().replace('\\"given\\"', '\\"not_given\\"')
    out.write_text(tampered)
    names = {one["name"] for one in sekisho("verify", "--extract", str(out), "--json", agency=None)[1]["findings"]}
    assert names == {"bad_signature", "file_altered"}


def test_nobody_without_the_right_sees_a_record(sekisho, somebody, job):
    code, told = sekisho("records", "search", "--person", "--staff", "admin-1", said=somebody)
    assert (code, "right_missing" in told) == (REFUSED, True)
    code, told = sekisho("records", "erasures", "--staff", "admin-1")
    assert (code, "right_missing" in told) == (REFUSED, True)


def test_erasures_are_listed_and_confirmed_by_a_person(sekisho, job):
    """A key of an hour that is over, as one that a crash left behind: the broom destroys it and certifies; a person confirms."""
    running = job.system.running
    running.kill("intermediate")
    keys = running.role("intermediate").open_keys(WARD)
    keys.ensure("result/2022-01-01T05")
    running.restart("intermediate")
    found = _certified(sekisho)
    row = next(one for one in found if one["key_purpose"] == "result/2022-01-01T05")
    assert (row["key_gone"], row["state"], row["rule"], row["key_versions"]) == (True, "certified", "SC-3", "1")
    assert sekisho("records", "confirm", "0" * 64)[0] == REFUSED
    assert sekisho("records", "confirm", row["content_hash"])[0] == OK
    assert sekisho("records", "confirm", row["content_hash"])[0] == REFUSED
    confirmed = sekisho("records", "erasures", "--state", "confirmed", "--json")[1]
    assert [one["confirmed_by"] for one in confirmed if one["key_purpose"] == row["key_purpose"]] == ["staff-1"]
    log = asyncio.run(job.system.export(WARD))
    [entry] = [
        one for one in entries(log, kind="erasure.confirmed") if one["facts"]["key_purpose"] == row["key_purpose"]
    ]
    assert entry["facts"]["certificate"] == row["certificate"]
    assert sekisho("records", "show", row["certificate"])[0] == OK


def _certified(sekisho) -> list[dict]:
    import time

    for _ in range(200):
        code, found = sekisho("records", "erasures", "--json")
        if code == OK and any(one["key_purpose"] == "result/2022-01-01T05" for one in found):
            return found
        time.sleep(0.1)
    raise AssertionError("no certificate was written")


def test_a_period_before_any_record_is_empty_and_a_wrong_one_is_refused(sekisho, somebody):
    period = ("--since", "2001-01-01", "--until", "2002-01-01")
    assert sekisho("records", "search", *period, "--json") == (OK, [])
    assert sekisho("records", "search", "--limit", "0")[0] == BAD_INPUT
    assert FAILED != OK
