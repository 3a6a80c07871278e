"""What `sekisho` says to people: help with the exit codes everywhere, and bad input refused in Japanese first, with exit code 2."""

from __future__ import annotations

import pytest

from gateway.__main__ import _COMMANDS, main
from gateway.exit_codes import BAD_INPUT, EPILOG

ACTIONS = [("held", name) for name in ("list", "show", "release", "refuse")] + [
    ("keys", name) for name in ("list", "rotate", "destroy")
]


@pytest.mark.parametrize("words", [(), *((name,) for name in _COMMANDS), *ACTIONS], ids=" ".join)
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
        ("keys", "destroy", "signing", "--role", "intermediate", "--agency", "setagaya"),
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
        ("keys", "list", "--role", "intermediate", "--agency", "setagaya"),
        ("serve", "linkage"),
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
    assert all(name in shown for name in _COMMANDS)
