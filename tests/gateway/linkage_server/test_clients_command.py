"""`sekisho clients` on a data folder whose linkage server is running: works at once, is on record, and tells no secret to the terminal."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.__main__ import main
from tests.support.linkage_world import build, write_role


@pytest.fixture
async def data(tmp_path, linkage_cluster):
    """A data folder with one linkage server in it."""
    folder = tmp_path / "roles" / "linkage"
    made = await build(folder, linkage_cluster)
    await made.register()
    made.config.options["program"] = "linkage"
    write_role(made, {})
    (tmp_path / "clients").mkdir()
    return made, tmp_path


async def run(data, *words):
    """The command in a thread of its own; its exit code."""
    return await asyncio.to_thread(main, ["clients", *words, "--agency", "setagaya", "--data", str(data)])


def secret(data, client_id):
    return json.loads((data / "clients" / f"{client_id}.json").read_text())["client_secret"]


async def test_the_operator_makes_administrators_and_gives_a_second_secret_while_the_server_runs(data, capsys):
    world, folder = data
    async with world.served() as caller:
        await asyncio.sleep(1.1)  # clients made by another process are looked for once a second
        codes = [
            await run(folder, "add", "kanri", "--system", "kanri", "--grant", "clients:administer", "--staff", "op-1"),
            await run(folder, "rotate", "kokuho", "--staff", "op-1"),
        ]
        first = await caller.token_answer("kanri", secret(folder, "kanri"))
        both = [(await caller.token_answer("kokuho", one)).status for one in (None, secret(folder, "kokuho"))]
        token = await caller.token()
        codes += [
            await run(folder, "rotate", "kokuho", "--staff", "op-1"),
            await run(folder, "suspend", "kokuho", "--staff", "op-1"),
        ]
        dead = await caller.post("/v1/inquiries", {"items": []}, token=token, key="k")
        codes += [
            await run(folder, "resume", "kokuho", "--staff", "op-1"),
            await run(folder, "list", "--json"),
        ]
    out = capsys.readouterr()
    assert codes == [0, 0, 3, 0, 0, 0]
    assert (first.status, both) == (200, [200, 200])
    assert (dead.status, dead.body["reason"]) == (401, "token_revoked")
    assert secret(folder, "kanri") not in out.out + out.err
    assert (folder / "clients" / "kanri.json").stat().st_mode & 0o777 == 0o600
    assert (world.config.spool / "setagaya" / "kanri" / "inquiries" / "in").is_dir()
    found = await world.rows("select body from log_entry where kind = 'client.administered' order by idx")
    bodies = [json.loads(row["body"]) for row in found]
    assert [(one["facts"]["act"], one["actor"], one["facts"]["staff"]) for one in bodies] == [
        (act, "operator", "op-1") for act in ("add", "rotate", "suspend", "resume")
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("suspend", "nobody", "--staff", "op-1"), "no client of this id"),
        (("suspend", "kokuho", "--staff", "世田谷"), "a staff id has up to"),
        (("renew", "kokuho", "--staff", "op-1", "--expires-at", "2027-01-01"), "needs its offset"),
        (("add", "x y", "--system", "zeimu", "--staff", "op-1"), "does not have its form"),
        (("end-secret", "kokuho", "--secret", "0" * 16, "--staff", "op-1"), "no valid secret of this id"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_done_is_said_in_one_line_and_changes_nothing(data, words, said, capsys):
    world, folder = data
    assert await run(folder, *words) in {2, 3}
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert await world.rows("select 1 from log_entry where kind = 'client.administered'") == []


@pytest.mark.parametrize("taken", [{"linkage": "https://127.0.0.1:8441"}, {"agency": "suginami", "client_secret": "x"}])
async def test_a_client_takes_nobodys_file(data, taken, capsys):
    """What lies in clients/ already, of another agency or of the folder itself, stays as it is."""
    world, folder = data
    path = folder / "clients" / "addresses.json"
    path.write_text(json.dumps(taken))
    assert await run(folder, "add", "addresses", "--system", "zeimu", "--staff", "op-1") == 3
    assert "this id is or was taken" in capsys.readouterr().err
    assert json.loads(path.read_bytes()) == taken
    assert await world.rows("select 1 from log_entry where kind = 'client.administered'") == []
