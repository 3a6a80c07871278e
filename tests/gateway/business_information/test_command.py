"""`sekisho business`: a full transfer and a comparison from the command line, with the client's file."""

from __future__ import annotations

import asyncio
import json

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, FAILED, OK, REFUSED, UNREACHABLE
from tests.gateway.business_information.test_transfer import send
from tests.gateway.linkage_server.test_business_information import record
from tests.support.resident_files import load, person


def client_file(both, folder, shown="secret of kokuho"):
    clients = folder / "clients"
    clients.mkdir(exist_ok=True)
    (clients / "ca.pem").write_bytes(both.linkage.ca.read_bytes())
    stored = {"client_id": "kokuho", "client_secret": shown, "url": both.linkage.url, "ca": "ca.pem"}
    (clients / "kokuho.json").write_text(json.dumps(stored))
    return folder


async def command(*words):
    return await asyncio.to_thread(main, ["business", *(str(word) for word in words)])


async def test_ls_2_4_and_is_6_by_command(both, tmp_path, capsys):
    data = client_file(both, tmp_path)
    report = tmp_path / "report.csv"
    who = ("--client", "kokuho", "--data", data)
    async with both.standing(), both.served(first_transfer="on_command"):
        await load(both.spool, [person(1), person(2)])
        await send(both, [record(1), record(2)])
        assert await command("transfer", *who, "--per-part", "1", "--report", report) == OK
        assert report.read_text().splitlines()[1:] == ["kokuho/r1,registered,,", "kokuho/r2,registered,,"]
        assert await command("compare", *who) == OK
        await both.replicas("delete from replica where record_id = 'kokuho/r1'")
        assert await command("compare", *who, "--report", report) == FAILED
        assert report.read_text().splitlines()[1:] == ["kokuho/r1,missing,,false"]
        assert await command("compare", *who, "--repair") == FAILED
        capsys.readouterr()
        assert await command("runs", *who) == OK
        said = capsys.readouterr().out  # the servers' log lines stand there too
        runs, _ = json.JSONDecoder().raw_decode(said, said.index("{"))
        kinds = [one["kind"] for one in runs["items"]]
    assert kinds == ["comparison", "comparison", "comparison", "transfer"]


async def test_a_command_says_why_it_cannot(both, tmp_path, capsys):
    who = ("--client", "kokuho", "--data", tmp_path)
    assert await command("runs", *who) == BAD_INPUT
    client_file(both, tmp_path, shown="wrong")
    assert await command("runs", *who) == UNREACHABLE
    async with both.served():
        assert await command("runs", *who) == REFUSED
    assert "invalid_client" in capsys.readouterr().err
