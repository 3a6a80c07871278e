"""Worked examples from published sources, and what the check digits catch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.check_digits import (
    corporate_number_check_digit,
    individual_number_check_digit,
    is_digits,
    local_government_check_digit,
)
from codebook.errors import CodebookError
from codebook.individual_number import IndividualNumber, ResidentRecordCode, is_valid

ELEVEN = st.integers(0, 10**11 - 1).map("{:011d}".format)


@pytest.mark.parametrize("number", ["983205673214", "621498320257", "123456789018"])
def test_published_individual_numbers_are_valid(number):
    assert individual_number_check_digit(number[:11]) == int(number[11])
    assert IndividualNumber.parse(number).reveal() == number


@pytest.mark.parametrize("number", ["983205673210", "621498320258", "123456789012"])
def test_published_wrong_individual_numbers_are_refused(number):
    assert individual_number_check_digit(number[:11]) != int(number[11])
    assert not is_valid(number)


@pytest.mark.parametrize(
    "number",
    [
        "7123456789012",
        "4011001098993",
        "7010705000725",
        "2120901007402",
        "5835678256246",
        "1000020131121",
        "1020281079130",
        "1092280840134",
        "1878613755182",
        "2014614971152",
        "9863806292730",
    ],
)
def test_published_corporate_numbers_are_valid(number):
    assert corporate_number_check_digit(number[1:]) == int(number[0])


def test_a_published_wrong_corporate_number_is_wrong():
    assert corporate_number_check_digit("835678256246") != 2


@pytest.mark.parametrize("code", ["131121", "131016", "011002", "271004", "130001", "401307", "141500"])
def test_published_local_government_codes_are_valid(code):
    assert local_government_check_digit(code[:5]) == int(code[5])


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (individual_number_check_digit, "1234567890"),
        (individual_number_check_digit, "1234567890x"),
        (individual_number_check_digit, "１２３４５６７８９０１"),
        (corporate_number_check_digit, "12345678901"),
        (local_government_check_digit, "1311²"),
    ],
)
def test_what_is_not_digits_has_no_check_digit(compute, text):
    with pytest.raises(CodebookError) as error:
        compute(text)
    assert text not in str(error.value)


@given(ELEVEN)
def test_exactly_one_last_digit_is_valid_and_it_is_the_ordinance_s(eleven):
    valid = [digit for digit in "0123456789" if is_valid(eleven + digit)]
    assert valid == [str(individual_number_check_digit(eleven))] * (int(eleven) > 0)


def test_a_field_that_is_filled_with_zeros_is_no_individual_number():
    assert individual_number_check_digit("0" * 11) == 0
    assert not is_valid("0" * 12)


@given(st.text(max_size=14) | st.text("0123456789", min_size=11, max_size=13))
def test_bulk_check_and_ordinance_agree_on_any_text(text):
    digits = is_digits(text, 12) and int(text) > 0
    expected = digits and individual_number_check_digit(text[:11]) == int(text[11])
    assert is_valid(text) is expected


@pytest.mark.parametrize(
    "text",
    ["", "12345678901", "1234567890188", "12345678901８", "１２３４５６７８９０１８", "1234 5678901", "-23456789018"],
)
def test_other_spellings_are_refused_without_a_quote(text):
    with pytest.raises(CodebookError) as error:
        IndividualNumber.parse(text)
    assert str(error.value) == "not an individual number"


def test_numbers_of_persons_print_their_kind_only():
    shown = f"{IndividualNumber.parse('123456789018')} {ResidentRecordCode.parse('12345678901')!r}"
    assert shown == "<IndividualNumber> <ResidentRecordCode>"


@pytest.mark.parametrize("text", ["", "1234567890", "123456789012", "1234567890a", "１２３４５６７８９０１"])
def test_a_resident_record_code_has_eleven_digits(text):
    with pytest.raises(CodebookError):
        ResidentRecordCode.parse(text)


@given(ELEVEN)
def test_a_resident_record_code_is_not_refused_for_its_last_digit(eleven):
    assert ResidentRecordCode.parse(eleven).reveal() == eleven
