from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.errors import CodebookError
from codebook.identifiers import (
    AddresseeNumber,
    IntegratedAddresseeNumber,
    new_sortable_id,
    parse_acquisition_number,
    parse_agency_id,
    parse_inquiry_number,
    parse_permit_id,
)

TIMES = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


@given(TIMES, RANDOM)
def test_a_new_id_parses_as_its_kind_only(now_ms, random10):
    made = new_sortable_id("Q", now_ms, random10)
    assert (len(made), parse_inquiry_number(made)) == (27, made)
    with pytest.raises(CodebookError):
        parse_permit_id(made)


@pytest.mark.parametrize(("prefix", "parse"), [("P", parse_acquisition_number), ("K", parse_permit_id)])
def test_the_other_kinds_have_their_letters(prefix, parse):
    made = new_sortable_id(prefix, 1_795_500_000_000, bytes(range(10)))
    assert parse(made) == made


@given(TIMES, RANDOM, TIMES, RANDOM)
def test_ids_sort_by_time_and_then_by_randomness(time_a, random_a, time_b, random_b):
    a, b = new_sortable_id("Q", time_a, random_a), new_sortable_id("Q", time_b, random_b)
    assert (a < b) is ((time_a, random_a) < (time_b, random_b))


def test_an_id_is_crockford_base_32_of_time_and_randomness():
    assert new_sortable_id("Q", 0, bytes(10)) == "Q" + 26 * "0"
    assert new_sortable_id("Q", 2**48 - 1, b"\xff" * 10) == "Q7" + 25 * "Z"
    assert new_sortable_id("Q", 1, bytes(9) + b"\x1f") == "Q0000000001" + 15 * "0" + "Z"


@pytest.mark.parametrize(("now_ms", "random10"), [(-1, bytes(10)), (2**48, bytes(10)), (0, bytes(9)), (0, bytes(11))])
def test_an_id_is_made_of_48_bits_and_10_bytes(now_ms, random10):
    with pytest.raises(ValueError):
        new_sortable_id("Q", now_ms, random10)


@pytest.mark.parametrize(
    "text",
    ["", "Q", "Q" + 25 * "0", "Q" + 27 * "0", "Q8" + 25 * "0", "Q0" + 25 * "U", "q" + 26 * "0", "Q" + 26 * "0" + "\n"],
)
def test_other_texts_are_no_inquiry_number(text):
    with pytest.raises(CodebookError) as error:
        parse_inquiry_number(text)
    assert str(error.value) == "not an id of this kind"


@pytest.mark.parametrize("text", ["setagaya", "kyokai-kenpo", "a1", "a" * 31])
def test_agency_ids_are_slugs(text):
    assert json.dumps(parse_agency_id(text)) == f'"{text}"'


@pytest.mark.parametrize("text", ["", "a", "1a", "-ab", "Setagaya", "a_b", "a" * 32, "ab\n", "世田谷"])
def test_other_texts_are_no_agency_id(text):
    with pytest.raises(CodebookError):
        parse_agency_id(text)


@pytest.mark.parametrize("text", ["0", "0000012345", "999999999999999"])
def test_an_addressee_number_is_kept_as_written(text):
    assert AddresseeNumber.parse(text).reveal() == text


@pytest.mark.parametrize("text", ["", "1234567890123456", "12a", "１２", "-1", " 1"])
def test_other_texts_are_no_addressee_number(text):
    with pytest.raises(CodebookError):
        AddresseeNumber.parse(text)


@given(st.integers(0, 10**15 - 1).map("{:015d}".format))
def test_an_integrated_number_needs_no_check_digit_of_ours(text):
    assert IntegratedAddresseeNumber.parse(text).reveal() == text


@pytest.mark.parametrize(
    "text", ["", "00000000000001", "0000000000000001", "00000000000000a", "００００００００００００００１"]
)
def test_other_texts_are_no_integrated_number(text):
    with pytest.raises(CodebookError):
        IntegratedAddresseeNumber.parse(text)


def test_numbers_of_persons_print_their_kind_only():
    shown = f"{AddresseeNumber.parse('123')} {IntegratedAddresseeNumber.parse(15 * '1')}"
    assert shown == "<AddresseeNumber> <IntegratedAddresseeNumber>"
