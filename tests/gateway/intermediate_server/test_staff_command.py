"""`sekisho staff` from log-in to the analysis, as people would type it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED

WHO = "kari-0001"


@pytest.fixture
def sekisho(running, capsys):
    """Run a command on the ward; returns its exit code and what it printed (JSON is parsed)."""

    def run(*words: str):
        code = main([*words, "--agency", "setagaya", "--data", str(running.data.root)])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if "--json" in words else printed.out + printed.err

    return run


def test_somebody_comes_works_and_leaves(sekisho, running):
    add = ("staff", "add", WHO, "--office", "zeimu", "--until", "2026-04-01")
    assert sekisho(*add)[0] == OK
    assert sekisho(*add)[0] == REFUSED
    assert sekisho("staff", "login", "--staff", WHO)[0] == OK
    code, told = sekisho("held", "list", "--staff", WHO)
    assert (code, "まずパスワード" in told) == (REFUSED, True)
    assert sekisho("staff", "password", "--staff", WHO)[0] == OK
    code, told = sekisho("held", "list", "--staff", WHO)
    assert (code, "right_missing" in told) == (REFUSED, True)

    grant = ("staff", "grant", WHO, "--function", "held.view", "--office", "zeimu", "--until", "2026-04-01")
    code, told = sekisho(*grant)
    grant_id, state, content_hash = told.split()
    assert (code, state) == (OK, "requested")
    own = sekisho("staff", "approve", grant_id, "--hash", content_hash)
    assert (own[0], "second_person_needed" in own[1]) == (REFUSED, True)
    code, told = sekisho("staff", "approve", grant_id, "--hash", content_hash, "--staff", "admin-2")
    assert (code, told.split()[1]) == (OK, "effective")
    assert sekisho("held", "list", "--json", "--staff", WHO) == (OK, [])

    listed = sekisho("staff", "grants", "--json")[1]
    assert [row["approved_by"] for row in listed if row["grant_id"] == grant_id] == ["admin-2"]
    code, told = sekisho("staff", "revoke", grant_id)
    assert (code, told.split()[1]) == (OK, "revoked")
    assert sekisho("held", "list", "--staff", WHO)[0] == REFUSED
    checked = sekisho("staff", "check", grant_id, "--hash", content_hash, "--staff", "admin-2")
    assert (checked[0], checked[1].split()[1]) == (OK, "closed")

    assert sekisho("staff", "leave", WHO)[0] == OK
    assert sekisho("staff", "login", "--staff", WHO)[0] == REFUSED
    states = {row["staff_id"]: row["state"] for row in sekisho("staff", "list", "--json")[1]}
    assert states[WHO] == "left"


def test_a_lost_card_is_replaced_and_the_files_with_it(sekisho):
    who = "kari-0002"
    assert sekisho("staff", "add", who, "--office", "zeimu", "--until", "2026-04-01")[0] == OK
    assert sekisho("staff", "reset", who)[0] == OK
    assert sekisho("staff", "password", "--staff", who)[0] == OK
    assert sekisho("staff", "login", "--staff", who)[0] == OK
    assert sekisho("staff", "unlock", who)[0] == OK
    assert sekisho("staff", "transfer", who, "--office", "kokuho")[0] == OK


def test_is_9_an_account_is_extended_by_two_and_what_ends_is_listed(sekisho):
    who = "kari-0003"
    assert sekisho("staff", "add", who, "--office", "zeimu", "--until", "2022-11-01")[0] == OK
    code, found = sekisho("staff", "endings", "--within", "60", "--json")
    assert (code, [one["what"] for one in found["endings"] if one["staff_id"] == who]) == (OK, ["account"])
    code, told = sekisho("staff", "endings")
    assert (code, "staff.approve" in told, who in told) == (OK, True, True)
    assert sekisho("staff", "extend", who, "--until", "2032-11-01")[0] == REFUSED
    code, told = sekisho("staff", "extend", who, "--until", "2024-11-01")
    extension_id, state, content_hash = told.split()
    assert (code, state) == (OK, "proposed")
    decide = (extension_id, "--hash", content_hash)
    own = sekisho("staff", "approve-extension", *decide)
    assert (own[0], "second_person_needed" in own[1]) == (REFUSED, True)
    edited = sekisho("staff", "extend", who, "--until", "2025-11-01", "--edit", extension_id)[1].split()
    stale = sekisho("staff", "approve-extension", *decide, "--staff", "admin-2")
    assert (stale[0], "content_changed" in stale[1]) == (REFUSED, True)
    code, told = sekisho("staff", "approve-extension", extension_id, "--hash", edited[2], "--staff", "admin-2")
    assert (code, told.split()[1]) == (OK, "approved")
    [account] = [row for row in sekisho("staff", "list", "--json")[1] if row["staff_id"] == who]
    assert account["valid_until"] == "2025-10-31T15:00:00.000Z"
    rejected = sekisho("staff", "extend", who, "--until", "2026-11-01")[1].split()
    code, told = sekisho("staff", "reject-extension", rejected[0], "--hash", rejected[2], "--staff", "admin-2")
    assert (code, told.split()[1]) == (OK, "rejected")
    listed = [one for one in sekisho("staff", "extensions", "--json")[1] if one["staff_id"] == who]
    assert [(one["state"], one["decided_by"]) for one in listed] == [("approved", "admin-2"), ("rejected", "admin-2")]


def test_is_9_somebody_compromised_goes_as_an_emergency_with_both_factors(sekisho):
    who = "kari-0004"
    assert sekisho("staff", "add", who, "--office", "zeimu", "--until", "2026-04-01")[0] == OK
    told = sekisho("staff", "grant", who, "--function", "held.view", "--office", "zeimu", "--until", "2026-04-01")[1]
    code, told = sekisho("staff", "revoke", told.split()[0], "--emergency")
    assert (code, told.split()[1]) == (OK, "revoked")
    assert sekisho("staff", "leave", who, "--emergency")[0] == OK


def test_log_out_ends_the_session_and_the_next_call_of_somebody_synthetic_logs_in(sekisho, running):
    assert sekisho("staff", "login", "--reason", "complaint", "--reference", "case/1")[0] == OK
    path = running.data.staff_session("setagaya", "staff-1")
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.read_text()
    assert sekisho("staff", "logout")[0] == OK
    assert sekisho("staff", "logout")[0] == FAILED
    assert sekisho("held", "list", "--json") == (OK, [])
    assert path.read_text() != first


def test_a_number_for_the_analysis_comes_on_standard_input(sekisho, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("123456789012345\n"))
    assert sekisho("staff", "relate", "staff-2", "--relation", "household")[0] == OK
    monkeypatch.setattr(sys, "stdin", io.StringIO("12\n"))
    assert sekisho("staff", "relate", "staff-2", "--relation", "household")[0] == REFUSED


def test_the_analysis_is_a_dated_report(sekisho):
    period = ("--since", "2022-09-01", "--until", "2022-12-01")
    code, report = sekisho("staff", "analyse", *period, "--json")
    assert (code, report["agency"], report["since"]) == (OK, "setagaya", "2022-08-31T15:00:00.000Z")
    assert report["entries"] > 0
    code, told = sekisho("staff", "analyse", *period)
    assert (code, "アクセスログの分析" in told) == (OK, True)


def test_whoever_has_no_card_here_is_bad_input(sekisho, running, tmp_path):
    assert sekisho("staff", "login", "--staff", "nobody-9")[0] == BAD_INPUT
    broken = tmp_path / "card.json"
    broken.write_text("{}")
    assert sekisho("staff", "login", "--card", str(broken))[0] == BAD_INPUT
    other = running.data.staff_card("setagaya", "staff-2")
    assert sekisho("staff", "login", "--card", str(other))[0] == BAD_INPUT


def test_staff_of_the_network_log_in_nowhere(running):
    assert main(["staff", "login", "--agency", "network", "--data", str(running.data.root)]) == BAD_INPUT
