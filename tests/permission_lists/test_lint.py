"""Mistakes in list documents are named by file and line; the lists as shipped have none."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from permission_lists import documents, lint
from permission_lists.documents import Document, read
from permission_lists.findings import Finding, Weight
from storage.reference_data import read_party_rules, read_shipped_versions

ORDINANCE = (Path(__file__).parent / "ordinance.yaml").read_text(encoding="utf-8")
STATUTE = """\
basis:
  id: statute
  kind: statute
  title: 架空の法
  citation: 架空の法の{item}の項
  in_force: {from: '2022-01-01', to: '2024-12-31'}
definitions:
  kinds:
    市町村長: {members: [市長, 町村長, 特別区の区長]}
  terms:
    市町村長: {kinds: [市長, 町村長, 特別区の区長]}
    厚生労働大臣: {kinds: [厚生労働大臣]}
  information:
    地方税関係情報: {text: 地方税に関する情報}
rows:
- item: '1'
  inquirer: 厚生労働大臣
  affair: 架空の事務
  grants:
  - {provider: 市町村長, text: 地方税関係情報, information: [地方税関係情報]}
- item: '2'
  deleted: true
- item: '3'
  inquirer: 市町村長
  affair: 別の事務
  grants:
  - {provider: 厚生労働大臣, text: 地方税関係情報, information: [地方税関係情報]}
"""
LATER = STATUTE.replace("id: statute", "id: later").replace("'2022-01-01', to: '2024-12-31'", "'2025-01-01', to: null")


def findings(*texts: str) -> list[Finding]:
    found = [read(f"{nth}.yaml", text) for nth, text in enumerate(texts)]
    wrong = [one for one in found if isinstance(one, Finding)]
    return wrong or lint.lint([one for one in found if isinstance(one, Document)], read_party_rules())


def only(*texts: str) -> Finding:
    (one,) = findings(*texts)
    return one


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


def test_the_shipped_versions_have_no_mistakes() -> None:
    for version in read_shipped_versions():
        read_ones = [read(name, text) for name, text in zip(version.files, version.texts, strict=True)]
        found = lint.lint([one for one in read_ones if isinstance(one, Document)], read_party_rules())

        assert len(read_ones) == len(version.files)
        assert lint.errors(found) == []
        assert {one.code for one in found} <= {"row_unreachable", "information_undefined"}


def test_a_sound_list_has_no_findings() -> None:
    assert findings(STATUTE) == []
    assert findings(STATUTE, LATER) == []


@pytest.mark.parametrize(
    ("code", "old", "new", "at"),
    [
        ("not_yaml", "rows:\n", "rows: [\n", None),
        ("key_not_text", "  title:", "  1: x\n  title:", "  1: x"),
        ("key_twice", "  title:", "  id: again\n  title:", "  id: again"),
        ("value_not_text", "from: '2022-01-01'", "from: 2022-01-01", "from: 2022-01-01"),
        ("key_unknown", "  title:", "  tittle: x\n  title:", "  tittle"),
        ("key_missing", "  kind: statute\n", "", "basis:"),
        ("key_missing", ", to: '2024-12-31'", "", "  in_force"),
        ("not_text", "title: 架空の法", "title: 3", "  title"),
        ("not_text", "citation: 架空の法の{item}の項", "citation: ''", "  citation"),
        ("place_holder_unknown", "の{item}の項", "の{itm}の項", "  citation"),
        ("place_holder_unknown", "の{item}の項", "のc{item}}の項", "  citation"),
        ("place_holder_unknown", "の{item}の項", "の{item の項", "  citation"),
        ("not_a_list", "kinds: [厚生労働大臣]", "kinds: 厚生労働大臣", "    厚生労働大臣:"),
        ("not_a_list", "- item: '1'\n  inquirer: 厚生労働大臣\n  affair: 架空の事務\n  grants:\n  - {provider: 市町村長, text: 地方税関係情報, information: [地方税関係情報]}", "- item: '1'\n  inquirer: 厚生労働大臣\n  affair: 架空の事務\n  grants: 市町村長", "  grants: 市町村長"),
        ("not_a_mapping", "    地方税関係情報: {text: 地方税に関する情報}", "    []", "  information:"),
        ("not_a_mapping", "- item: '2'\n  deleted: true", "- 2", "- 2"),
        ("empty_list", "information: [地方税関係情報]}\n- item: '2'", "information: []}\n- item: '2'", "information: []"),
        ("not_a_flag", "deleted: true", "deleted: '1'", "  deleted: '1'"),
        ("not_a_flag", "deleted: true", "deleted: false", "  deleted: false"),
        ("not_of_this_form", "item: '3'", "item: 三", "item: 三"),
        ("not_one_of", "kind: statute", "kind: rumour", "  kind: rumour"),
        ("not_a_date", "from: '2022-01-01'", "from: '20220101'", "  in_force"),
        ("ends_before_it_begins", "to: '2024-12-31'", "to: '2021-12-31'", "  in_force"),
        ("term_undefined", "  inquirer: 市町村長", "  inquirer: 市町村長等", "  inquirer: 市町村長等"),
        ("term_unused", "    厚生労働大臣: {", "    法務大臣: {kinds: [法務大臣]}\n    厚生労働大臣: {", "    法務大臣"),
        ("term_of_nobody", "    厚生労働大臣: {kinds: [厚生労働大臣]}", "    厚生労働大臣: {kinds: []}", "    厚生労働大臣:"),
        ("term_not_as_defined", "    市町村長: {kinds: [市長, 町村長, 特別区の区長]}", "    市町村長: {kinds: [市長, 町村長]}", "    市町村長: {kinds"),
        ("kind_unknown", "厚生労働大臣: {kinds: [厚生労働大臣]}", "厚生労働大臣: {kinds: [厚生大臣]}", "    厚生労働大臣:"),
        ("kinds_in_a_circle", "    市町村長: {members: [市長, 町村長, 特別区の区長]}", "    市町村長: {members: [甲]}\n    甲: {members: [市町村長]}", "    市町村長: {members"),
        ("kinds_in_a_circle", "    市町村長: {members: [市長, 町村長, 特別区の区長]}", "    市町村長: {members: [市町村長]}", "    市町村長: {members"),
        ("no_rows", STATUTE[STATUTE.index("rows:"):], "rows: []\n", "rows: []"),
        ("item_twice", "item: '3'", "item: '1'", "- item: '1'\n  inquirer: 市町村長"),
        ("items_gap", "- item: '2'\n  deleted: true\n", "", "rows:"),
        ("row_never_in_force", "  affair: 別の事務", "  affair: 別の事務\n  in_force: {from: '2025-01-01', to: null}", "  in_force: {from: '2025"),
        ("row_outlasts_basis", "  affair: 別の事務", "  affair: 別の事務\n  in_force: {from: '2024-01-01', to: null}", "  in_force: {from: '2024"),
        ("information_undefined", "    地方税関係情報: {text: 地方税に関する情報}\n", "    戸籍関係情報: {text: 戸籍}\n", "  - {provider: 市町村長"),
        ("row_without_grants", "  grants:\n  - {provider: 厚生労働大臣, text: 地方税関係情報, information: [地方税関係情報]}\n", "  grants: []\n", "- item: '3'"),
        ("row_unreachable", "    厚生労働大臣: {kinds: [厚生労働大臣]}", "    厚生労働大臣: {kinds: [], unresolved: true}", None),
        ("detail_class_unknown", "  affair: 別の事務", "  affair: 別の事務\n  details:\n  - number: '1'\n    affair: 細目\n    information:\n    - {text: 戸籍, classes: [戸籍関係情報]}", "    - {text: 戸籍"),
        ("follows_of_statute", "  affair: 別の事務", "  affair: 別の事務\n  follows: 'statute:1'", "  follows"),
        ("rows_overlap", "  inquirer: 市町村長\n  affair: 別の事務\n  grants:\n  - {provider: 厚生労働大臣", "  inquirer: 厚生労働大臣\n  affair: 架空の事務\n  grants:\n  - {provider: 市町村長", "- item: '3'"),
        ("grant_unreachable", "  - {provider: 厚生労働大臣, text: 地方税関係情報, information: [地方税関係情報]}\n", "  - {provider: 厚生労働大臣, text: 地方税関係情報, information: [地方税関係情報]}\n  - {provider: 厚生労働大臣, text: 再び, information: [地方税関係情報]}\n", "  - {provider: 厚生労働大臣, text: 再び"),
        ("empty", STATUTE, "", None),
        ("too_large", "title: 架空の法", "title: " + "架" * 4_200_000, None),
        ("too_deep", "title: 架空の法", "title: " + "[" * 30 + "]" * 30, None),
        ("too_deep", "title: 架空の法", "title: " + "[" * 200_000, "  title: "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(code: str, old: str, new: str, at: str | None) -> None:
    assert old in STATUTE
    text = STATUTE.replace(old, new, 1)

    found = findings(text)

    named = [one for one in found if one.code == code]
    assert named, [one.code for one in found]
    assert named[0].file == "0.yaml"
    assert at is None or named[0].line == line_of(text, at)
    assert all(" / " in one.what or one.weight is Weight.WARNING for one in named)


def test_an_endless_document_is_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )

    assert only(bomb).code == "too_deep"


def test_bases_must_not_overlap_nor_leave_a_gap() -> None:
    assert only(STATUTE, LATER.replace("'2025-01-01'", "'2024-12-31'")).code == "bases_overlap"
    gap = only(STATUTE, LATER.replace("'2025-01-01'", "'2025-01-02'"))
    assert (gap.code, gap.weight, gap.file) == ("bases_gap", Weight.WARNING, "1.yaml")
    assert only(STATUTE, LATER.replace("id: later", "id: statute")).code == "basis_twice"


def shipped() -> list[str]:
    return list(read_shipped_versions()[0].texts)


def ordinance_codes(change: Callable[[str], str] = str) -> set[str]:
    return {one.code for one in findings(*shipped(), change(ORDINANCE)) if one.weight is Weight.ERROR}


def test_an_ordinance_within_its_statutory_row_is_sound() -> None:
    assert ordinance_codes() == set()


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("municipality_missing", "  municipality: 世田谷区\n", ""),
        ("inquirer_of_another", "agencies: [世田谷区長]", "agencies: [目黒区長]"),
        (
            "inquirer_of_another",
            "世田谷区長: {kinds: [], agencies: [世田谷区長]}",
            "世田谷区長: {kinds: [特別区の区長]}",
        ),
        ("inquirer_of_a_kind", "世田谷区長: {kinds: []", "世田谷区長: {kinds: [特別区の区長]"),
        ("inquirer_of_a_kind", "世田谷区長: {kinds: []", "世田谷区長: {kinds: [], unresolved: true"),
        ("agency_name_not_listed", "agencies: [世田谷区長]", "agencies: [東京都世田谷区長]"),
        ("inquirer_of_another", "municipality: 世田谷区", "municipality: 世"),
        ("inquirer_of_another", "municipality: 世田谷区", "municipality: 東京都"),
        ("inquirer_of_another", "agencies: [世田谷区長]", "agencies: [世田谷区社会福祉協議会]"),
        ("follows_out_of_force", "to: '2024-05-26'", "to: '2024-05-27'"),
        ("follows_out_of_force", "from: '2022-10-01', to: '2024-05-26'", "from: '2026-12-01', to: null"),
        ("follows_nothing", "  follows: 'beppyo2-2022:42'\n", ""),
        ("follows_nothing", "'beppyo2-2022:42'", "'beppyo2-2022:999'"),
        ("beyond_the_statute", "[地方税関係情報, 住民票関係情報]", "[戸籍関係情報]"),
        ("beyond_the_statute", "provider: 内閣総理大臣", "provider: 市町村長"),
    ],
)
def test_an_ordinance_names_its_municipality_and_statutory_row_and_gives_no_more(code: str, old: str, new: str) -> None:
    assert old in ORDINANCE
    assert ordinance_codes(lambda text: text.replace(old, new, 1)) == {code}


@pytest.mark.parametrize(
    ("municipality", "inquirer"),
    [
        ("東京都世田谷区", "世田谷区長"),
        ("東京都世田谷区", "世田谷区教育委員会"),
        ("東京都", "東京都知事"),
        ("府中市", "広島県府中市長"),
    ],
)
def test_an_inquirer_is_of_the_municipality_by_what_both_names_mean(municipality: str, inquirer: str) -> None:
    def change(text: str) -> str:
        named = text.replace("municipality: 世田谷区", f"municipality: {municipality}")
        return named.replace("agencies: [世田谷区長]", f"agencies: [{inquirer}]")

    assert ordinance_codes(change) == set()


def test_a_row_within_the_days_of_its_basis_alone_may_be_without_days_of_its_own() -> None:
    def change(text: str) -> str:
        assert "in_force: {from: '2022-07-01', to: null}" in text
        whole = text.replace(
            "in_force: {from: '2022-07-01', to: null}", "in_force: {from: '2022-07-01', to: '2024-05-26'}"
        )
        return whole.replace("  in_force: {from: '2022-10-01', to: '2024-05-26'}\n", "")

    assert ordinance_codes(change) == set()
    longer = change(ORDINANCE).replace("to: '2024-05-26'", "to: '2024-06-01'")
    assert ordinance_codes(lambda _: longer) == {"follows_out_of_force"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("市町村長: {kinds: [市長, 町村長, 特別区の区長]}", "市町村長: {kinds: [], agencies: [杉並区長, 横浜市長]}"),
        (
            "市町村長: {kinds: [市長, 町村長, 特別区の区長]}",
            "市町村長: {kinds: [市長], agencies: [杉並区長, 内閣総理大臣]}",
        ),
    ],
    ids=["by name", "kinds and a name"],
)
def test_a_provider_whom_the_ordinance_names_may_be_one_of_the_statutes_kinds(old: str, new: str) -> None:
    """A mayor by name is one of 市町村長; 内閣総理大臣 gives nothing of what they give."""
    assert old in ORDINANCE
    beyond = {"beyond_the_statute"} if "内閣総理大臣" in new else set()
    assert ordinance_codes(lambda text: text.replace(old, new, 1)) == beyond


def test_a_provider_may_be_of_several_grants_of_the_statutory_row() -> None:
    """What two grants of the statute give, one of the ordinance may."""
    whole = "  - {provider: 市町村長, text: 地方税関係情報, information: [地方税関係情報]}"
    apart = STATUTE.replace(whole, whole.replace("市町村長", "市長") + "\n" + whole.replace("市町村長", "町村長"), 1)
    apart = apart.replace(
        "    市町村長: {kinds", "    市長: {kinds: [市長]}\n    町村長: {kinds: [町村長]}\n    市町村長: {kinds", 1
    )
    ordinance = """\
basis:
  id: by-ordinance
  kind: ordinance
  municipality: 世田谷区
  title: 架空の条例
  citation: 架空の条例の{item}の項
  in_force: {from: '2022-01-01', to: '2024-12-31'}
definitions:
  terms:
    世田谷区長: {kinds: [], agencies: [世田谷区長]}
    市長又は町村長: {kinds: [市長, 町村長]}
  information: {}
rows:
- item: '1'
  inquirer: 世田谷区長
  affair: 架空の独自の事務
  follows: 'statute:1'
  grants:
  - {provider: 市長又は町村長, text: 地方税関係情報, information: [地方税関係情報]}
"""
    found = {one.code for one in findings(apart, ordinance) if one.weight is Weight.ERROR}
    assert "beyond_the_statute" not in found
    narrow = apart.replace(
        whole.replace("市町村長", "町村長"),
        whole.replace("市町村長", "町村長").replace("[地方税関係情報]", "[戸籍関係情報]"),
    )
    assert "beyond_the_statute" in {one.code for one in findings(narrow, ordinance)}


def test_only_the_portal_asks_for_people_about_themselves() -> None:
    (own,) = (text for text in shipped() if "kind: own_information" in text)
    for kinds in ("[市長]", "[マイナポータル, 市長]", "[マイナポータル], unresolved: true"):
        found = only(own.replace("マイナポータル: {kinds: [マイナポータル]}", f"マイナポータル: {{kinds: {kinds}}}"))
        assert (found.code, found.weight) == ("inquirer_not_portal", Weight.ERROR)


def test_whoever_may_ask_or_give_shows_people_their_records() -> None:
    (own,) = (text for text in shipped() if "kind: own_information" in text)
    given = yaml.load(own, Loader=yaml.CSafeLoader)["definitions"]["terms"]["情報照会者又は情報提供者"]["kinds"]
    assert set(given) == read_party_rules().kinds - {"マイナポータル"}


def test_an_agency_that_would_ask_itself_is_pointed_out() -> None:
    text = ORDINANCE.replace("provider: 市町村長", "provider: 世田谷区長")

    assert "asks_itself" in {one.code for one in findings(*shipped(), text)}


def test_every_code_is_tried_here() -> None:
    source = "".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in (lint, documents))
    strings = {
        node.value
        for node in ast.walk(ast.parse(source.replace("from __future__ import annotations", "")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    here = Path(__file__).read_text(encoding="utf-8")
    codes = {text for text in strings if re.fullmatch(r"[a-z]+(_[a-z]+)+|empty", text)} - {
        "in_force",
        "text_known",
        "text_note",
        "law_id",
        "details_source",
        "old_item",
        "own_information",
    }

    assert {code for code in codes if f'"{code}"' not in here} == set()
    assert len(codes) > 30
