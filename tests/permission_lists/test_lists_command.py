"""`sekisho lists` without servers: what it shows, its exit codes, and mistakes said with file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from gateway.__main__ import main
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from gateway.list_sources import Text, open_library
from gateway.list_texts import published_text
from gateway.setting_up.list_versions import write_lists
from keys.signing import Signer, generate_seed
from permission_lists import versions
from storage import list_files
from storage.reference_data import read_permission_list, read_shipped_versions

ORDINANCE = Path(__file__).parent / "ordinance.yaml"
SCENARIO_ORDINANCE = Path(__file__).resolve().parents[2] / "scenarios" / "lists" / "ordinance.yaml"
Lists = Callable[..., int]


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    """`sekisho lists …` for a data folder that was never set up."""

    def call(*words: str) -> int:
        return main(["lists", *words, "--data", str(tmp_path)])

    return call


def test_the_versions_are_shown_with_their_bases(lists: Lists, capsys: pytest.CaptureFixture[str]) -> None:
    assert lists("show", "--json") == OK

    first, second = json.loads(capsys.readouterr().out)
    assert (first["number"], first["valid_from"], first["bases"]) == (
        1,
        "2022-06-17",
        {"beppyo2-2022": 131, "own-information": 5},
    )
    assert second["bases"] == {"beppyo2-2022": 131, "meirei-2024": 180, "own-information": 5}
    assert second["content_digest"] == read_permission_list().digest
    assert second["supersedes"] == first["content_digest"]
    assert (first["state"], second["state"]) == ("superseded", "in_force")
    assert lists("show") == OK
    assert "版 2  2024-05-27 から  効力あり" in capsys.readouterr().out


def test_a_row_is_shown_with_who_its_terms_mean(lists: Lists, capsys: pytest.CaptureFixture[str]) -> None:
    assert lists("show", "beppyo2-2022:42") == OK

    printed = capsys.readouterr().out
    assert "国民健康保険組合、市長、特別区の区長、町村長" in printed
    assert lists("show", "2", "--json") == OK
    assert len(json.loads(capsys.readouterr().out)) == 180 + 5


def test_the_difference_of_the_two_tables_is_that_of_the_notes_on_the_law(
    lists: Lists, capsys: pytest.CaptureFixture[str]
) -> None:
    """24 old items have no new row; rows 1 and 5 lost the medical insurers as providers."""
    assert lists("diff", "1", "2", "--json") == FAILED

    found = json.loads(capsys.readouterr().out)
    removed = {row["id"].partition(":")[2] for row in found["removed"]}
    gone = "29 30 32 45 46 49 51 52 56 69 73 83 86 88 95 98 99 100 102 104 105 115 118 119"
    assert removed == set(gone.split())
    changed = {(one["before"], one["after"]): one["changes"] for one in found["changed"]}
    for old, new in (("1", "1"), ("4", "5")):
        (grants,) = [one for one in changed[f"beppyo2-2022:{old}", f"meirei-2024:{new}"] if one["column"] == "grants"]
        assert any("→ 医療保険給付関係情報" in text for text in grants["before"])
    assert len(found["removed"]) + len(found["changed"]) + found["same"] == 131 + 5
    assert len(found["added"]) + len(found["changed"]) + found["same"] == 180 + 5


def test_a_list_does_not_differ_from_itself(lists: Lists, capsys: pytest.CaptureFixture[str]) -> None:
    assert lists("diff", "2", "2") == OK
    assert "同じ 185 行" in capsys.readouterr().out


def test_a_changed_column_is_named(lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ORDINANCE.read_text(encoding="utf-8")
    files = [tmp_path / "one.yaml", tmp_path / "other.yaml"]
    files[0].write_text(text, encoding="utf-8")
    files[1].write_text(
        text.replace("[地方税関係情報, 住民票関係情報]", "[地方税関係情報]").replace("2022-10-01", "2022-12-01"),
        encoding="utf-8",
    )

    assert lists("diff", *map(str, files)) == FAILED

    printed = capsys.readouterr().out
    assert "- 提供 市町村長 → 住民票関係情報" in printed
    assert "+ 効力 2022-12-01–2024-05-26" in printed


def test_lint_of_the_shipped_list_finds_no_mistakes(lists: Lists, capsys: pytest.CaptureFixture[str]) -> None:
    assert lists("lint", "--json") == OK

    found = json.loads(capsys.readouterr().out)
    assert (found["errors"], found["warnings"]) == (0, len(found["findings"]))
    assert {one["file"] for one in found["findings"]} <= {"beppyo2_2022.yaml", "meirei_2024.yaml"}


def test_a_mistake_is_said_with_file_line_and_what_to_do(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ordinance.yaml"
    text = ORDINANCE.read_text(encoding="utf-8").replace("kinds: [内閣総理大臣]", "kinds: [内閣総理大人]")
    file.write_text(text, encoding="utf-8")

    assert lists("lint", str(file)) == FAILED

    printed = capsys.readouterr().out
    line = text[: text.index("内閣総理大人")].count("\n") + 1
    assert f"{file}:{line}: 誤り kind_unknown" in printed
    assert "直し方" in printed


def test_rows_that_follow_those_of_the_list_are_linted_beside_it(
    lists: Lists, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone the row that `follows` another would follow nothing; what is found elsewhere in the list is not said again."""
    assert lists("lint", str(SCENARIO_ORDINANCE), "--json") == OK

    found = json.loads(capsys.readouterr().out)
    assert found["errors"] == 0
    assert {one["file"] for one in found["findings"]} == {str(SCENARIO_ORDINANCE)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "7"), "版 7 はありません"),
        (("show", "meirei-2024:999"), "という行はありません"),
        (("show", "nonsense"), "version, a basis or a file"),
        (("diff", "1", "nowhere.yaml"), "読めません"),
        (("lint", "nowhere.yaml"), "読めません"),
        (("publish", str(ORDINANCE), "--from", "2030-01-01"), "data folder"),
        (("publish", str(ORDINANCE), "--from", "tomorrow"), "--from"),
    ],
)
def test_what_is_not_there_is_bad_input(
    lists: Lists, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert lists(*words) == BAD_INPUT

    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_file_that_is_not_utf_8_is_bad_input(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sjis.yaml"
    file.write_bytes("架空".encode("cp932"))

    assert lists("lint", str(file)) == BAD_INPUT
    assert "UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"versions": 1}', b'{"versions": [{"head": "", "signature": "", "content": ""}]}']
)
def test_a_damaged_file_of_versions_is_said_so(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    (tmp_path / list_files.FILE_NAME).write_bytes(damage)

    assert lists("show") == BAD_INPUT
    assert "permission-lists.json" in capsys.readouterr().err


def test_set_up_signs_the_shipped_versions_once_and_never_over_those_published(tmp_path: Path) -> None:
    kept, folder = tmp_path / list_files.FILE_NAME, tmp_path / "role"
    folder.mkdir()
    write_lists(kept, Signer(generate_seed()), [folder])
    before = kept.read_bytes()

    write_lists(kept, Signer(generate_seed()), [folder])

    assert kept.read_bytes() == before == (folder / list_files.FILE_NAME).read_bytes()
    assert len(list_files.read(kept)) == len(read_shipped_versions())
    kept.write_bytes(b"{}")
    with pytest.raises(list_files.ListFileBrokenError):
        write_lists(kept, Signer(generate_seed()), [folder])


@pytest.mark.parametrize(
    ("kind", "code"),
    [((), 3), (("--inquirer-kind", "福祉事務所を管理する町村長"), 0), (("--inquirer-kind", "市長"), 2)],
)
def test_decide_takes_kinds_that_only_the_register_knows(kind: tuple[str, ...], code: int) -> None:
    words = ["--on", "2022-10-01", "--inquirer", "奥多摩町長", "--provider", "世田谷区長", "--item", "26"]

    assert main(["decide", *words, "--information", "医療保険給付関係情報", *kind]) == code


def test_decide_explains_by_column_and_names_rows_that_allow(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--on", "2024-05-27", "--inquirer", "世田谷区長", "--provider", "内閣総理大臣", "--item", "999"]

    assert main(["decide", *words, "--information", "公的給付支給等口座登録簿関係情報", "--explain", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert {one["column"]: one["verdict"] for one in document["columns"]}["item"] == "fails"
    assert "meirei-2024:69" in document["allowing_rows"]
    assert main(["decide", *words, "--information", "公的給付支給等口座登録簿関係情報", "--explain"]) == 3
    assert "× 項  999" in capsys.readouterr().out


def test_decide_answers_by_the_versions_of_a_data_folder(tmp_path: Path) -> None:
    write_lists(tmp_path / list_files.FILE_NAME, Signer(generate_seed()), [])
    words = [
        "--inquirer",
        "全国健康保険協会",
        "--provider",
        "世田谷区長",
        "--item",
        "2",
        "--information",
        "医療保険給付関係情報",
    ]

    assert main(["decide", "--on", "2022-10-01", *words, "--data", str(tmp_path)]) == 0
    assert main(["decide", "--on", "2022-10-01", *words, "--basis", "meirei-2024", "--data", str(tmp_path)]) == 2


def test_a_published_version_names_lines_of_shipped_files_and_differs_by_its_row() -> None:
    library = open_library(None)
    texts = library.replacing([Text("o.yaml", ORDINANCE.read_text(encoding="utf-8"))])
    newest = library.heads[-1]
    signed = versions.make(
        library.documents(texts),
        number=3,
        valid_from=date(2030, 1, 1),
        supersedes=newest.content_digest,
        signer=Signer(generate_seed()),
    )
    head = versions.read_head(signed.head)
    assert head is not None
    more = replace(library, heads=(*library.heads, head), signed=(*library.signed, signed))

    shipped = list(read_shipped_versions()[-1].files)
    assert [text.name for text in more.newest_texts()] == [*shipped, "version-3/setagaya-example.json"]
    found = more.differences("2", "3")
    assert ([row.id for row in found.added], found.removed, found.changed) == (["setagaya-example:1"], (), ())


@pytest.mark.parametrize(
    "words",
    [
        ["lists", "show"],
        ["lists", "diff", "1", "2"],
        ["lists", "lint"],
        ["agency", "list"],
        ["agency", "remove", "suginami"],
    ],
)
def test_a_folder_that_is_not_there_is_bad_input(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is shipped is no answer to a question about a folder that somebody has named wrongly, and no folder is made."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--data", str(tmp_path / "nope")])
    assert ended.value.code == BAD_INPUT
    said = capsys.readouterr()
    assert "nope" in said.err
    assert said.out == ""
    assert not (tmp_path / "nope").exists()


def test_a_version_that_never_comes_is_shown_so(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PL-2: a newer version from an earlier day takes the place of one that was still ahead."""
    documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_shipped_versions()[0].texts]
    signer, signed, before = Signer(generate_seed()), [], None
    for number, day in (
        (1, date(2022, 6, 17)),
        (2, date(2999, 12, 10)),
        (3, date(2999, 12, 9)),
        (4, date(2999, 12, 20)),
    ):
        documents[0]["basis"]["title"] = f"{number}"
        signed.append(versions.make(documents, number=number, valid_from=day, supersedes=before, signer=signer))
        before = versions.read_head(signed[-1].head).content_digest
    (tmp_path / "permission-lists.json").write_bytes(list_files.encode(signed))

    assert lists("show", "--json") == OK
    assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["in_force", "overtaken", "ahead", "ahead"]
    assert lists("show") == OK
    assert "版 3 が代わる" in capsys.readouterr().out
    heads = [versions.read_head(one.head) for one in signed]
    assert "版 2（2999-12-10 から）は効力を生じません" in published_text(heads[2], heads[1:2])


def test_two_files_of_one_basis_are_a_mistake_and_both_are_looked_at(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        ORDINANCE.read_text(encoding="utf-8").replace("[地方税関係情報, 住民票関係情報]", "[戸籍関係情報]")
    )

    for files in ([wrong, ORDINANCE], [ORDINANCE, wrong]):
        assert lists("lint", *map(str, files), "--json") == FAILED
        found = json.loads(capsys.readouterr().out)["findings"]
        assert [(one["file"], one["line"]) for one in found if one["code"] == "basis_twice"] == [(str(files[1]), 3)]
        assert [one["file"] for one in found if one["code"] == "beyond_the_statute"] == [str(wrong)]


def test_a_file_that_ends_the_reader_is_refused_with_its_line(
    lists: Lists, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / "deep.yaml"
    deep.write_text("basis:\n  id: " + "[" * 200_000, encoding="utf-8")

    assert lists("lint", str(deep)) == FAILED
    assert f"{deep}:2: " in capsys.readouterr().out
    assert lists("diff", str(deep), "1") == BAD_INPUT
    assert f"{deep}:2: " in capsys.readouterr().err


def test_rows_of_two_bases_are_paired_whichever_comes_first(lists: Lists, capsys: pytest.CaptureFixture[str]) -> None:
    def found(before: str, after: str) -> dict[str, list[dict[str, str]]]:
        assert lists("diff", before, after, "--json") == FAILED
        document: dict[str, list[dict[str, str]]] = json.loads(capsys.readouterr().out)
        return document

    there, back = found("beppyo2-2022", "meirei-2024"), found("meirei-2024", "beppyo2-2022")
    assert there["changed"]
    assert {(one["after"], one["before"]) for one in back["changed"]} == {
        (one["before"], one["after"]) for one in there["changed"]
    }
    assert [one["id"] for one in back["added"]] == [one["id"] for one in there["removed"]]
    assert back["same"] == there["same"]
