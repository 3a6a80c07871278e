"""LS-2.3: the form of a record is made from its layout, says back what was typed, and tells every mistake at its field."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.layouts import check_record, parse
from gateway.terminal import record_form
from storage.reference_data import read_layouts

LAYOUTS = read_layouts()
INSURED = "医療保険給付関係情報"
EVERY = [(layout, data_set) for layout in LAYOUTS for data_set in layout.data_sets.values()]
TODAY = date(2026, 11, 30)


@given(st.sampled_from(EVERY), st.data())
def test_what_is_typed_is_what_is_read_and_what_is_read_is_what_is_typed(place, data):
    _, data_set = place
    text = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)
    said = st.one_of(text.map(lambda one: {"value": one}), text.map(lambda one: {"null_reason": one}))
    items = data.draw(st.dictionaries(st.sampled_from(sorted(data_set.items)), said))
    assert record_form.read(data_set, record_form.typed(items)) == items


@given(st.sampled_from(EVERY), st.data())
def test_what_the_form_finds_wrong_with_the_items_is_what_the_layout_finds(place, data):
    layout, data_set = place
    fields = data.draw(
        st.dictionaries(
            st.sampled_from([f"{kind}{name}" for name in data_set.items for kind in ("value-", "null-")]),
            st.sampled_from(["", "1", "01", "2022-10-03", "2022-02-30", "NotApplicable", "Unknown", "模擬"]),
        )
    )
    items = record_form.read(data_set, fields)
    found = record_form.wrong(layout, data_set, items, {**fields, "record_id": "r1"})
    assert set(found) == {problem.item for problem in check_record(layout, data_set.name, items)}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("public_from", "2022-02-30"),
        ("public_to", "20221003"),
        ("record_id", ""),
        ("record_id", "x" * 41),
        ("record_id", "番号"),
        ("parent_record_id", "a b"),
    ],
)
def test_what_is_wrong_beside_the_items_is_told_at_its_field(field, value):
    layout, data_set = next(one for one in EVERY if one[1].name == "給付情報")
    found = record_form.wrong(layout, data_set, {}, {"record_id": "kokuho/r1", field: value})
    assert set(found) - set(data_set.items) == {field}


def test_a_record_is_written_in_its_own_version_while_that_takes_new_ones():
    for version, today, written in (
        ("0001", date(2022, 10, 3), "0001"),
        ("0001", TODAY, "0002"),
        ("", TODAY, "0002"),
        ("9999", TODAY, "0002"),
    ):
        assert record_form.layout_for(LAYOUTS, INSURED, version, today).version == written
    assert record_form.layout_for(LAYOUTS, "なんでも", "", TODAY) is None


def test_a_record_is_shown_in_the_order_of_its_layout_with_what_its_codes_mean():
    data_set = record_form.data_set_of(LAYOUTS, INSURED, "0001", "給付情報")
    items = {
        "支給額": {"value": "1"},
        "給付種類": {"value": "04"},
        "ほか": {"value": "x"},
        "支給対象期間開始日": {"null_reason": "NotApplicable"},
    }
    told = record_form.told(data_set, items)
    assert list(told) == ["給付種類", "支給額", "支給対象期間開始日", "ほか"]
    assert told["給付種類"] == {"value": "04 葬祭費"}
    assert record_form.told(None, items).keys() == items.keys()


def test_every_kind_of_item_says_what_it_wants():
    text = """
layouts:
  - information: 模擬情報
    code: TM00000000090009
    version: "0001"
    valid_from: 2022-04-01
    data_sets:
      - name: 一組
        items:
          - {name: 数字, type: digits, width: 4}
          - {name: 符号, type: code, width: 2}
          - {name: 一覧, type: code, width: 1, codes: {"1": あり}}
          - {name: 日, type: date}
          - {name: 額, type: amount, width: 9}
          - {name: 文, type: text, width: 10, characters: full_width}
          - {name: カナ, type: kana, width: 30}
"""
    [layout] = parse(text)
    wanted = [record_form.form_of(item) for item in layout.data_sets["一組"].items.values()]
    assert wanted == [
        "4 桁の数字",
        "2 字の英大文字か数字",
        "一覧から",
        "年月日",
        "円。9 桁まで",
        "全角で 10 字まで",
        "カナ 30 字まで",
    ]


SHOWN = {
    "record_id": "kokuho/c", "edition": 2, "addressee_number": "1", "information": INSURED, "data_set": "給付情報", "version": "0002",
    "parent_record_id": "kokuho/p", "public_from": "2025-04-01", "public_to": None, "auto_response": "barred", "delegator": None,
    "items": {"給付種類": {"value": "01"}}, "deleted": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"record_id": "c", "parent_record_id": "p"}, True),
        ({"auto_response": "allowed"}, False),
        ({"public_from": "2025-05-01"}, False),
        ({"public_to": "2026-03-31"}, False),
        ({"parent_record_id": ""}, False),
        ({"delegator": "tokyo"}, False),
        ({"value-給付種類": "02"}, False),
    ],
)
def test_what_somebody_else_changed_meanwhile_shows_in_every_field_and_not_in_the_items_alone(changes, same):
    layout, data_set = next(one for one in EVERY if one[1].name == "給付情報" and one[0].version == "0002")
    fields = {name: SHOWN[name] for name in ("record_id", "addressee_number", "parent_record_id", "auto_response")}
    fields |= {"value-給付種類": "01"} | changes
    said = record_form.record(data_set, layout, record_form.read(data_set, fields), fields)
    assert record_form.says_the_same(SHOWN, said, layout) is same
