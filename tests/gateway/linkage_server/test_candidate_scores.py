"""LS-1.3, SC-18: a score puts candidates into an order and links nobody; fewer than two keys search nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.folding import Fold
from codebook.four_items import Field, FourItems
from gateway.linkage_server.review.scoring import LEAST_KEYS, Score, keys_given, score

FIELDS = {
    "name": "見本　太郎",
    "kana": "ミホン　タロウ",
    "sex": "1",
    "birth_date": "1990-02-28",
    "address": "架空県見本市試験町１丁目２番３号",
}
VARIED = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["見本　太郎", "見本太郎", "見本　次郎", "架空　花子"]),
        "kana": st.sampled_from(["ミホン　タロウ", "", "みほん　たろー", "カクウ　ハナコ"]),
        "sex": st.sampled_from(["1", "2"]),
        "birth_date": st.sampled_from(["1990-02-28", "1990-02-27", "1960-05-01"]),
        "address": st.sampled_from([FIELDS["address"], "架空県見本市試験町1-2-3", "架空県他所市"]),
    }
)


def scored(**changes: str) -> Score:
    return score(FourItems.parse(FIELDS), FourItems.parse(FIELDS | changes))


def test_the_same_person_written_otherwise_has_all_points_and_the_folds_are_named():
    found = scored(name="見本太郎", kana="ﾐﾎﾝ ﾀﾛｰ")
    assert (found.points, found.all_four_agree) == (100, True)
    assert found.folds[Field.NAME] == {Fold.SPACES}


def test_a_reading_that_is_not_known_counts_neither_way():
    assert scored(kana="").points == 100


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"birth_date": "1990-02-27"}, {"birth_date": "1960-05-01"}),
        ({"address": "架空県見本市試験町１丁目"}, {"address": "他県他市"}),
        ({"name": "見本　次郎"}, {"name": "架空　花子"}),
        ({"sex": "2"}, {"birth_date": "1990-02-27"}),
    ],
)
def test_a_slip_of_the_pen_is_nearer_than_another_person(nearer, farther):
    assert 100 > scored(**nearer).points > scored(**farther).points


def test_a_namesake_with_another_birth_date_does_not_agree():
    assert not scored(birth_date="1990-02-27", address="架空県他所市").all_four_agree


@given(VARIED, VARIED)
def test_a_score_does_not_depend_on_the_side_and_is_full_only_when_all_agrees(one, other):
    a, b = FourItems.parse(one), FourItems.parse(other)
    assert score(a, b) == score(b, a)
    assert 0 <= score(a, b).points <= 100
    assert (score(a, b).points == 100) == score(a, b).all_four_agree


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ((), 0),
        ((Field.BIRTH_DATE,), 1),
        ((Field.SEX, Field.BIRTH_DATE), 1),
        ((Field.NAME, Field.KANA), 1),
        ((Field.NAME, Field.BIRTH_DATE), 2),
        ((Field.KANA, Field.ADDRESS), 2),
        (tuple(Field), 3),
    ],
)
def test_name_and_reading_are_one_key_and_the_sex_is_none(fields, keys):
    assert keys_given(fields) == keys
    assert LEAST_KEYS == 2
