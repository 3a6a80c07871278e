"""`sekisho clock`: shows, sets and advances the one clock of a simulation, forwards unless told otherwise, and nothing else."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from gateway.__main__ import main
from gateway.clock_command import ClockWordsError, later, parse_instant
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.setting_up.authority import open_authority
from transport.clock import Clock
from transport.register import sign_register

LEAP_DAY = datetime(2024, 2, 29, 3, tzinfo=UTC)


@pytest.fixture
def data(folder, tmp_path):
    """What the command reads of a data folder, in a folder of its own."""
    found = DataFolder(tmp_path)
    for path in (folder.data.marker, folder.data.register, folder.data.clock):
        shutil.copyfile(path, tmp_path / path.name)
    shutil.copytree(folder.data.authority, found.authority)
    (tmp_path / "roles" / "network").mkdir(parents=True)
    (tmp_path / "roles" / "network" / "role.json").write_text('{"options": {"clock_offset_s": -90}}')
    return found


def sekisho(data: DataFolder, *words: str) -> int:
    return main(["clock", *words, "--data", str(data.root)])


def test_it_moves_forwards_by_instant_and_by_span_and_says_where_it_is(data, capsys):
    assert sekisho(data, "set", "2030-04-01T00:00") == OK
    assert "2030-04-01 00:00:0" in capsys.readouterr().out
    assert sekisho(data, "advance", "1y2d30m", "--json") == OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["now"].startswith("2031-04-02T15:30:0")
    assert shown["off_s"] == {"network": -90}
    assert data.present() - datetime(2031, 4, 2, 15, 30, tzinfo=UTC) < timedelta(minutes=1)
    assert sekisho(data, "show") == OK
    assert "network" in capsys.readouterr().out


def test_it_goes_back_only_when_that_is_meant(data, capsys):
    before = data.present.offset
    assert sekisho(data, "set", "2022-10-03T10:00:00+09:00") == REFUSED
    assert "--back" in capsys.readouterr().err
    assert data.present.offset == before
    assert sekisho(data, "set", "2022-10-03T01:00:00Z", "--back") == OK
    assert data.present().date().isoformat() == "2022-10-03"


@pytest.mark.parametrize(
    "words",
    [
        ("set", "tomorrow"), ("set", "2022-13-01"), ("set", "0001-01-01T00:00"), ("advance", ""), ("advance", "-1d"), ("advance", "1h1d"),
        ("advance", "9999y"), ("set", "2123-01-01T00:00"), ("set", "1999-12-31T00:00", "--back"), ("advance", "101y"), ("advance", "7"),
    ],
)  # fmt: skip
def test_words_that_are_no_time_move_nothing(data, capsys, words):
    before = data.present.offset
    try:
        code = sekisho(data, *words)
    except SystemExit as ended:
        code = ended.code
    assert code == BAD_INPUT
    assert data.present.offset == before
    assert capsys.readouterr().err


def test_a_folder_that_is_no_simulation_is_left_alone(data, capsys):
    root = open_authority(data.authority, Clock()()).root
    body = {"agencies": [], "certificates": [], "logs": [], "permit_key": "00" * 32}
    for register in (sign_register(body, root), b"{}"):
        data.register.write_bytes(register)
        assert sekisho(data, "advance", "1d") == REFUSED
        assert "模擬環境ではない" in capsys.readouterr().err
    assert data.present.offset == timedelta(0)


def test_a_folder_that_was_never_set_up_is_said_so(tmp_path, capsys):
    assert main(["clock", "show", "--data", str(tmp_path)]) == BAD_INPUT
    assert "sekisho up" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("span", "expected"),
    [("1y", "2025-02-28"), ("4y", "2028-02-29"), ("7y1d", "2031-03-01"), ("24h", "2024-03-01"), ("90s", "2024-02-29")],
)
def test_a_year_is_a_year_of_the_calendar(span, expected):
    assert later(LEAP_DAY, span).date().isoformat() == expected


def test_an_instant_without_a_zone_is_japanese():
    assert parse_instant("2024-05-27T00:00") == datetime(2024, 5, 26, 15, tzinfo=UTC)
    with pytest.raises(ClockWordsError):
        parse_instant("27.5.2024")
