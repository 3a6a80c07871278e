"""The import: cells are read right, and the committed lists are what it makes of the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from permission_lists.import_law_tables import read_term
from permission_lists.law_details import details_of_old_order
from permission_lists.law_text import read_information, read_party

ROOT = Path(__file__).parents[2]
SOURCES = Path(os.environ.get("SEKISHO_LAW_TEXTS", ROOT / "../shared/data"))


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("医療保険給付関係情報であって主務省令で定めるもの", ["医療保険給付関係情報"]),
        ("戸籍関係情報であって第十四条の二で定めるもの", ["戸籍関係情報"]),
        (
            "地方税関係情報、住民票関係情報又は介護保険給付等関係情報であって次条で定めるもの",
            ["地方税関係情報", "住民票関係情報", "介護保険給付等関係情報"],
        ),
        (
            "甲法（昭和二十五年法律第百四十四号）による保護又は支給に関する情報（以下「甲関係情報」という。）若しくは乙法による支給に関する情報であって主務省令で定めるもの",
            ["甲関係情報", "乙法による支給に関する情報"],
        ),
        (
            "甲法による救助若しくは扶助金の支給、乙法による貸付けに関する情報",
            ["甲法による救助若しくは扶助金の支給、乙法による貸付けに関する情報"],
        ),
        (
            "甲法による措置（同条の情報、第二号の措置をいう。）に関する情報",
            ["甲法による措置（同条の情報、第二号の措置をいう。）に関する情報"],
        ),
    ],
)
def test_a_cell_of_information_is_taken_apart_into_classes(cell: str, names: list[str]) -> None:
    assert [found.name for found in read_information(cell)] == names


def test_a_short_name_keeps_its_wording() -> None:
    (found,) = read_information(
        "甲法（昭和二十五年法律第百四十四号）による情報（以下この条において「甲関係情報」という。）"
    )

    assert (found.name, found.defined) == ("甲関係情報", "甲法による情報")


@pytest.mark.parametrize(
    ("term", "kinds", "unresolved"),
    [
        ("市町村長", ["市長", "町村長", "特別区の区長"], False),
        ("市町村長（特別区の区長を含む。以下この条において同じ。）", ["市長", "町村長", "特別区の区長"], False),
        ("厚生労働大臣若しくは日本年金機構又は共済組合等", [
            "厚生労働大臣", "日本年金機構", "日本私立学校振興・共済事業団", "国家公務員共済組合連合会", "地方公務員共済組合",
            "全国市町村職員共済組合連合会",
        ], False),
        ("都道府県知事等", ["都道府県知事", "市長", "特別区の区長", "福祉事務所を管理する町村長"], False),
        ("介護保険法第二十条に規定する他の法令による給付の支給を行うこととされている者", [], True),
        ("市町村長又は知らない者", [], True),
    ],
)  # fmt: skip
def test_a_party_term_is_expanded_or_flagged(term: str, kinds: list[str], unresolved: bool) -> None:
    found = read_term(term)

    assert found["kinds"] == kinds
    assert found.get("unresolved", False) is unresolved


def test_nested_classes_are_expanded_to_the_leaves_once() -> None:
    classes = {"甲": ["乙", "丙"], "乙": ["丙", "丁"]}

    assert read_party("甲又は丙", classes, ["丙", "丁"]).kinds == ("丙", "丁")


def test_an_affair_ends_before_its_information() -> None:
    lines = [
        "主務省令で定める事務は、次の各号に掲げる事務とする。",
        "  一　甲の審査に関する事務（乙に関する事務（丙を除く。）を除く。）次に掲げる情報",
        "    イ　甲情報",
        "    ヲ　乙情報",
        "  十二の二　丁に関する事務前号イからヲまでに掲げる情報",
    ]

    article, affairs = details_of_old_order([{"item": 1, "article": "第一条", "lines": lines}])["1"]

    assert article == "第一条"
    assert [(affair.number, affair.text, affair.lines) for affair in affairs] == [
        ("1", "甲の審査に関する事務（乙に関する事務（丙を除く。）を除く。）", ["甲情報", "乙情報"]),
        ("12-2", "丁に関する事務", ["前号イからヲまでに掲げる情報"]),
    ]


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the transcribed law texts are not part of the repository")
def test_the_committed_lists_are_what_the_import_makes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "permission_lists.import_law_tables", str(SOURCES), str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip

    committed = resources.files("permission_lists") / "data"
    for name in ("beppyo2_2022.yaml", "meirei_2024.yaml"):
        assert (tmp_path / name).read_bytes() == (committed / name).read_bytes()
