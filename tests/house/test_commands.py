"""What `sekisho` says to people: help with the exit codes everywhere, and bad input refused in Japanese first, with exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gateway.__main__ import main
from gateway.bars_command import ACTIONS as BAR_ACTIONS
from gateway.commands import COMMANDS
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG
from gateway.key_destruction import ACTIONS as KEY_ACTIONS
from gateway.staff_command import ACTIONS as STAFF_ACTIONS
from gateway.topology import shipped_text

ACTIONS = (
    [("held", name) for name in ("list", "show", "release", "refuse")]
    + [("bars", name) for name in BAR_ACTIONS]
    + [("keys", name) for name in ("list", "rotate", "guard", "unlock", "vouch", *KEY_ACTIONS)]
    + [("certificates", name) for name in ("list", "suspend", "resume", "replace")]
    + [("clients", name) for name in ("list", "add", "rotate", "end-secret", "suspend", "resume", "renew", "remove")]
    + [("staff", name) for name in STAFF_ACTIONS]
    + [("backup", name) for name in ("create", "list", "verify", "restore")]
    + [("jobs", name) for name in ("list", "show", "retry")]
    + [("notices", name) for name in ("list", "post", "withdraw")]
    + [("codes", name) for name in ("counts", "not-renewed", "epochs", "announce")]
    + [("business", name) for name in ("transfer", "compare", "left", "withdraw", "runs")]
    + [("portal", name) for name in ("card", "show", "records")]
    + [("lists", name) for name in ("show", "diff", "lint", "publish")]
    + [("agency", name) for name in ("list", "show", "add", "remove", "certificate", "key")]
)


def test_sc_20_no_command_leaves_a_core_of_the_passphrases_that_pass_through_it():
    """In a process of its own: what a limit was before is not to be had again."""
    said = (
        "from gateway.__main__ import main; import resource; main([]); print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines()[-1] == "(0, 0)"


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS), *ACTIONS], ids=" ".join)
def test_help_says_what_the_exit_codes_mean(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "".join(EPILOG.split()) in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("trace",),
        ("export", "--agency", "setagaya", "--year", "26", "out.ndjson"),
        ("held", "show", "--agency", "setagaya"),
        ("held", "refuse", "K0", "--agency", "setagaya", "--reason", "because"),
        ("held", "release", "K0", "--agency", "setagaya", "--hash", "0", "--withhold", "支給額"),
        ("bars", "set", "--place", "everywhere", "--cause", "other", "--agency", "setagaya"),
        ("keys", "destroy", "signing", "--role", "intermediate", "--agency", "setagaya"),
        ("clients", "suspend", "juki", "--agency", "setagaya"),
        ("staff", "leave", "--agency", "setagaya"),
        ("staff", "add", "../root", "--office", "zeimu", "--until", "2026-04-01", "--agency", "setagaya"),
        ("staff", "analyse", "--since", "yesterday", "--until", "2026-04-01", "--agency", "setagaya"),
        ("conformance", "--inquirer", "kumiai", "--for", "nan"),
        ("conformance", "--inquirer", "kumiai", "--settle", "-1"),
        ("agency", "certificate", "kumiai", "--csr", "kumiai.pem", "--revoke", "00"),
    ],
    ids=" ".join,
)
def test_bad_arguments_are_refused_in_japanese_first(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == BAD_INPUT
    assert capsys.readouterr().err.startswith("入力の誤り")


@pytest.mark.parametrize(
    "words",
    [
        ("trace", "Q1"),
        ("trace", "Q0000000000000000000000000A"),
        ("export", "--agency", "setagaya", "out.ndjson"),
        ("held", "list", "--agency", "setagaya"),
        ("bars", "list", "--agency", "setagaya"),
        ("codes", "epochs"),
        ("staff", "login", "--agency", "setagaya"),
        ("keys", "list", "--role", "intermediate", "--agency", "setagaya"),
        ("lists", "publish", "ordinance.yaml", "--from", "2030-01-01"),
        ("clients", "list", "--agency", "setagaya"),
        ("call", "--client", "juki"),
        ("send", "addressees", "people.csv", "--client", "juki"),
        ("portal", "show", "--card", "card.json", "--provider", "setagaya", "--information", "医療保険給付関係情報"),
        ("serve", "linkage"),
        ("assess",),
        ("verify", "--data", "nowhere", "out.ndjson"),
    ],
    ids=" ".join,
)
def test_a_folder_that_was_never_set_up_is_said_so(words, capsys, tmp_path):
    options = () if "--data" in words else ("--data", str(tmp_path))
    assert main([*words, *options]) == BAD_INPUT
    told = capsys.readouterr().err
    assert " / " in told
    assert len(told.splitlines()) == 1


def test_without_a_command_the_list_of_commands_is_shown(capsys):
    assert main([]) == BAD_INPUT
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--port-offset", "99999"), "there is no port"),
        (("up", "--port-offset", "-9000"), "there is no port"),
        (("up", "--data", "/proc/x"), "cannot be made or written"),
        (("demo", "--residents", "10"), "--residents"),
        (("demo", "--data", "/proc"), "--data"),
        (("demo", "--data", "/dev/null"), "--data"),
        (("migrate", "--data", "/dev/null/x"), "cannot be made or written"),
        (
            ("decide", "--on", "2022-10-01", "--inquirer", "全国健康保険協会", "--provider", "世田谷区長", "--item", "２",
             "--information", "医療保険給付関係情報"),
            "--item",
        ),
        (("residents", "--count", "0", "--out", "people.json"), "--count"),
        (("residents", "--from", "100000000", "--out", "people.json"), "--from"),
        (("residents", "--out", "people.json"), "not set up"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(words, said, capsys, tmp_path):
    options = () if "--data" in words or words[0] == "decide" else ("--data", str(tmp_path / "data"))
    assert main([*words, *options]) == BAD_INPUT
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--json"),
        ("trace", f"Q{0:026}", "--html"),
        ("assess", "--html"),
        ("agency", "certificate", "partner", "--csr", "csr.pem", "--out"),
        ("portal", "card", "1", "--client", "kokuho", "--card"),
        ("portal", "records", "--provider", "setagaya", "--card", "card.json", "--out"),
        ("records", "show", "--agency", "setagaya", "1", "--proof"),
        ("records", "export", "--agency", "setagaya"),
        ("export", "--agency", "setagaya"),
        ("residents", "--out"),
        ("call", "/v1/log", "--client", "kansa", "--out"),
        ("business", "compare", "--client", "kokuho", "--report"),
        ("backup", "create", "--agency", "setagaya"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_file_that_cannot_be_written_is_said_before_anything_is_done(words, capsys, tmp_path):
    for bad in (tmp_path / "nowhere" / "file", tmp_path, tmp_path / ("x" * 300), "/dev/null/file"):
        with pytest.raises(SystemExit) as ended:
            main([*words, str(bad), "--data", str(tmp_path)])
        told = capsys.readouterr().err
        assert (ended.value.code, len(told.splitlines())) == (BAD_INPUT, 1)
        assert f"{bad} に書けません" in told


def test_a_topology_with_a_mistake_makes_nothing(capsys, tmp_path):
    wrong, data = tmp_path / "wrong.yaml", tmp_path / "data"
    text = shipped_text().replace("persons:search", "persons:serch")
    wrong.write_text(text, encoding="utf-8")
    line = text[: text.index("persons:serch")].count("\n") + 1
    assert main(["migrate", "--topology", str(wrong), "--data", str(data)]) == BAD_INPUT
    assert f"{wrong}:{line}: " in capsys.readouterr().err
    assert not data.exists()


def test_a_topology_whose_ports_cannot_be_is_not_kept(tmp_path):
    words = ["migrate", "--topology", "whole", "--port-offset", "99999"]
    assert main([*words, "--data", str(tmp_path)]) == BAD_INPUT
    assert not DataFolder(tmp_path).own_topology.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["trace", f"Q{0:026}"],
        ["faults", "list"],
        ["portal", "notices", "--card", "card.json", "--provider", "setagaya"],
    ],
    ids=["trace", "faults", "portal"],
)
def test_a_folder_that_was_never_set_up_is_said_to_be_so(capsys, tmp_path, words):
    assert main([*words, "--data", str(tmp_path)]) == BAD_INPUT
    told = capsys.readouterr().err
    assert "this data folder is not set up" in told
    assert len(told.splitlines()) == 1


def test_a_name_that_no_member_of_staff_has_is_bad_input(capsys, tmp_path):
    clients = tmp_path / "clients"
    clients.mkdir()
    addresses = {"intermediate": {"setagaya": "https://127.0.0.1:1"}, "network": "https://127.0.0.1:1"}
    (clients / "addresses.json").write_text(json.dumps(addresses))
    words = ["held", "list", "--agency", "setagaya", "--data", str(tmp_path), "--staff", "staff-9"]
    assert main(words) == BAD_INPUT
    assert "no such agency or member of staff" in capsys.readouterr().err
