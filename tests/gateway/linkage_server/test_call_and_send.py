"""`sekisho call` and `sekisho send`: the business API and the spool from the command line, as a client whose file lies in the data folder (LS-1 to LS-4)."""

from __future__ import annotations

import asyncio
import io
import json
import re

import pytest

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED, UNREACHABLE
from tests.support.linkage_world import build, write_role
from tests.support.resident_files import csv_bytes, item, person

STATED = ("--staff", "s-1", "--affair", "insurance-qualification", "--reason", "確認")
SCOPES = ("addressees:register", "persons:search", "log:read")


@pytest.fixture
async def ward(tmp_path, linkage_cluster):
    """A linkage server in a data folder, with the file of its client `kokuho`."""
    world = await build(tmp_path / "roles" / "linkage", linkage_cluster)
    await world.register(scopes=SCOPES)
    world.config.options["program"] = "linkage"
    write_role(world, {})
    clients = tmp_path / "clients"
    clients.mkdir()
    (clients / "ca.pem").write_bytes(world.ca.read_bytes())
    stored = {"client_id": "kokuho", "client_secret": "secret of kokuho", "agency": "setagaya", "system": "kokuho"}
    (clients / "kokuho.json").write_text(json.dumps(stored | {"url": world.url, "ca": "ca.pem"}))
    return world, tmp_path


async def typed(ward, monkeypatch, capsys, *words, body=None):
    """Exit code, what was written to standard output beside the server's own lines (JSON when it is), and to standard error."""
    monkeypatch.setattr("sys.stdin", io.StringIO("" if body is None else json.dumps(body)))
    command, *others = (str(word) for word in words)
    code = await asyncio.to_thread(main, [command, *others, "--client", "kokuho", "--data", str(ward[1])])
    out, err = capsys.readouterr()
    answer = re.search(r"^\{\n.*?^\}$", out, re.MULTILINE | re.DOTALL)
    return code, json.loads(answer[0]) if answer else out, err


async def test_people_are_registered_and_found_by_call(ward, monkeypatch, capsys):
    async with ward[0].served():
        code, made, _ = await typed(ward, monkeypatch, capsys, "call", "/v1/addressees", body={"items": [item(1)]})
        asked = {"addressee_number": item(1)["addressee_number"]}
        found = await typed(ward, monkeypatch, capsys, "call", "/v1/persons/search", *STATED, body=asked)
    assert (code, made["items"][0]["outcome"]) == (OK, "issued")
    assert (found[0], found[1]["items"][0]["name"]) == (OK, item(1)["name"])


async def test_the_same_key_registers_once(ward, monkeypatch, capsys):
    words = ("call", "/v1/addressees", "--key", "again-1")
    async with ward[0].served():
        first = await typed(ward, monkeypatch, capsys, *words, body={"items": [item(1)]})
        second = await typed(ward, monkeypatch, capsys, *words, body={"items": [item(1)]})
        other = await typed(ward, monkeypatch, capsys, *words, body={"items": [item(2)]})
    assert first == second
    assert (other[0], "idempotency_key_reused" in other[2]) == (REFUSED, True)


async def test_without_a_path_every_call_is_listed(ward, monkeypatch, capsys):
    async with ward[0].served():
        code, listed, _ = await typed(ward, monkeypatch, capsys, "call")
    assert code == OK
    assert any(line.startswith("POST /v1/persons/search ") for line in listed.splitlines())


async def test_an_answer_that_is_no_json_goes_to_a_file(ward, monkeypatch, capsys, tmp_path):
    log = tmp_path / "log.ndjson"
    async with ward[0].served():
        await typed(ward, monkeypatch, capsys, "call", "/v1/addressees", body={"items": [item(1)]})
        refused = await typed(ward, monkeypatch, capsys, "call", "/v1/log")
        code, _, _ = await typed(ward, monkeypatch, capsys, "call", "/v1/log", "--out", log)
    assert (refused[0], "--out" in refused[2]) == (BAD_INPUT, True)
    assert code == OK
    assert "addressees.loaded" in log.read_text()


@pytest.mark.parametrize(
    ("words", "body", "code", "said"),
    [
        (("/v1/persons/serach",), {}, BAD_INPUT, "did you mean /v1/persons/search?"),
        (("/v1/persons/search", "--get"), {}, BAD_INPUT, "no GET"),
        (("/v1/persons/search", *STATED), [], BAD_INPUT, "one JSON object"),
        (("/v1/persons/search", "--body", "nowhere.json"), {}, BAD_INPUT, "cannot be read"),
        (("/v1/persons/search", *STATED), {"kana": "カ"}, REFUSED, "too_few_keys"),
        (("/v1/persons/search", *STATED), {"limit": 0}, REFUSED, "`limit` is not as documented"),
        (("/v1/persons/as-of", *STATED), {"as_of": "2026-01-01", "addressee_numbers": ["1"]}, REFUSED, "scope_missing"),
    ],
    ids=str,
)
async def test_a_call_that_cannot_be_says_why(ward, monkeypatch, capsys, words, body, code, said):
    async with ward[0].served():
        ended = await typed(ward, monkeypatch, capsys, "call", *words, body=body)
    assert (ended[0], said in ended[2]) == (code, True), ended


async def test_without_a_server_the_key_of_the_call_is_told(ward, monkeypatch, capsys):
    code, _, said = await typed(ward, monkeypatch, capsys, "call", "/v1/addressees", "--key", "k-1", body={"items": []})
    assert (code, said.strip().endswith("--key k-1")) == (UNREACHABLE, True)


async def test_a_file_is_handed_over_and_its_result_counted(ward, monkeypatch, capsys, tmp_path):
    source = tmp_path / "people.csv"
    source.write_bytes(csv_bytes([person(1), person(2), person(2)], "cp932"))
    async with ward[0].served():
        code, told, _ = await typed(
            ward, monkeypatch, capsys, "send", "addressees", source, "--encoding", "cp932", "--as-of", "2026-01-01"
        )
        again = await typed(ward, monkeypatch, capsys, "send", "addressees", source)
    assert (code, told["state"], told["counts"]) == (FAILED, "done", {"issued": 2, "rejected:duplicate_row": 1})
    assert "duplicate_row" in open(told["result"], encoding="utf-8").read()  # noqa: PTH123, SIM115 (one small file)
    assert (again[0], "choose another with --name" in again[2]) == (BAD_INPUT, True)


@pytest.mark.parametrize(
    ("channel", "data", "count"),
    [
        ("addressees", b"h\n1\n2", 2),
        ("business-information", b"{}\n{}\n", 2),
        ("inquiries", b"a,b\r\n", 1),
        ("person-changes", b"h\n", 0),
    ],
)
async def test_a_manifest_counts_lines_without_the_header(ward, monkeypatch, capsys, tmp_path, channel, data, count):
    source = tmp_path / "a.dat"
    source.write_bytes(data)
    code, told, _ = await typed(ward, monkeypatch, capsys, "send", channel, source, "--no-wait")
    folder = ward[0].config.spool / "setagaya" / "kokuho" / channel / "in"
    assert (code, told["state"]) == (OK, "handed_over")
    assert json.loads((folder / "a.dat.manifest.json").read_text())["count"] == count
    assert (folder / "a.dat").read_bytes() == data


async def test_a_file_that_is_refused_as_a_whole_is_told_why(ward, monkeypatch, capsys, tmp_path):
    source = tmp_path / "people.csv"
    source.write_bytes(b"system,name\n")
    async with ward[0].served():
        code, told, _ = await typed(ward, monkeypatch, capsys, "send", "addressees", source)
    assert (code, told["reason"], told["where"]) == (REFUSED, "header_unknown", "addressee_number")
    assert "the header has each column once" in told["message"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere.csv", "there is no such file"), ("住民.csv", "with --name"), ("1234-5678-9018.csv", "with --name")],
)
async def test_a_file_that_cannot_be_sent_is_told_why(ward, monkeypatch, capsys, tmp_path, name, said):
    if name != "nowhere.csv":
        (tmp_path / name).write_bytes(b"h\n")
    code, _, err = await typed(ward, monkeypatch, capsys, "send", "addressees", tmp_path / name)
    assert (code, said in err) == (BAD_INPUT, True)
