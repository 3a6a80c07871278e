from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

import codebook.layouts
from codebook.errors import CodebookError
from codebook.item_values import Characters, ItemType, fits
from codebook.layouts import (
    LayoutBrokenError,
    NullReason,
    Problem,
    Why,
    check_record,
    in_force,
    is_valid,
    parse,
    version_of,
)

DATA = Path(codebook.layouts.__file__).parent / "layout_data"
LAYOUTS = [layout for path in sorted(DATA.glob("*.yaml")) for layout in parse(path.read_text(encoding="utf-8"))]
ACCOUNTS = next(layout for layout in LAYOUTS if layout.code == "TM00000000000089")
ACCOUNT = {
    "金融機関コード": {"value": "9999"},
    "金融機関名カナ": {"value": "ｶｸｳ"},
    "店番": {"value": "001"},
    "支店名カナ": {"value": "ﾐﾎﾝ"},
    "預貯金種目コード": {"value": "1"},
    "口座番号": {"value": "0001234"},
    "名義人氏名カナ": {"value": "ﾐﾎﾝ ﾀﾛｳ"},
}
SMALL = """
layouts:
  - information: 見本情報
    code: TM00000000099999
    code_is_ours: true
    version: "0001"
    valid_from: 2026-04-01
    data_sets:
      - name: 親
        items:
          - {name: 日, type: date, required: true, null_reasons: [NotApplicable]}
          - {name: 額, type: amount, width: 3}
      - name: 子
        parent: 親
        items: [{name: 文, type: text, width: 2, required: true}]
"""


def problems(**items: dict[str, object]) -> list[Problem]:
    return check_record(ACCOUNTS, "公的給付支給等口座情報", ACCOUNT | items)


def test_the_shipped_layouts_are_the_four_kinds_of_information_and_notices():
    assert {(layout.information, layout.code, layout.code_is_ours) for layout in LAYOUTS} == {
        ("医療保険給付関係情報", "TM00000000090001", True),
        ("公的給付支給等口座登録簿関係情報", "TM00000000000089", False),
        ("失業等給付関係情報", "TM00000000090002", True),
        ("地方税関係情報", "TM00000000000002", False),
        ("お知らせ", "TM00000000090003", True),
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.code}-{layout.version}")
def test_a_shipped_layout_is_well_formed(layout):
    items = [item for data_set in layout.data_sets.values() for item in data_set.items.values()]
    assert (len(layout.code), len(layout.version)) == (16, 4)
    assert all(item.width > 0 for item in items if item.type is not ItemType.DATE)
    assert all(
        len(code) == item.width and fits(item.type, item.width, item.codes, code)
        for item in items
        for code in item.codes
    )
    assert all(item.type is ItemType.CODE for item in items if item.codes)


def test_a_record_that_keeps_to_the_layout_has_no_problems():
    assert problems() == []


@pytest.mark.parametrize(
    ("item", "given", "why"),
    [
        ("店番", {"value": "01"}, Why.VALUE_NOT_IN_FORM),
        ("店番", {"value": "００１"}, Why.VALUE_NOT_IN_FORM),
        ("預貯金種目コード", {"value": "7"}, Why.VALUE_NOT_IN_FORM),
        ("名義人氏名カナ", {"value": "見本"}, Why.VALUE_NOT_IN_FORM),
        ("店番", {"null_reason": "NotAcceptable"}, Why.NULL_REASON_NOT_ALLOWED),
        ("店番", {"null_reason": "無し"}, Why.NULL_REASON_NOT_ALLOWED),
        ("店番", {}, Why.NEITHER_VALUE_NOR_REASON),
        ("店番", {"value": None}, Why.NEITHER_VALUE_NOR_REASON),
        ("店番", {"value": 1}, Why.NEITHER_VALUE_NOR_REASON),
        ("店番", {"value": "001", "null_reason": "NotApplicable"}, Why.NEITHER_VALUE_NOR_REASON),
        ("店番", {"value": "001", "more": "x"}, Why.NEITHER_VALUE_NOR_REASON),
    ],
)
def test_each_bad_item_is_named_with_its_reason(item, given, why):
    assert problems(**{item: given}) == [Problem(item=item, why=why)]


def test_an_allowed_reason_of_null_stands_for_a_value():
    assert problems(店番={"null_reason": "NotApplicable"}) == []


def test_a_missing_required_item_is_named():
    left = {name: given for name, given in ACCOUNT.items() if name != "口座番号"}
    assert check_record(ACCOUNTS, "公的給付支給等口座情報", left) == [Problem(item="口座番号", why=Why.MISSING)]


def test_an_item_that_is_not_required_may_be_left_out():
    assert check_record(parse(SMALL)[0], "親", {"日": {"value": "2026-04-01"}}) == []


def test_an_unknown_item_or_data_set_is_refused_and_its_name_not_repeated():
    assert problems(余分={"value": "x"}) == [Problem(item="", why=Why.UNKNOWN_ITEM)]
    assert check_record(ACCOUNTS, "余分", {}) == [Problem(item="", why=Why.UNKNOWN_DATA_SET)]


def test_many_problems_come_in_the_layout_s_order():
    found = problems(口座番号={"value": "1"}, 店番={"value": "1"}, 余分={"value": "x"})
    assert [problem.item for problem in found] == ["店番", "口座番号", ""]


@pytest.mark.parametrize("why", list(Why))
def test_every_reason_has_words_for_people(why):
    assert why.explanation


@pytest.mark.parametrize(
    ("on", "version"),
    [(date(2020, 3, 31), None), (date(2020, 4, 1), "0001"), (date(2025, 3, 31), "0001"), (date(2025, 4, 1), "0002")],
)
def test_the_version_in_force_goes_by_the_day(on, version):
    layout = in_force(LAYOUTS, "医療保険給付関係情報", on)
    assert (layout and layout.version) == version


def test_of_two_open_versions_the_later_is_in_force():
    older, newer = parse(SMALL)[0], parse(SMALL.replace("2026-04-01", "2027-04-01"))[0]
    assert in_force([newer, older], "見本情報", date(2028, 1, 1)) is newer


def test_information_without_a_layout_has_none_in_force():
    assert in_force(LAYOUTS, "知らない情報", date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("layouts:", "other:"),
        (SMALL, "[]"),
        (SMALL, ""),
        (SMALL, "layouts: [1]"),
        (SMALL, "layouts: [{"),
        ("type: date", "type: 日付"),
        ("NotApplicable", "Nothing"),
        ("parent: 親", "parent: 祖"),
        ("name: 子", "name: 親"),
        ("name: 額", "name: 日"),
        ("valid_from: 2026-04-01", "valid_from: 来年"),
        ("valid_from: 2026-04-01", "valid_from: 2026-04-01 00:00:00"),
        ('version: "0001"', "version: 1"),
        ("code: TM00000000099999", 'code: ""'),
        ("width: 3", "width: 広い"),
    ],
)
def test_a_text_that_is_no_layout_is_refused(old, new):
    with pytest.raises(CodebookError):
        parse(SMALL.replace(old, new))


def test_the_text_itself_parses():
    layout = parse(SMALL)[0]
    assert layout.data_sets["子"].parent == "親"
    assert layout.data_sets["親"].items["日"].null_reasons == {NullReason.NOT_APPLICABLE}
    assert yaml.load(SMALL, Loader=yaml.CSafeLoader)["layouts"][0]["code"] == layout.code


@pytest.mark.parametrize(
    ("kind", "width", "value"),
    [
        (ItemType.DIGITS, 3, "012"),
        (ItemType.CODE, 2, "A1"),
        (ItemType.DATE, 0, "2024-02-29"),
        (ItemType.AMOUNT, 3, "0"),
        (ItemType.AMOUNT, 3, "-999"),
        (ItemType.TEXT, 3, "𠮷野家"),
        (ItemType.KANA, 20, "ｶﾌﾞ)ﾐﾎﾝ-ABC 12"),
        (ItemType.KANA, 20, "カ）ミホン・ー　１"),
    ],
)
def test_values_in_form(kind, width, value):
    assert fits(kind, width, frozenset(), value)


@pytest.mark.parametrize(
    ("kind", "width", "value"),
    [
        (ItemType.DIGITS, 3, "12"),
        (ItemType.DIGITS, 3, "1²3"),
        (ItemType.CODE, 2, "a1"),
        (ItemType.CODE, 2, "A"),
        (ItemType.DATE, 0, "2023-02-29"),
        (ItemType.DATE, 0, "20240229"),
        (ItemType.DATE, 0, "2024-W01-1"),
        (ItemType.DATE, 0, "2024-02-29\n"),
        (ItemType.AMOUNT, 3, "1000"),
        (ItemType.AMOUNT, 3, "-0"),
        (ItemType.AMOUNT, 3, "01"),
        (ItemType.AMOUNT, 3, "1.0"),
        (ItemType.AMOUNT, 3, ""),
        (ItemType.TEXT, 3, ""),
        (ItemType.TEXT, 3, "四文字超"),
        (ItemType.TEXT, 3, "a\x00b"),
        (ItemType.TEXT, 3, "a\nb"),
        (ItemType.KANA, 3, ""),
        (ItemType.KANA, 3, "ｱｲｳｴ"),
        (ItemType.KANA, 9, "みほん"),
    ],
)
def test_values_not_in_form(kind, width, value):
    assert not fits(kind, width, frozenset(), value)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("layouts:", "layouts: [{", 3, "YAML"),
        ("code: TM00000000099999", "code: TM99", 4, "`code`"),
        ('version: "0001"', 'version: "1"', 6, "`version`"),
        ("valid_from: 2026-04-01", "valid_from: 2026-04-01\n    valid_to: 2026-03-31", 8, "`valid_to`"),
        ("type: date", "type: 日付", 11, "`type`"),
        ("type: date", "type: date, width: 3", 11, "`width`"),
        ("width: 3", "width: 0", 12, "`width`"),
        ("width: 3", "width: true", 12, "`width`"),
        ("width: 3", "widht: 3", 12, "not known"),
        ("required: true", "required: maybe", 11, "`required`"),
        ("null_reasons: [NotApplicable]", "null_reasons: [Nothing]", 11, "`null_reasons`"),
        ("width: 3", 'width: 3, codes: {"1": 一}', 12, "`codes`"),
        ("type: amount, width: 3", 'type: code, width: 3, codes: {"1": 一}', 12, "`width` digits"),
        ("type: amount, width: 3", "type: code, width: 1, codes: {1: 一}", 12, "a code is a text"),
        ("type: amount, width: 3", "type: amount, width: 3, characters: ascii", 12, "`characters`"),
        ("type: text, width: 2", "type: text, width: 2, characters: runes", 15, "`characters`"),
        ("parent: 親", "parent: 祖", 14, "`parent`"),
        ("parent: 親", "parent: 子", 14, "leads back"),
        ("name: 子", "name: 親", 13, "data set"),
        ("name: 額", "name: 日", 12, "item"),
        ("    code_is_ours: true\n", "    code_is_ours: true\n    code_is_ours: true\n", 6, "twice"),
    ],
)
def test_a_wrong_layout_is_refused_with_file_and_line_and_nothing_quoted(old, new, line, says):
    with pytest.raises(LayoutBrokenError) as found:
        parse(SMALL.replace(old, new, 1), "small.yaml")
    assert (found.value.source, found.value.line) == ("small.yaml", line)
    assert says in found.value.problem
    assert str(found.value) == f"small.yaml:{line}: {found.value.problem}"


def test_data_sets_that_are_one_another_s_parents_are_refused():
    circle = SMALL.replace("      - name: 親\n", "      - name: 親\n        parent: 子\n")
    with pytest.raises(LayoutBrokenError) as found:
        parse(circle)
    assert "leads back" in found.value.problem


def test_one_version_of_an_information_stands_once():
    with pytest.raises(LayoutBrokenError) as found:
        parse(SMALL + SMALL.partition("layouts:\n")[2])
    assert (found.value.line, found.value.problem) == (19, "this version of the information stands twice")


def test_versions_stand_side_by_side_and_a_record_keeps_its_own():
    first, second = parse(
        SMALL + SMALL.partition("layouts:\n")[2].replace('"0001"', '"0002"').replace("2026-04-01", "2027-04-01")
    )
    both = [first, second]
    assert version_of(both, "見本情報", "0001", date(2028, 1, 1)) is first
    assert version_of(both, "見本情報", "0002", date(2027, 3, 31)) is None
    assert is_valid(first, date(2028, 1, 1))
    ended = parse(SMALL.replace("valid_from: 2026-04-01", "valid_from: 2026-04-01\n    valid_to: 2027-03-31"))[0]
    assert not is_valid(ended, date(2027, 4, 1))
    assert version_of([ended], "見本情報", "0001", date(2028, 1, 1)) is ended


@pytest.mark.parametrize(
    ("characters", "good", "bad"),
    [
        (Characters.ASCII, "AB 12-", "ア"),
        (Characters.HALF_WIDTH, "ｱｲ A1", "ア"),
        (Characters.FULL_WIDTH, "世田谷１", "世田谷1"),
        (Characters.JIS, "模擬ｱA1", "𠮷野"),
        (Characters.JIS, "高橋", "〓橋"),
        (Characters.ANY, "高橋", "\ufffd橋"),
        (Characters.ANY, "高橋", "高\u202e橋"),
        (Characters.ANY, "𠮷野", "\ue000"),
    ],
)
def test_a_text_keeps_to_its_characters(characters, good, bad):
    assert fits(ItemType.TEXT, 10, frozenset(), good, characters)
    assert not fits(ItemType.TEXT, 10, frozenset(), bad, characters)


def test_what_is_made_up_by_us_is_marked():
    assert all(layout.form_is_ours for layout in LAYOUTS)
    assert {layout.information for layout in LAYOUTS if not layout.code_is_ours} == {
        "公的給付支給等口座登録簿関係情報",
        "地方税関係情報",
    }
