"""LS-1.3, SC-18: when a decision about a hold or a link may be made, without a database."""

from __future__ import annotations

import dataclasses

import pytest

from codebook.four_items import Field
from gateway.linkage_server.people.state import Says
from gateway.linkage_server.review.deciding import Refused
from gateway.linkage_server.review.decision import (
    MOVES,
    OPEN,
    Content,
    Held,
    Kind,
    No,
    Standing,
    State,
    Step,
    before,
    problem_of_freezing,
    problem_of_hold,
    problem_of_link,
    problem_of_split,
    problem_of_thawing,
    staff_differ,
)
from gateway.linkage_server.review.problems import problem_of

PAIR = ("kokuho", "77")
SOMEBODY = Standing(
    revision=1, frozen=False, merged_into=None, has_number=True, code_state="none", addressees=frozenset({PAIR})
)
NUMBERLESS = dataclasses.replace(SOMEBODY, has_number=False)
FROZEN = dataclasses.replace(SOMEBODY, frozen=True)
MERGED = dataclasses.replace(SOMEBODY, frozen=True, merged_into=9)
HELD = Held(state="open", of_a_change=False, has_number=True, number_of=1, registered_to=None)


def content(**changes):
    return Content(**({"reason": "見本", "person": 1, "addressees": (PAIR,)} | changes))


@pytest.mark.parametrize(
    ("kind", "given_up", "lives_on", "differing", "problem"),
    [
        (Kind.LINK, NUMBERLESS, SOMEBODY, frozenset(), None),
        (Kind.LINK, NUMBERLESS, SOMEBODY, {Field.ADDRESS}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.LINK, NUMBERLESS, SOMEBODY, {Field.KANA}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.LINK, SOMEBODY, SOMEBODY, frozenset(), No.HAS_INDIVIDUAL_NUMBER),
        (Kind.LINK, None, SOMEBODY, frozenset(), No.PERSON_UNKNOWN),
        (Kind.LINK, NUMBERLESS, MERGED, frozenset(), No.PERSON_MERGED),
        (Kind.MERGE, SOMEBODY, SOMEBODY, set(Field), None),
        (Kind.MERGE, FROZEN, SOMEBODY, set(Field), None),
        (Kind.MERGE, SOMEBODY, NUMBERLESS, set(), None),
        (Kind.MERGE, SOMEBODY, NUMBERLESS, {Field.ADDRESS}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.MERGE, NUMBERLESS, SOMEBODY, {Field.NAME}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.MERGE, NUMBERLESS, NUMBERLESS, {Field.BIRTH_DATE}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.MERGE, MERGED, SOMEBODY, set(), No.PERSON_MERGED),
        (Kind.MERGE, SOMEBODY, None, set(), No.PERSON_UNKNOWN),
    ],
)
def test_without_a_number_everything_rests_on_all_four_items_and_a_merge_of_two_numbers_on_people(
    kind, given_up, lives_on, differing, problem
):
    assert problem_of_link(kind, given_up, lives_on, differing, same=False) is problem


def test_nobody_is_merged_into_themselves():
    assert problem_of_link(Kind.MERGE, SOMEBODY, SOMEBODY, set(), same=True) is No.SAME_PERSON


@pytest.mark.parametrize(
    ("standing", "changes", "to", "problem"),
    [
        (SOMEBODY, {}, None, None),
        (FROZEN, {}, None, None),
        (SOMEBODY, {"other": 2}, NUMBERLESS, None),
        (SOMEBODY, {"other": 2}, None, No.PERSON_UNKNOWN),
        (SOMEBODY, {"other": 1}, SOMEBODY, No.SAME_PERSON),
        (SOMEBODY, {"other": 2}, MERGED, No.PERSON_MERGED),
        (SOMEBODY, {"other": 2}, dataclasses.replace(MERGED, merged_into=1), None),
        (MERGED, {}, None, No.PERSON_MERGED),
        (None, {}, None, No.PERSON_UNKNOWN),
        (SOMEBODY, {"addressees": ()}, None, No.NO_ADDRESSEE_NAMED),
        (SOMEBODY, {"addressees": (PAIR, ("juki", "1"))}, None, No.ADDRESSEE_NOT_OF_PERSON),
        (SOMEBODY, {"number_goes": True}, None, None),
        (NUMBERLESS, {"number_goes": True}, None, No.NO_INDIVIDUAL_NUMBER),
        (SOMEBODY, {"number_goes": True, "other": 2}, SOMEBODY, No.HAS_INDIVIDUAL_NUMBER),
        (SOMEBODY, {"number_goes": True, "says": Says(individual_number="1")}, None, No.HAS_INDIVIDUAL_NUMBER),
    ],
)
def test_addressees_leave_a_person_who_has_them_for_one_who_can_take_them(standing, changes, to, problem):
    assert problem_of_split(1, standing, content(**changes), to) is problem


def test_a_number_that_was_told_under_what_leaves_replaces_the_number_of_whom_it_goes_to():
    goes = content(number_goes=True, other=2)
    assert problem_of_split(1, SOMEBODY, goes, SOMEBODY, number_came_along=True) is None


@pytest.mark.parametrize(
    ("kind", "held", "changes", "to", "differing", "problem"),
    [
        (Kind.HOLD_LINK, {}, {}, SOMEBODY, {Field.NAME}, None),
        (Kind.HOLD_LINK, {"number_of": None, "registered_to": 1}, {}, SOMEBODY, {Field.NAME}, None),
        (Kind.HOLD_LINK, {"number_of": None, "formerly_of": 1}, {}, SOMEBODY, {Field.NAME}, None),
        (Kind.HOLD_LINK, {"number_of": 2}, {}, SOMEBODY, {Field.NAME}, No.FEWER_THAN_FOUR_ITEMS),
        (Kind.HOLD_LINK, {"number_of": 2}, {}, SOMEBODY, set(), None),
        (Kind.HOLD_LINK, {"number_of": 2}, {"number_goes": True}, SOMEBODY, set(), No.INDIVIDUAL_NUMBER_TAKEN),
        (Kind.HOLD_LINK, {}, {"person": None}, None, set(), No.PERSON_UNKNOWN),
        (Kind.HOLD_LINK, {}, {}, FROZEN, set(), No.PERSON_FROZEN),
        (Kind.HOLD_LINK, {}, {}, MERGED, set(), No.PERSON_MERGED),
        (Kind.HOLD_LINK, {"state": "refused"}, {}, SOMEBODY, set(), No.HOLD_DECIDED),
        (Kind.HOLD_LINK, {"of_a_change": True}, {"person": None}, None, set(), None),
        (Kind.HOLD_KEEP, {"of_a_change": True}, {"person": None}, None, set(), No.NOT_FOR_THIS_HOLD),
        (Kind.HOLD_KEEP, {}, {"person": None}, None, set(), None),
        (Kind.HOLD_KEEP, {}, {"person": None, "number_goes": True}, None, set(), No.INDIVIDUAL_NUMBER_TAKEN),
        (Kind.HOLD_KEEP, {"number_of": None}, {"person": None, "number_goes": True}, None, set(), None),
        (
            Kind.HOLD_KEEP,
            {"number_of": None, "has_number": False},
            {"person": None, "number_goes": True},
            None,
            set(),
            No.NO_INDIVIDUAL_NUMBER,
        ),
        (Kind.HOLD_REFUSE, {}, {"person": None}, None, set(), None),
    ],
)
def test_a_hold_is_decided_by_number_by_addressee_or_by_four_items(kind, held, changes, to, differing, problem):
    found = dataclasses.replace(HELD, **held)
    assert problem_of_hold(kind, found, content(**changes), to, differing) is problem


def test_a_hold_that_is_not_there_cannot_be_decided():
    assert problem_of_hold(Kind.HOLD_REFUSE, None, content(), None, ()) is No.HOLD_UNKNOWN


def test_who_is_frozen_is_not_frozen_again_and_who_was_merged_never_thaws():
    assert [problem_of_freezing(one) for one in (SOMEBODY, FROZEN, None)] == [None, No.PERSON_FROZEN, No.PERSON_UNKNOWN]
    assert [problem_of_thawing(one) for one in (FROZEN, SOMEBODY, MERGED, None)] == [
        None,
        No.PERSON_NOT_FROZEN,
        No.PERSON_MERGED,
        No.PERSON_UNKNOWN,
    ]


def test_two_ids_that_differ_in_case_are_one_member_of_staff():
    assert staff_differ("a.sato", "b.mori")
    assert not staff_differ("a.sato", "A.Sato")


def test_an_edit_takes_an_approval_back_and_what_has_begun_is_not_edited():
    assert before(Step.EDIT) == [State.PROPOSED, State.APPROVED]
    assert MOVES[State.APPROVED][Step.EDIT] is State.PROPOSED
    assert before(Step.APPROVE) == [State.PROPOSED]


def test_every_decision_ends_and_what_has_ended_does_not_move():
    ended = {state for state, moves in MOVES.items() if not moves}
    assert ended == set(State) - OPEN
    reached = {state for moves in MOVES.values() for state in moves.values()}
    assert reached == set(State)


def test_nothing_of_a_content_is_printed():
    assert "77" not in repr(content()) + str(content())


def test_every_no_that_a_call_can_meet_is_told_with_what_to_do():
    for no in set(No) - {No.CHANGE_REFUSED}:
        problem = problem_of(Refused(reason=no, decision_id="D1"))
        assert problem.reason == no.value
        assert 400 <= problem.status < 500
