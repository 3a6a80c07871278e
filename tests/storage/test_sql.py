"""Statements that differ by table and column alone are spelled out from lines of their own file, and from nothing else."""

from __future__ import annotations

import pytest

from storage import sql

TEXT = """
-- name: first
select 1

-- for each: name, table
-- one, person
-- other, person_base
-- name: count_{name}
select count(*) from {table} where state = $1

-- name: drop_{name}
delete from {table}

-- end

-- name: last
select 2
"""


def test_each_line_of_values_gives_the_statements_below_it():
    found = sql.parse(TEXT)
    assert list(found) == ["first", "count_one", "drop_one", "count_other", "drop_other", "last"]
    assert found["count_other"] == "select count(*) from person_base where state = $1"
    assert found["drop_one"] == "delete from person"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("-- one, person\n", "-- one, person; drop table person\n"),
        ("-- one, person\n", "-- one\n"),
        ("from {table} where", "from {tables} where"),
        ("-- other, person_base", "-- one, person_base"),
    ],
)
def test_what_does_not_fit_is_no_statement(was, now):
    assert was in TEXT
    with pytest.raises(RuntimeError):
        sql.parse(TEXT.replace(was, now))
