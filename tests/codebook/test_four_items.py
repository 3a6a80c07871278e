from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from codebook.errors import CodebookError
from codebook.folding import Fold
from codebook.four_items import Address, Field, FourItems, PersonName, Sex, compare, folds_between

FIELDS = {
    "name": "見本　太郎",
    "kana": "ミホン　タロウ",
    "sex": "1",
    "birth_date": "1990-02-28",
    "address": "架空県見本市試験町１丁目２番３号",
}
ITEMS = FourItems.parse(FIELDS)


def changed(**fields: str) -> FourItems:
    return FourItems.parse(FIELDS | fields)


def test_parsing_and_revealing_give_the_same_fields():
    assert ITEMS.reveal() == FIELDS


def test_the_values_have_their_types():
    assert FourItems.parse(FIELDS) == FourItems(
        name=PersonName("見本　太郎"),
        kana=PersonName("ミホン　タロウ"),
        sex=Sex.MALE,
        birth_date=date(1990, 2, 28),
        address=Address("架空県見本市試験町１丁目２番３号"),
    )


def test_printing_shows_no_field():
    shown = repr(ITEMS) + str(dataclasses.replace(ITEMS, sex=Sex.FEMALE))
    assert not [text for text in (*FIELDS.values(), "1990", "MALE", "date") if len(text) > 1 and text in shown]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": " 　"},
        {"name": None},
        {"name": 5},
        {"kana": None},
        {"sex": "3"},
        {"sex": ""},
        {"birth_date": "1990-02-30"},
        {"birth_date": "平成2年2月28日"},
        {"address": ""},
    ],
)
def test_incomplete_items_are_refused_without_a_quote(change):
    with pytest.raises(CodebookError) as error:
        FourItems.parse(FIELDS | change)
    assert str(error.value) == "the four items are not complete and well formed"
    assert error.value.__suppress_context__


@pytest.mark.parametrize("name", list(Field))
def test_a_missing_field_is_refused(name):
    with pytest.raises(CodebookError):
        FourItems.parse({key: value for key, value in FIELDS.items() if key != name})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "見本太郎"},
        {"name": "見本 太郎"},
        {"name": "見本\U000e0100太郎"},
        {"kana": "ﾐﾎﾝ ﾀﾛｳ"},
        {"kana": "みほん たろう"},
        {"kana": ""},
        {"address": "架空県見本市試験町1丁目2番3号"},
    ],
)
def test_another_way_to_type_the_same_is_no_difference(fields):
    assert compare(ITEMS, changed(**fields)) == frozenset()


def test_a_voicing_mark_typed_apart_agrees():
    assert compare(changed(kana="カ゛ク"), changed(kana="ｶﾞｸ")) == frozenset()


@pytest.mark.parametrize("hyphen", "-‐−－ー―")
def test_hyphens_of_every_kind_agree(hyphen):
    one = changed(address=f"試験町1{hyphen}2", kana="ミホン")
    assert compare(one, changed(address="試験町１ー２", kana="ミホン")) == frozenset()


@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        ({"name": "見本　次郎"}, {Field.NAME}),
        ({"kana": "ミホン　ジロウ"}, {Field.KANA}),
        ({"sex": "2"}, {Field.SEX}),
        ({"birth_date": "1990-02-27"}, {Field.BIRTH_DATE}),
        ({"address": "架空県見本市試験町１丁目２番４号"}, {Field.ADDRESS}),
        ({"name": "別人", "sex": "2"}, {Field.NAME, Field.SEX}),
    ],
)
def test_each_differing_field_is_named(fields, differing):
    assert compare(ITEMS, changed(**fields)) == differing
    assert compare(changed(**fields), ITEMS) == differing


def test_a_difference_of_writing_agrees_and_the_folds_that_it_took_are_named():
    other = changed(name="見本\U000e0100太郎", kana="ﾐﾎﾝ ﾀﾛｰ", address=FIELDS["address"].replace("県", "縣"))
    assert compare(ITEMS, other) == frozenset()
    assert folds_between(ITEMS, other) == {
        Field.NAME: {Fold.VARIATION_SELECTORS, Fold.SPACES},
        Field.KANA: {Fold.HALF_WIDTH_KANA, Fold.SPACES, Fold.LONG_VOWELS},
        Field.ADDRESS: {Fold.OLD_FORMS},
    }


def test_equal_and_differing_texts_took_no_fold():
    assert folds_between(ITEMS, ITEMS) == {}
    assert folds_between(ITEMS, changed(name="見本　次郎", kana="")) == {}


def test_a_reading_of_marks_alone_is_a_reading_and_one_of_spaces_is_none():
    assert compare(ITEMS, changed(kana=" 　")) == frozenset()
    assert compare(ITEMS, changed(kana="ー")) == {Field.KANA}
