from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from codebook.issuing import CAPACITY, has_check_digit, issue, issue_many, permute
from keys.masked import Secret

KEY = Secret(bytes(range(32)))
OTHER = Secret(bytes(32))
ISSUED = st.integers(0, CAPACITY - 1).map(lambda counter: issue(KEY, counter).reveal())


@pytest.mark.parametrize("half", [1, 2, 3, 7, 10, 31, 100])
def test_on_a_small_domain_every_number_comes_exactly_once(half):
    assert sorted(permute(KEY, 0, half * half, half=half)) == list(range(half * half))


def test_many_numbers_are_all_different_and_of_fifteen_digits():
    issued = issue_many(KEY, 0, 50_000)
    assert len(set(issued)) == 50_000
    assert all(0 <= number < 10**15 for number in issued)
    assert {len(issue(KEY, counter).reveal()) for counter in range(100)} == {15}


@given(st.integers(0, CAPACITY - 10_000), st.integers(0, 9_999))
def test_a_number_depends_on_its_counter_and_not_on_the_batch(first, offset):
    assert permute(KEY, first + offset, 1) == permute(KEY, first, offset + 1)[-1:]


def test_batches_join_without_a_seam():
    assert issue_many(KEY, 0, 9_000) == issue_many(KEY, 0, 4_096) + issue_many(KEY, 4_096, 4_904)


def test_order_does_not_show():
    issued = issue_many(KEY, 0, 2_000)
    rises = sum(a < b for a, b in pairwise(issued))
    assert 900 < rises < 1_100
    assert all(abs(a - b) > 10_000 for a, b in pairwise(issued))


def test_first_digits_are_spread():
    counts = [sum(number // 10**14 == digit for number in issue_many(KEY, 0, 10_000)) for digit in range(10)]
    assert all(800 < count < 1_200 for count in counts)


def test_another_municipality_gives_other_numbers():
    assert not set(issue_many(KEY, 0, 5_000)) & set(issue_many(OTHER, 0, 5_000))


def test_one_number_is_the_first_of_many():
    number = issue(KEY, 7)
    assert isinstance(number, IntegratedAddresseeNumber)
    assert [int(number.reveal())] == issue_many(KEY, 7, 1)


def test_no_numbers_are_issued_for_no_counters():
    assert issue_many(KEY, 5, 0) == []


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (CAPACITY, 1), (CAPACITY - 1, 2), (0, -1)])
def test_counters_outside_the_range_are_refused(first, count):
    with pytest.raises(CodebookError):
        issue_many(KEY, first, count)


def test_the_last_counter_is_in_range():
    assert len(issue_many(KEY, CAPACITY - 1, 1)) == 1


@given(ISSUED)
def test_issued_numbers_carry_the_check_digit(number):
    assert has_check_digit(number)


@given(ISSUED, st.integers(0, 14), st.integers(1, 9))
def test_every_wrong_digit_is_caught(number, at, shift):
    wrong = number[:at] + str((int(number[at]) + shift) % 10) + number[at + 1 :]
    assert not has_check_digit(wrong)


@given(ISSUED, st.integers(0, 13))
def test_every_swap_of_neighbours_is_caught(number, at):
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert has_check_digit(swapped) is (number == swapped)


@pytest.mark.parametrize("text", ["", "5724", "00000000000000x", "０" * 15])
def test_other_texts_carry_no_check_digit(text):
    assert not has_check_digit(text)


def test_the_check_digit_is_damm_s():
    assert has_check_digit("000000000005724")  # the published example: 572 has the digit 4
