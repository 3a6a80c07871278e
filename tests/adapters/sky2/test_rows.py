"""A row is read or refused, whatever it is; a refusal names a column and never quotes what stood there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sky2 import rows
from adapters.sky2.loading import read_ledgers
from adapters.sky2.rows import Columns, RowRefusal

RECEIPTS = rows.ledger_columns(read_ledgers()["receipts"])
ALL = {"people": rows.PERSON, "claims": rows.CLAIM, "receipts": RECEIPTS}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(columns: Columns, given_row: object) -> dict[str, object] | RowRefusal:
    return columns.read(json.dumps(given_row).encode(), 7)


@pytest.mark.parametrize("columns", ALL.values(), ids=ALL)
@given(data=st.data())
def test_any_row_is_read_or_refused(columns, data):
    names = st.sampled_from(sorted(columns.readers)) | st.text(max_size=20)
    given_row = data.draw(JSON | st.dictionaries(names, JSON, max_size=6))
    result = read(columns, given_row)
    if isinstance(result, RowRefusal):
        assert result.row == 7
        assert result.column is None or result.column in given_row or result.reason == rows.COLUMN_MISSING
    else:
        assert set(result) == set(columns.readers)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_refused(raw):
    result = rows.PERSON.read(raw, 1)
    assert isinstance(result, RowRefusal)


@pytest.mark.parametrize("name", ["999000000017", "模擬　花子", "a999000000017", "氏名", "", "A", "a" * 64])
def test_a_name_that_is_no_name_of_a_column_is_not_repeated(name):
    assert read(rows.PERSON, {name: 1}) == RowRefusal(row=7, column=None, reason=rows.COLUMN_UNKNOWN)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("levy_assessed_year", 2026.0),
        ("levy_assessed_year", 40_000),
        ("levy_amount", 2**63),
        ("levy_amount", True),
        ("clearing_payment_plan_round", -1),
        ("term_due_on", "2026-13-01"),
        ("addressee_name", "模擬　花子"),
        ("addressee_name", {"氏名": "模擬\x00花子"}),
        ("addressee_alias", "a\x00b"),
        ("addressee_accounts", "7654321"),
        ("addressee_number", "1" * 16),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_column(column, value):
    result = read(RECEIPTS, {"addressee_number": "1", column: value})
    assert result == RowRefusal(row=7, column=column, reason=rows.WRONG_TYPE)
