"""`sekisho decide`: exit codes and what is printed."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from gateway.data_folder import DataFolder
from gateway.decide_command import add_arguments, run
from keys.signing import Signer, generate_seed
from permission_lists.versions import make
from storage import list_files
from storage.reference_data import read_permission_texts
from transport.register import sign_register

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
        ({"item": ""}, "--item"),
        ({"inquirer": "府中市長", "provider": "東京都府中市長"}, "府中市長"),
        ({"provider-kind": "福祉事務所を管理する町村長"}, "--provider-kind"),
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


def test_without_an_item_the_rows_that_permit_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [word for pair in ASKED.items() if pair[0] != "--item" for word in pair]
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    assert run(parser.parse_args([*asked, "--json"])) == 0
    document = json.loads(capsys.readouterr().out)
    assert "beppyo2-2022:2" in document["allowing_rows"]
    assert all(decide(item=row.partition(":")[2]) == 0 for row in document["allowing_rows"])
    capsys.readouterr()
    assert run(parser.parse_args([*asked, "--provider", "東京都知事"])) == 3
    assert capsys.readouterr().out.startswith("この照会者・提供者・情報を許す行は")
    assert run(parser.parse_args([*asked, "--level", "detail", "--affair", "1"])) == 2
    assert "--affair" in capsys.readouterr().err


def columns(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {one["column"]: one["verdict"] for one in json.loads(capsys.readouterr().out)["columns"]}


def test_a_refusal_by_the_details_names_the_affairs_that_have_the_information(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert decide("--explain", inquirer="東京都知事", item="26", level="detail", affair="26-99") == 3

    assert "× 細目  26-99  リスト: 26-" in capsys.readouterr().out
    assert decide("--explain", "--json", inquirer="東京都知事", item="26", level="detail", affair="26-2") == 0
    assert columns(capsys)["detail"] == "fits"
    assert decide("--explain", "--json", inquirer="東京都知事", item="999", level="detail") == 3
    assert columns(capsys)["detail"] == "not_looked_at"


def registered(folder: Path, *agencies: tuple[str, list[str], bool]) -> str:
    """A data folder whose register has these: name, kinds, whether the assessment is done."""
    folder.mkdir(exist_ok=True)
    root, key = Signer(generate_seed()), Signer(generate_seed()).public_key.hex()
    body = {
        "v": 3, "sequence": 1, "certificates": [], "logs": [], "permit_keys": [], "list_keys": [], "simulation": True, "delegations": [],
        "agencies": [
            {"id": f"a{nth}", "code": f"{9999000000000000 + nth}", "name": name, "kinds": kinds, "assessed": assessed,
             "signing_keys": [{"key": key, "valid_from": None, "valid_to": None}]}
            for nth, (name, kinds, assessed) in enumerate(agencies)
        ],
    }  # fmt: skip
    data = DataFolder(folder)
    data.authority.mkdir(exist_ok=True)
    data.register_root.write_text(root.public_key.hex())
    data.register.write_bytes(sign_register(body, root))
    return str(folder)


def test_in_a_data_folder_kinds_and_assessment_are_those_of_its_register(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    insurer, ward = ("全国健康保険協会", ["全国健康保険協会"]), ("世田谷区長", ["特別区の区長"])
    for assessed in (True, False):
        data = registered(tmp_path, (*insurer, True), (*ward, assessed))
        for provider in ("世田谷区長", "東京都世田谷区長"):
            assert decide("--explain", "--json", data=data, provider=provider) == (0 if assessed else 3)
            assert columns(capsys)["assessment"] == ("fits" if assessed else "fails")
    data = registered(tmp_path, (*insurer, True), ("だれも知らない機関", ["市長"], True))
    assert decide(data=data, provider="だれも知らない機関") == 0


@pytest.mark.parametrize("known", [False, True])
def test_nothing_is_said_of_an_assessment_that_no_register_tells(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, known: bool
) -> None:
    data = {"data": registered(tmp_path, ("世田谷区長", ["特別区の区長"], True))} if known else {}
    assert decide("--explain", "--json", **data) == 0

    assert columns(capsys)["assessment"] == "not_looked_at"


def test_a_register_that_its_root_has_not_signed_is_bad_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = registered(tmp_path, ("世田谷区長", ["特別区の区長"], True))
    DataFolder(tmp_path).register_root.write_text(Signer(generate_seed()).public_key.hex())

    assert decide(data=data) == 2
    assert "register" in capsys.readouterr().err


def test_an_explanation_prints_whom_the_term_means_and_a_whole_name_is_the_same_agency(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """PL-5: an ordinance's one agency, asked about by either of its names; --explain prints the term's kinds and agencies."""
    ordinance = (Path(__file__).parent / "ordinance.yaml").read_text(encoding="utf-8")
    documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in (*read_permission_texts(), ordinance)]
    signed = make(documents, number=1, valid_from=date(2022, 6, 17), supersedes=None, signer=Signer(generate_seed()))
    DataFolder(tmp_path).lists.write_bytes(list_files.encode([signed]))
    asked = {
        "data": str(tmp_path),
        "basis": "setagaya-example",
        "item": "1",
        "information": "地方税関係情報",
        "provider": "目黒区長",
    }
    for name in ("世田谷区長", "東京都世田谷区長"):
        assert decide(inquirer=name, **asked) == 0
    capsys.readouterr()

    assert decide("--explain", inquirer="杉並区長", **asked) == 3
    assert "= 世田谷区長 (名指し)" in capsys.readouterr().out
    assert decide("--explain", "--json", inquirer="杉並区長", **asked) == 3
    means = {one["column"]: one.get("means") for one in json.loads(capsys.readouterr().out)["columns"]}
    assert means["inquirer"] == ["世田谷区長 (名指し)"]
    assert means["provider"] == ["市長、特別区の区長、町村長"]
    assert means["item"] is None
