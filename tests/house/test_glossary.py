"""docs/glossary.md rules the names: its words are unique, and no identifier says what it bans."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.house.sources import ROOT, parsed, production_modules

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
REQUIRED_TERMS = """
個人番号 住民票コード 宛名番号 団体内統合宛名番号 符号 付番 符号取得 処理通番 照会番号 情報提供ネットワークシステム 中間サーバー 番号連携サーバー
既存業務システム 接続端末 副本 正本 情報照会 情報照会者 情報提供 情報提供者 照会許可用照合リスト 情報提供許可証 自動応答不可フラグ 情報提供等記録
特定個人情報 事務 収納管理台帳 滞納整理台帳 消込 督促 催告 還付 充当 口座振替 公金受取口座
"""
CLASS_WORDS_BANNED = {"Query": "Inquiry", "Enquiry": "Inquiry", "Response": "Provision"}


def rows(heading: str) -> list[list[str]]:
    section = GLOSSARY.split(heading, 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


TERMS = rows("## 法令と業務の言葉")
BANNED = {row[0].strip("`"): row[1].strip("`") for row in rows("## 使わない言葉")}


@cache
def words(identifier: str) -> str:
    """Snake case with a bar at each end, so that whole parts match: MyNumberStore -> _my_number_store_."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return f"_{spaced.lower()}_"


def identifiers(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case _:
                pass
    return found


def test_every_term_of_the_law_is_in_the_glossary():
    assert set(REQUIRED_TERMS.split()) - {row[0] for row in TERMS} == set()


def test_each_japanese_term_and_each_class_stands_once():
    japanese = Counter(row[0] for row in TERMS)
    english = Counter(row[1] for row in TERMS)
    assert [name for counter in (japanese, english) for name, n in counter.items() if n > 1] == []


def test_every_row_has_five_cells():
    assert [row for row in TERMS if len(row) != 5] == []


@pytest.mark.parametrize("identifier", ["loadMyNumber", "my_number", "MyNumberStore", "load_my_number"])
def test_the_word_matcher_sees_camel_and_snake_case(identifier):
    assert "_my_number_" in words(identifier)


def test_the_word_matcher_takes_whole_words_only():
    assert "_fugo_" not in words("fugolin")


@cache
def named() -> dict[Path, tuple[set[str], set[str]]]:
    """Of each module its identifiers, and the names of its classes."""
    trees = ((module, parsed(module)) for module in production_modules())
    return {
        module: (identifiers(tree), {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)})
        for module, tree in trees
    }


def test_identifiers_avoid_the_banned_words():
    found = {
        f"{module}: {name}: say {good}"
        for module, (names, _) in named().items()
        for name in names
        for bad, good in BANNED.items()
        if f"_{bad}_" in words(name)
    }
    assert found == set()


def test_class_names_say_inquiry_and_provision():
    terms = {row[1].strip("`") for row in TERMS}
    found = {
        f"{module}: {name}: say {good}"
        for module, (_, classes) in named().items()
        for name in classes - terms
        for bad, good in CLASS_WORDS_BANNED.items()
        if f"_{bad.lower()}_" in words(name)
    }
    assert found == set()
