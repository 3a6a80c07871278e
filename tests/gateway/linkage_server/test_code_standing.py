"""Where a person stands on the way to a code: the table, and where each change of a person leads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.errors import CodebookError
from codebook.identifiers import ACQUISITION_PREFIX, new_sortable_id, parse_acquisition_number
from codebook.individual_number import IndividualNumber
from gateway.linkage_server.code_requests.standing import (
    MOVES,
    Ground,
    Person,
    Rules,
    Standing,
    State,
    back_off,
    follow,
)
from gateway.linkage_server.code_requests.steps import pause_s, settled
from gateway.linkage_server.code_requests.ways import Taken, read_taken

NOW = datetime(2026, 4, 1, tzinfo=UTC)
A, B = b"a" * 32, b"b" * 32
LIVING = Person(number_index=A, state="living", merged=False, lawfully_changed=False)
RULES = Rules()


def held(state, **more):
    values = {"number_index": A, "next_at": NOW}
    if state in {State.REFUSED, State.CANCELLING, State.CANCELLED}:
        values["reason"] = "for_some_reason"
    if state is State.REPLACING:
        values["message_id"] = "number/x"
    return Standing(state=state, **{**values, **more})


def goes(person, before, rules=RULES):
    found = follow(person, before, rules, NOW)
    return None if found is None else (found.state, found.reason)


def test_a_new_person_is_asked_for_and_one_without_number_is_counted():
    assert goes(LIVING, None) == (State.NONE, None)
    assert goes(replace(LIVING, number_index=None), None) == (State.WITHOUT_INDIVIDUAL_NUMBER, None)
    assert goes(replace(LIVING, state="cancelled"), None) == (State.CANCELLED, Ground.RECORD_CANCELLED)


@pytest.mark.parametrize("state", [State.NONE, State.REQUESTED, State.BOUND, State.REFUSED, State.REPLACING])
def test_whoever_stays_the_same_stays_where_he_stands(state):
    assert goes(LIVING, held(state)) is None


@pytest.mark.parametrize("state", [State.NONE, State.REQUESTED, State.BOUND, State.REFUSED, State.REPLACING])
@pytest.mark.parametrize(
    ("person", "rules", "ground"),
    [
        (replace(LIVING, merged=True), RULES, Ground.MERGED),
        (replace(LIVING, state="cancelled"), RULES, Ground.RECORD_CANCELLED),
        (replace(LIVING, state="moved_out"), Rules(cancel_moved_out=True), Ground.MOVED_OUT),
        (replace(LIVING, state="dead"), Rules(cancel_deceased=True), Ground.DECEASED),
        (replace(LIVING, number_index=B), RULES, Ground.NUMBER_CORRECTED),
        (replace(LIVING, number_index=None), RULES, Ground.LINK_UNDONE),
    ],
)
def test_an_end_is_told_to_the_intermediate_server_from_wherever_the_person_stands(state, person, rules, ground):
    assert goes(person, held(state), rules) == (State.CANCELLING, ground)


@pytest.mark.parametrize(
    "before",
    [None, held(State.WITHOUT_INDIVIDUAL_NUMBER), held(State.CANCELLED), held(State.CANCELLED, by_hand=True)],
)
def test_sc_4_a_merge_is_told_to_the_intermediate_server_whether_there_ever_was_a_code_or_not(before):
    merged = replace(LIVING, merged=True)
    assert goes(merged, before) == (State.CANCELLING, Ground.MERGED)
    assert goes(merged, held(State.CANCELLED, reason=Ground.MERGED)) is None


@pytest.mark.parametrize("state", ["moved_out", "dead"])
def test_a_move_out_and_a_death_end_nothing_unless_the_agency_says_so(state):
    assert goes(replace(LIVING, state=state), held(State.BOUND)) is None


@pytest.mark.parametrize("state", [State.NONE, State.REQUESTED, State.BOUND, State.REFUSED, State.REPLACING])
def test_a_lawful_change_of_the_number_replaces_the_code_that_there_may_be(state):
    changed = replace(LIVING, number_index=B, lawfully_changed=True)
    assert goes(changed, held(state)) == (State.REPLACING, Ground.NUMBER_CHANGED)
    assert State.REPLACING in MOVES[state] | {state}


def test_each_replacement_has_a_message_of_its_own_that_says_nothing_of_the_number():
    changed = replace(LIVING, number_index=B, lawfully_changed=True)
    first, second = [follow(changed, held(State.BOUND), RULES, NOW).message_id for _ in range(2)]
    assert first != second
    assert B.hex() not in first


def test_whoever_comes_back_is_asked_for_again_unless_staff_cancelled():
    assert goes(LIVING, held(State.CANCELLED)) == (State.NONE, None)
    assert goes(LIVING, held(State.CANCELLED, by_hand=True)) is None
    assert goes(LIVING, held(State.CANCELLING)) is None
    assert goes(LIVING, held(State.WITHOUT_INDIVIDUAL_NUMBER, number_index=None)) == (State.NONE, None)


PEOPLE = st.builds(
    Person,
    number_index=st.sampled_from([None, A, B]),
    state=st.sampled_from(["living", "moved_out", "dead", "cancelled"]),
    merged=st.booleans(),
    lawfully_changed=st.booleans(),
)
HELD = st.sampled_from(State).map(
    lambda state: held(state, number_index=None if state is State.WITHOUT_INDIVIDUAL_NUMBER else A)
)


@given(PEOPLE, HELD, st.builds(Rules, cancel_moved_out=st.booleans(), cancel_deceased=st.booleans()))
def test_every_change_leads_where_the_table_allows(person, before, rules):
    after = follow(person, before, rules, NOW)
    if after is not None:
        assert after.state is before.state or after.state in MOVES[before.state]
        assert after.reason is not None or after.state not in {State.CANCELLING, State.CANCELLED}
        assert after.message_id is not None or after.state is not State.REPLACING


@given(HELD, st.sampled_from(list(State)))
def test_a_step_keeps_a_replacement_and_never_comes_at_once_twice(before, to):
    if to is not before.state and to not in MOVES[before.state]:
        return
    after = settled(before, to, NOW, reason="said")
    if before.state is State.REPLACING and to in {State.NONE, State.REQUESTED, State.REFUSED}:
        assert (after.state, after.message_id) == (State.REPLACING, before.message_id)
    if after.state is before.state and after.state in {State.NONE, State.REQUESTED, State.REFUSED, State.REPLACING}:
        assert after.next_at > NOW
        assert after.tries == before.tries + 1


def test_waits_grow_to_an_end():
    waits = [back_off(n, first=timedelta(seconds=1), longest=timedelta(hours=1)) for n in range(100)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=1), timedelta(hours=1))
    assert (pause_s(1), pause_s(50)) == (0.25, 30.0)


# --- 処理通番


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_acquisition_number_is_never_an_individual_number(now_ms, random):
    number = new_sortable_id(ACQUISITION_PREFIX, now_ms, random)
    assert parse_acquisition_number(number) == number
    with pytest.raises(CodebookError):
        IndividualNumber.parse(number)


@given(st.from_regex(r"[0-9]{11,12}", fullmatch=True))
def test_no_number_of_a_person_is_an_acquisition_number(digits):
    for text in (digits, f"P{digits}", f"P{digits:0>26}"[:20]):
        with pytest.raises(CodebookError):
            parse_acquisition_number(text)


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        ({"accepted": True}, Taken()),
        ({"refused": {"reason": "number_unknown"}}, Taken(refused="number_unknown")),
        ({"refused": {"reason": "模擬太郎 1980"}}, Taken(refused="unknown")),
        ({"refused": {"reason": "123456789018"}}, Taken(refused="unknown")),
        ({"retry": "core_unreachable"}, Taken(retry="core_unreachable")),
        ({}, Taken(retry="unknown")),
    ],
)
def test_a_neighbours_reason_is_kept_as_a_code_or_not_at_all(answer, taken):
    assert read_taken(answer) == taken
