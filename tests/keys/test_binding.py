from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import labels
from keys.binding import bind

PARTS = st.recursive(
    st.binary(max_size=4) | st.text(max_size=4) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
LISTS = st.lists(PARTS, max_size=4)


@given(LISTS, LISTS)
def test_different_parts_never_give_the_same_bytes(a, b):
    assert (bind(*a) == bind(*b)) is (a == b)


@given(LISTS, LISTS)
def test_no_binding_is_the_beginning_of_another(a, b):
    assert a == b or not bind(*b).startswith(bind(*a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("ab", "c"), ("a", "bc")),
        (("ab",), (b"ab",)),
        (("1",), (1,)),
        (((),), ()),
        ((["a"], "b"), (["a", "b"],)),
        ((None,), ("",)),
        ((b"",), (b"", b"")),
    ],
)
def test_neighbours_that_concatenation_would_confuse_differ(a, b):
    assert bind(*a) != bind(*b)


def test_the_encoding_is_the_one_on_the_page():
    expected = (
        b"l\0\0\0\x04" + b"b\0\0\0\x01x" + b"s\0\0\0\x03\xe9\x96\xa2" + b"i\0\0\0\x02-7" + b"l\0\0\0\x01n\0\0\0\0"
    )
    assert bind(b"x", "関", -7, [None]) == expected


def test_lists_and_tuples_bind_alike():
    assert bind(["a"]) == bind(("a",))


@pytest.mark.parametrize("part", [True, 1.5, {"a": 1}, {"a"}, bytearray(b"x")])
def test_other_types_are_refused(part):
    with pytest.raises(TypeError):
        bind(part)


def test_every_label_is_ours_versioned_and_alone():
    values = [value for name, value in vars(labels).items() if name.isupper()]
    assert all(re.fullmatch(rb"sekisho/[a-z0-9-]+/v[1-9]", value) for value in values)
    assert len(set(values)) == len(values) > 20
