"""What a month's counts may tell (SC-23): whoever knows the rules and every published number still does not know a small one."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.intermediate_server.operations.disclosure import publish

TABLES = {
    "three rows of two affairs": ([("a", "p"), ("a", "q"), ("b", "p")], ["answered"], 24),
    "two rows, two outcomes": ([("a", "p"), ("b", "p")], ["answered", "refused"], 18),
    "one affair, three rows": ([("a", "p"), ("a", "q"), ("a", "r")], ["answered"], 24),
    "two affairs of two rows": ([("a", "p"), ("a", "q"), ("b", "p"), ("b", "q")], ["answered"], 18),
    "one row, three outcomes": ([("a", "p")], ["aborted", "answered", "refused"], 24),
    "three rows, two outcomes": ([("a", "p"), ("a", "q"), ("b", "p")], ["answered", "refused"], 13),
}
"""Rows (affair and partner), outcomes, and the greatest total: the total is told, so a release with it can come of no other table."""


def all_tables(cells, total):
    """Every table of so many cells with a total of at most so much."""
    if cells == 0:
        yield ()
        return
    for value in range(total + 1):
        for rest in all_tables(cells - 1, total - value):
            yield (value, *rest)


def table(cells, values):
    return {
        (("meirei", affair), partner, "情報", outcome): value
        for ((affair, partner), outcome), value in zip(cells, values, strict=True)
        if value
    }


@pytest.mark.parametrize(("rows", "outcomes", "most"), TABLES.values(), ids=list(TABLES))
def test_no_small_number_follows_from_everything_that_is_told(rows, outcomes, most):
    """Every table there can be is released; an attacker has the release, the rules, and the list of rows and outcomes."""
    cells = list(itertools.product(rows, outcomes))
    told = defaultdict(list)
    for values in all_tables(len(cells), most):
        told[tuple(publish(table(cells, values), 3))].append(values)
    known = [
        (release, cell, candidates[0][place])
        for release, candidates in told.items()
        for place, cell in enumerate(cells)
        if 0 < candidates[0][place] < 3 and len({candidate[place] for candidate in candidates}) == 1
    ]
    assert known == []


KEYS = st.tuples(
    st.sampled_from([("meirei", "27"), ("meirei", "42"), ("beppyo2", "9")]),
    st.sampled_from(["suginami", "tokyo", "naikaku", "koiki-rengo"]),
    st.sampled_from(["医療保険給付関係情報", "地方税関係情報"]),
    st.sampled_from(["answered", "aborted", "refused"]),
)
COUNTS = st.dictionaries(KEYS, st.integers(1, 60), max_size=40)


def members(number, counts):
    """The finest counts that a published number may stand for, as far as it says."""
    said = (number.affair, number.parties, number.information, number.ended)
    return {key for key in counts if all(one is None or one == other for one, other in zip(said, key, strict=True))}


@given(COUNTS, st.integers(3, 15))
@settings(max_examples=300, deadline=None)
def test_every_number_is_large_and_all_of_them_together_are_everything(counts, threshold):
    told = publish(counts, threshold)
    assert all(number.exchanges >= threshold for number in told)
    assert sum(number.exchanges for number in told) == (sum(counts.values()) if told else 0)
    if sum(counts.values()) >= threshold:
        assert told


@given(COUNTS, st.integers(3, 15))
@settings(max_examples=200, deadline=None)
def test_what_is_told_by_itself_is_right_and_totals_of_an_affair_are_whole(counts, threshold):
    told = publish(counts, threshold)
    alone = [one for one in told if None not in (one.affair, one.parties, one.information, one.ended)]
    assert all(counts[(one.affair, one.parties, one.information, one.ended)] == one.exchanges for one in alone)
    by_affair = Counter()
    for one in told:
        by_affair[one.affair] += one.exchanges
    truth = Counter()
    for key, count in counts.items():
        truth[key[0]] += count
    assert all(truth[affair] == count for affair, count in by_affair.items() if affair is not None)


def solved(equations, unknowns):
    """Unknowns that a system of linear equations fixes, by elimination; an equation is (set of unknowns, value)."""
    columns = sorted(unknowns)
    rows = [[Fraction(key in keys) for key in columns] + [Fraction(value)] for keys, value in equations]
    place = 0
    for column in range(len(columns)):
        pivot = next((at for at in range(place, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [value / rows[place][column] for value in rows[place]]
        for at, row in enumerate(rows):
            if at != place and row[column]:
                rows[at] = [mine - row[column] * other for mine, other in zip(row, rows[place], strict=True)]
        place += 1
    return {
        columns[at]: row[-1]
        for row in rows
        for at in range(len(columns))
        if [*map(bool, row[:-1])] == [at == one for one in range(len(columns))]
    }


@given(st.dictionaries(KEYS, st.integers(1, 60), min_size=2, max_size=14))
@settings(max_examples=150, deadline=None)
def test_totals_by_row_and_by_column_do_not_solve_for_a_small_number(counts):
    """The attacker also has every total that anybody can add up from what is told: by affair, partner, information and outcome."""
    threshold = 10
    told = publish(counts, threshold)
    # what a class holds is the attacker's best case: he is told which of the finest counts it is made of
    alone = {key: 1 for one in told if len(found := members(one, counts)) == 1 for key in found}
    equations = []
    left = set(counts)
    for one in sorted(told, key=lambda number: (number.affair, number.parties, number.ended).count(None)):
        holds = members(one, counts) & left
        if sum(counts[key] for key in holds) == one.exchanges:
            equations.append((holds, one.exchanges))
            left -= holds
    for dimension in range(4):
        for value in {key[dimension] for key in counts}:
            keys = {key for key in counts if key[dimension] == value}
            if keys <= set().union(*(holds for holds, _ in equations), set()) and all(
                holds <= keys or not holds & keys for holds, _ in equations
            ):
                equations.append((keys, sum(counts[key] for key in keys)))
    found = solved(equations, set(counts))
    assert all(counts[key] >= threshold for key in found)
    assert set(alone) >= {key for key in alone if counts[key] >= threshold}


def test_a_small_row_takes_the_least_of_the_others_with_it():
    counts = {
        (("m", "27"), "suginami", "医療", "answered"): 4,
        (("m", "27"), "tokyo", "医療", "answered"): 30,
        (("m", "27"), "naikaku", "医療", "answered"): 500,
        (("m", "42"), "naikaku", "口座", "answered"): 80,
    }
    told = [(one.affair, one.parties, one.exchanges) for one in publish(counts, 10)]
    assert set(told) == {(("m", "27"), "naikaku", 500), (("m", "27"), None, 34), (("m", "42"), "naikaku", 80)}


def test_a_rare_outcome_is_told_with_another_one():
    counts = {(("m", "27"), "suginami", "医療", "answered"): 400, (("m", "27"), "suginami", "医療", "expired"): 1}
    assert [(one.parties, one.ended, one.exchanges) for one in publish(counts, 10)] == [("suginami", None, 401)]


def test_a_month_with_almost_nothing_tells_nothing():
    assert publish({(("m", "27"), "suginami", "医療", "answered"): 9}, 10) == []
    assert publish({}, 10) == []


@pytest.mark.parametrize("threshold", [-1, 0, 1, 2])
def test_a_threshold_that_protects_nobody_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        publish({}, threshold)
