from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence.canonical import LARGEST, NotCanonical, decode, encode, timestamp

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_bytes_equal_those_of_an_independent_rfc_8785_library(value):
    assert encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_decode_gives_the_value_back(value):
    assert decode(encode(value)) == value


def test_escapes_are_those_of_rfc_8785():
    text = "".join(map(chr, range(0x21))) + '"\\/\x7f\x80\u2028𠮷髙'
    assert encode(text) == rfc8785.dumps(text)


class Plain(Enum):
    ONE = "one"


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        {"é": 1},
        {1: "a"},
        b"x",
        {"a"},
        {"a": [{"b": 0.5}]},
        datetime(2026, 1, 1, tzinfo=UTC),
        Plain.ONE,
        "\ud800",
        {"a": "\udfff"},
        {"\ud800": 1},
        object(),
    ],
)
def test_values_without_one_spelling_are_refused(value):
    with pytest.raises(NotCanonical):
        encode(value)


def test_a_value_nested_too_deep_is_refused():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotCanonical):
        encode(deep)


@pytest.mark.parametrize(
    "data", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b"1.0", b"[1,]", b'"\\u0041"', b"\xff"]
)
def test_decode_refuses_bytes_that_encode_would_not_write(data):
    with pytest.raises(NotCanonical):
        decode(data)


def test_timestamp_is_utc_with_milliseconds_cut():
    jst = timezone(timedelta(hours=9))
    assert timestamp(datetime(2026, 11, 24, 14, 6, 7, 123999, tzinfo=jst)) == "2026-11-24T05:06:07.123Z"
    assert timestamp(datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)) == "2026-11-24T05:06:07.000Z"


def test_timestamp_refuses_a_time_without_zone():
    with pytest.raises(ValueError, match="zone"):
        timestamp(datetime(2026, 11, 24))  # noqa: DTZ001 - the case under test
