"""SC-22: the account holder is matched with the ledger's kana, however banks write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sky2.matching import Differs, Matched, Part, match_holder
from codebook.four_items import PersonName
from synthetic.bank_kana import as_banks_write

KANA = st.text("アイウエオガパヴャュョッァーノレン", min_size=1, max_size=8)
NAMES = st.tuples(KANA, KANA).map("　".join)


def match(holder: str, registered: str) -> Matched | Differs:
    return match_holder(PersonName(holder), PersonName(registered))


@given(NAMES)
def test_a_name_matches_itself_as_banks_write_it(name):
    assert match(as_banks_write(name), name) == Matched()


@given(NAMES, NAMES)
def test_the_answer_does_not_depend_on_the_side(one, other):
    assert match(one, other) == match(other, one)


@given(NAMES, st.sampled_from("キクケコサシスセソ"))
def test_a_letter_too_many_is_a_difference(name, letter):
    assert match(as_banks_write(name) + letter, name) == Differs(parts=frozenset({Part.GIVEN_NAME}))


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_gets_an_answer_and_a_difference_says_where(one, other):
    result = match(one, other)
    assert result == Matched() or result.parts


@pytest.mark.parametrize(
    ("holder", "registered"),
    [
        ("ﾓｷﾞｻﾄｳ ﾊﾅｺ", "モギサトウ　ハナコ"),
        ("ﾓｷﾞｻﾄｳﾊﾅｺ", "モギサトウ　ハナコ"),
        ("ﾓｷﾞ ﾘﾖｳｽｹ", "モギ　リョウスケ"),
        ("ﾓｷﾞ ﾘｮｳｽｹ", "モギ　リョウスケ"),
        ("ﾓｷﾞ ｴﾘ-", "モギ　エリー"),
        ("ﾓｷﾞ ｴﾘｰ", "モギ　エリー"),
        ("モギ　エリ−", "モギ　エリー"),
        ("モギ　エリ‐", "モギ　エリー"),
        ("もぎ　えりー", "モギ　エリー"),
        ("モキ゛ハナコ", "モギ　ハナコ"),
        ("モキ\u3099 ハナコ", "モギ　ハナコ"),
        ("  ﾓｷﾞ   ﾊﾅｺ ", "モギ　ハナコ"),
    ],
)
def test_ways_of_writing_the_same_name_match(holder, registered):
    assert match(holder, registered) == Matched()


@pytest.mark.parametrize(
    ("holder", "parts"),
    [
        ("ﾓｷﾞｽｽﾞｷ ﾊﾅｺ", {Part.SURNAME}),
        ("ﾓｷﾞｻﾄｳ ﾊﾙｶ", {Part.GIVEN_NAME}),
        ("ﾓｷﾞｽｽﾞｷ ﾊﾙｶ", {Part.SURNAME, Part.GIVEN_NAME}),
        ("ﾓｷｻﾄｳ ﾊﾅｺ", {Part.SURNAME}),
        ("ﾓｷﾞｻﾄ- ﾊﾅｺ", {Part.SURNAME}),
        ("ﾓｷﾞｽｽﾞｷﾊﾅｺ", {Part.WHOLE}),
        ("ﾊﾅｺ ﾓｷﾞｻﾄｳ", {Part.SURNAME, Part.GIVEN_NAME}),
        ("", {Part.MISSING}),
        ("　", {Part.MISSING}),
    ],
)
def test_a_difference_says_which_part_differs(holder, parts):
    assert match(holder, "モギサトウ　ハナコ") == Differs(parts=frozenset(parts))


def test_two_missing_names_do_not_match():
    assert match("", "") == Differs(parts=frozenset({Part.MISSING}))
