"""`sekisho decide`: exit codes and what is printed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from gateway.decide_command import add_arguments, run

ASKED = {
    "--on": "2022-10-01", "--inquirer": "全国健康保険協会", "--provider": "世田谷区長", "--item": "2",
    "--information": "医療保険給付関係情報",
}  # fmt: skip


def decide(*flags: str, **changes: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = ASKED | {f"--{name}": value for name, value in changes.items()}
    return run(parser.parse_args([*flags, *(word for pair in options.items() for word in pair)]))


def test_the_example_of_the_readme_is_permitted(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide() == 0

    printed = capsys.readouterr().out
    assert printed.startswith("許可 / permitted\n")
    assert "番号法第19条第8号 別表第二の2の項" in printed


def test_a_refusal_gives_its_reason_and_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide(provider="東京都知事") == 3

    printed = capsys.readouterr().out
    assert printed.startswith("不許可 / refused\n")
    assert "provider_not_in_row" in printed


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"on": "2022-13-01"}, "--on"),
        ({"on": "20221001"}, "--on"),
        ({"inquirer": "大阪市北区長"}, "--inquirer"),
        ({"provider": "どこか"}, "--provider"),
        ({"basis": "beppyo3"}, "--basis"),
        ({"affair": "2-1"}, "--affair"),
    ],
)
def test_bad_input_says_what_to_do_and_exits_2(
    capsys: pytest.CaptureFixture[str], changes: dict[str, str], told: str
) -> None:
    assert decide(**changes) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err


def test_json_says_the_same_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide("--json", on="2023-01-01") == 0

    document = json.loads(capsys.readouterr().out)
    assert document["permitted"] is True
    assert document["row"]["id"] == "beppyo2-2022:2"
    assert document["row"]["in_force"] == {"from": "2022-06-17", "to": "2024-05-26"}
    assert len(document["notes"]) == 1


def test_a_refusal_in_json_carries_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide("--json", item="999") == 3

    document = json.loads(capsys.readouterr().out)
    assert (document["permitted"], document["reason"], document["row"]) == (False, "affair_not_listed", None)


@pytest.mark.parametrize(("affair", "code"), [("26-2", 0), ("2", 0), ("26-99", 3)])
def test_a_detailed_affair_is_named_by_row_and_number(affair: str, code: int) -> None:
    assert decide(inquirer="東京都知事", item="26", level="detail", affair=affair) == code


def test_detail_level_lists_the_affairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide(inquirer="東京都知事", item="26", level="detail") == 0

    assert "26-6 生活保護法第七十七条" in capsys.readouterr().out


def test_item_30_is_permitted_by_the_table_and_says_that_no_order_details_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert decide(inquirer="東京都社会福祉協議会", item="30") == 0
    assert "表の上でのみ許可" in capsys.readouterr().out
    assert decide(inquirer="東京都社会福祉協議会", item="30", level="detail") == 3
    assert "no_detail" in capsys.readouterr().out


def test_a_refusal_in_the_gap_says_which_text_was_used_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert decide("--json", on="2023-01-01") == 0
    [note] = json.loads(capsys.readouterr().out)["notes"]
    for changes in ({"provider": "東京都知事"}, {"item": "999"}):
        assert decide("--json", on="2023-01-01", **changes) == 3
        assert json.loads(capsys.readouterr().out)["notes"] == [note]
    assert decide(on="2023-01-01", provider="東京都知事") == 3
    assert note in capsys.readouterr().out
    assert decide("--json", provider="東京都知事") == 3
    assert json.loads(capsys.readouterr().out)["notes"] == []


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_no_data_folder_is_bad_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, there: bool
) -> None:
    folder = tmp_path / "data"
    if there:
        folder.mkdir()
    assert decide(data=str(folder)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no data folder" in captured.err
