"""`sekisho faults` says of every fault who catches it, and takes no other words."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from adapters.jlis_mock.faults import FaultBoard, Faults, Switch
from adapters.jlis_mock.lines import Bad
from gateway.__main__ import main
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT
from gateway.faults_command import WHO_CATCHES, add_arguments
from gateway.faults_command import _mistake as wrong_words


def test_it_is_said_of_every_fault_who_catches_it():
    assert set(WHO_CATCHES) == {*Switch, *Bad}
    assert {one.value for one in Switch} == set(Faults.__dataclass_fields__) - {"permit_redeem_s"}
    assert all(" / " in text for text in WHO_CATCHES.values())


@pytest.mark.parametrize(
    "words", [("list",), ("set", "swap_key"), ("clear",), ("skew", "network", "60"), ("log", "full", "network")]
)
def test_a_folder_that_was_never_set_up_has_no_faults(tmp_path, capsys, words):
    assert main(["faults", *words, "--data", str(tmp_path)]) == BAD_INPUT
    assert capsys.readouterr().err


def drawn(**settings) -> list[bool]:
    board = FaultBoard()
    board.set({"swap_key": 1_000, **settings})
    return [board.take(Switch.SWAP_KEY) for _ in range(400)]


def test_a_share_of_occasions_is_drawn_from_the_seed():
    assert all(drawn())
    assert 80 < sum(drawn(share=30, seed=7)) < 160
    assert drawn(share=30, seed=7) == drawn(share=30, seed=7) != drawn(share=30, seed=8)


def test_a_share_is_of_the_switches_that_were_set_with_it():
    board = FaultBoard()
    board.set({"swap_key": 1_000, "share": 1, "seed": 5})
    board.set({"stale_list": 50})
    assert all(board.take(Switch.STALE_LIST) for _ in range(50))
    board.set({"swap_key": 9})
    assert all(board.take(Switch.SWAP_KEY) for _ in range(9))


def struck(board: FaultBoard, *messages: str) -> list[str]:
    return [one for one in messages if board.take(Switch.PROVIDER_DOWN, one)]


def test_a_count_is_of_messages_and_one_that_comes_again_is_the_same():
    board = FaultBoard()
    board.set({"provider_down": 3})
    assert struck(board, "a", "a", "b", "a", "c", "d", "b", "d") == ["a", "a", "b", "a", "c", "b"]
    assert board.faults.provider_down == 0
    board.set({"provider_down": 1})
    assert struck(board, "d", "a", "d") == ["d", "d"]
    board.set({"provider_down": 0})
    assert struck(board, "d", "a") == []


def test_each_message_is_struck_so_many_times():
    board = FaultBoard()
    board.set({"provider_down": 2, "each": 2})
    assert struck(board, *"aaabcaab") == ["a", "a", "b", "b"]


def test_a_share_is_drawn_once_for_each_message_however_often_it_comes():
    names = [f"message {nth}" for nth in range(200)]
    once, often = FaultBoard(), FaultBoard()
    for board in (once, often):
        board.set({"provider_down": 1_000, "share": 30, "seed": 7})
    found = struck(once, *names)
    assert 40 < len(found) < 80
    assert dict.fromkeys(struck(often, *(name for name in names for _ in range(3)))) == dict.fromkeys(found)
    assert often.faults == once.faults


def test_a_count_ends_a_share():
    board = FaultBoard()
    board.set({"swap_key": 3, "share": 50})
    assert sum(board.take(Switch.SWAP_KEY) for _ in range(400)) == 3


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["swap_key", "--ms", "700"], "--ms"),
        (["swap_key", "--seed", "9"], "--seed"),
        (["swap_key", "--times", "0", "--share", "30"], "--share"),
        (["cut", "--line", "network:intermediate", "--ms", "5"], "--ms"),
        (["cut", "--line", "network:intermediate", "--seed", "5"], "--seed"),
        (["delay", "--line", "network:intermediate", "--times", "0", "--ms", "5"], "--ms"),
    ],
)
def test_a_word_that_says_nothing_is_refused_as_in_a_scenario(words, idle, tmp_path):
    assert idle in str(mistake(words, tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ["swap_key", "--share", "30", "--seed", "9"],
        ["provider_down", "--each", "2"],
        ["cut", "--line", "network:intermediate", "--share", "30", "--seed", "9"],
        ["delay", "--line", "network:intermediate", "--ms", "5", "--seed", "9"],
    ],
)
def test_a_word_that_says_something_is_taken(words, tmp_path):
    assert mistake(words, tmp_path) is None


def mistake(words: list[str], data: Path) -> str | None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return wrong_words(parser.parse_args(["set", *words]), DataFolder(data), ())
