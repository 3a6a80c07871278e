from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook import folding
from codebook.folding import (
    _MOST_REMEMBERED,
    _OLD_AND_NEW,
    _VARIANTS,
    ADDRESS,
    KANA,
    NAME,
    Fold,
    _one_by_one,
    _Table,
    agree,
    fold,
    needed,
)

ALL = frozenset(Fold)
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("ーｰ-アイウエオコゴソトノンッャ゛゜ﾞｶｱかがぁヶ々髙邊斎\u3099\U000e0100\ufe00 　1２①"),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("one", "other", "folds", "took"),
    [
        ("見本太郎", "見本太郎", NAME, set()),
        ("渡邊", "渡\u9089", NAME, {Fold.OLD_FORMS, Fold.VARIANT_FORMS}),
        ("葛\U000e0100飾", "葛飾", NAME, {Fold.VARIATION_SELECTORS}),
        ("ﾐﾎﾝ", "ミホン", NAME, {Fold.HALF_WIDTH_KANA}),
        ("ｶﾞｸ", "ガク", KANA, {Fold.HALF_WIDTH_KANA}),
        ("ＡＢＣ　太郎", "ABC太郎", NAME, {Fold.COMPATIBILITY, Fold.SPACES}),
        ("\ufa19本", "神本", NAME, {Fold.COMPATIBILITY}),
        ("國廣 惠", "国広　恵", NAME, {Fold.SPACES, Fold.OLD_FORMS}),
        ("髙橋", "高橋", NAME, {Fold.VARIANT_FORMS}),
        ("佐々木", "佐佐木", NAME, {Fold.ITERATION_MARK}),
        ("みほん", "ミホン", KANA, {Fold.HIRAGANA}),
        ("シヨウコ", "ショウコ", KANA, {Fold.SMALL_KANA}),
        ("サトー", "サトウ", KANA, {Fold.LONG_VOWELS}),
        ("サトオ", "サトウ", KANA, {Fold.LONG_VOWELS}),
        ("オオノ", "オーノ", KANA, {Fold.LONG_VOWELS}),
        ("ケイコ", "ケーコ", KANA, {Fold.LONG_VOWELS}),
        ("サト−", "サトー", KANA, {Fold.HYPHENS}),
        ("架空１丁目１　１２", "架空1丁目1 12", ADDRESS, {Fold.COMPATIBILITY}),
        ("架空町 １−１", "架空町１−１", ADDRESS, {Fold.SPACES}),
        ("架空１丁目１  １２", "架空１丁目１ １２", ADDRESS, {Fold.SPACES}),
        ("霞ヶ関1-1", "霞ケ関１−１", ADDRESS, {Fold.COMPATIBILITY, Fold.HYPHENS, Fold.SMALL_KANA}),
    ],
)
def test_the_folds_that_make_two_texts_one_are_named(one, other, folds, took):
    assert agree(one, other, folds)
    assert needed(one, other, folds) == needed(other, one, folds) == took


@pytest.mark.parametrize(
    ("one", "other", "folds"),
    [
        ("オノ", "オオノ", KANA),
        ("サト", "サトウ", KANA),
        ("イノウエ", "イノエ", KANA),
        ("さくら", "サクラ", NAME),
        ("サトウ", "サトー", NAME),
        ("斉藤", "斎藤", NAME),
        ("見本", "実本", NAME),
        ("太郎", "次郎", NAME),
        ("架空１丁目１ １２", "架空１丁目１１ ２", ADDRESS),
        ("架空1-1　101", "架空1-1101", ADDRESS),
        ("架空1-1 101", "架空１－１－１０１", ADDRESS),
    ],
)
def test_other_texts_stay_different(one, other, folds):
    assert not agree(one, other, folds)
    assert needed(one, other, folds) is None


@given(TEXTS, st.sets(st.sampled_from(Fold)))
def test_folding_twice_with_all_folds_of_a_field_is_folding_once(text, dropped):
    for folds in (NAME, KANA, ADDRESS, ALL - (dropped & {Fold.OLD_FORMS, Fold.VARIANT_FORMS, Fold.LONG_VOWELS})):
        assert fold(fold(text, folds), folds) == fold(text, folds)


@given(TEXTS, TEXTS, st.sampled_from([NAME, KANA, ADDRESS, ALL]))
def test_what_is_needed_is_enough_and_nothing_of_it_can_go(one, other, folds):
    took = needed(one, other, folds)
    assert (took is not None) == agree(one, other, folds)
    for each in took or ():
        assert not agree(one, other, took - {each})
    assert took is None or agree(one, other, took)


@given(TEXTS, st.data(), st.sampled_from([NAME, KANA, ADDRESS, ALL]))
def test_what_is_needed_is_what_is_left_after_each_fold_was_tried_without(one, data, folds):
    forms = [lambda letter, each=each: fold(letter, {each}) for each in Fold] + [lambda letter: f"{letter} "]
    other = "".join(data.draw(st.sampled_from(forms))(letter) for letter in one)
    left = frozenset(folds)
    for each in sorted(Fold, key=lambda each: each is not Fold.COMPATIBILITY):
        if agree(one, other, left - {each}):
            left -= {each}
    assert needed(one, other, folds) == (left if agree(one, other, folds) else None)


@pytest.mark.parametrize(
    ("one", "other", "folds", "ways"),
    [
        ("ﾐﾎﾝ ﾀﾛｳ", "ミホン　タロー", KANA, 6),
        ("髙橋　一郎", "高橋一郎", NAME, 4),
        ("見本太郎", "見本太朗", NAME, 1),
        ("見本太郎", "見本太郎", NAME, 0),
    ],
)
def test_only_folds_that_change_a_text_are_tried_without(one, other, folds, ways, monkeypatch):
    gone = []
    plain = folding._acting
    monkeypatch.setattr(folding, "_acting", lambda *texts: gone.append(texts) or plain(*texts))
    needed(one, other, folds)
    assert len(gone) == ways


@given(TEXTS, st.sampled_from([NAME, KANA, ADDRESS]))
def test_a_fields_folds_at_once_are_its_folds_one_by_one(text, folds):
    assert fold(text, folds) == _one_by_one(text, folds)


@given(TEXTS)
def test_folding_by_nothing_changes_nothing(text):
    assert fold(text, frozenset()) == text


@pytest.mark.parametrize("table", [_OLD_AND_NEW, _VARIANTS])
def test_the_tables_of_forms_are_pairs_and_end_in_one_step(table):
    pairs = table.split()
    others = (_OLD_AND_NEW + _VARIANTS).split()
    assert {len(pair) for pair in pairs} == {2}
    assert len({pair[0] for pair in others}) == len(others)
    assert not {pair[1] for pair in pairs} & {pair[0] for pair in others}
    assert unicodedata.normalize("NFKC", table.replace("\n", " ")) == table.replace("\n", " ")


def test_what_a_table_remembers_is_bounded_and_changes_nothing():
    table = _Table({ord("髙"): "高"})
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + _MOST_REMEMBERED + 5_000)))
    for _ in range(2):
        assert letters.translate(table) == letters.replace("髙", "高")
    assert len(table) == _MOST_REMEMBERED
