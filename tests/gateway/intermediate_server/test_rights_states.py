"""Grants as a state machine (SC-11): no grant with one person or one card, an edit voids, a revocation is immediate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.intermediate_server.correction.correcting import is_code
from gateway.intermediate_server.staff.rights import (
    FILE_OF,
    TRANSITIONS,
    Actor,
    AffairText,
    File,
    Function,
    Grant,
    GrantEvent,
    GrantRefusal,
    GrantState,
    Scope,
    requested,
    step,
)

AGENCY = "setagaya"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
PEOPLE = {name: Actor(staff_id=name, card_id=f"card-{name}") for name in ("ann", "ben", "cho", "dan")}
SAME_CARD = Actor(staff_id="ben", card_id="card-ann")
"""A second id with the first one's card: one person behind two ids."""
ACTORS = [*PEOPLE.values(), SAME_CARD]


def scope(**changes) -> Scope:
    plain = Scope(
        function=Function.HELD_VIEW,
        office="kokuho",
        affair="27",
        information="医療保険給付関係情報",
        file="*",
        valid_from=NOW,
        valid_until=NOW + timedelta(days=30),
    )
    return replace(plain, **changes)


def fresh(by: str = "ann", holder: str = "dan", **changes) -> Grant:
    return requested("G1", holder, scope(**changes), PEOPLE[by])


def approved(grant: Grant, by: Actor = PEOPLE["ben"]) -> Grant | GrantRefusal:
    return step(grant, GrantEvent.APPROVE, by, NOW, agency=AGENCY, seen=grant.digest(AGENCY))


class Grants(RuleBasedStateMachine):
    """Anybody tries anything; `hands` remembers who had a hand in the content as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.grant = fresh()
        self.seen = [self.grant.digest(AGENCY)]
        self.revoked_by: Actor | None = None

    @rule(
        event=st.sampled_from(GrantEvent),
        by=st.sampled_from(ACTORS),
        latest=st.booleans(),
        affair=st.sampled_from(["27", "42", "*"]),
    )
    def try_something(self, event, by, latest, affair):
        before = self.grant
        seen = before.digest(AGENCY) if latest else self.seen[0]
        found = step(before, event, by, NOW, agency=AGENCY, scope=scope(affair=affair), seen=seen)
        if isinstance(found, GrantRefusal):
            return
        assert TRANSITIONS[(before.state, event)] is found.state
        if event is GrantEvent.REVOKE:
            assert not found.works("kokuho", NOW)
            self.revoked_by = by
        if event is GrantEvent.EDIT:
            assert found.approved is None
            assert not found.works("kokuho", NOW)
            assert found.digest(AGENCY) not in self.seen
        self.grant = found
        self.seen.append(found.digest(AGENCY))

    @rule(by=st.sampled_from(ACTORS))
    def ask_anew(self, by):
        if self.grant.state in (GrantState.CLOSED, GrantState.REJECTED):
            self.grant = requested(f"G{len(self.seen) + 1}", "dan", scope(), by)
            self.seen.append(self.grant.digest(AGENCY))

    @invariant()
    def whatever_works_has_two_people(self):
        grant = self.grant
        if grant.works("kokuho", NOW):
            assert grant.approved is not None
            assert grant.approved.staff_id not in (grant.requested.staff_id, grant.staff_id)
            assert grant.approved.card_id != grant.requested.card_id
            assert grant.approved_digest == grant.digest(AGENCY)

    @invariant()
    def a_closed_revocation_was_seen_by_two(self):
        if self.grant.state is GrantState.CLOSED:
            assert self.grant.revoked is not None
            assert self.grant.checked is not None
            assert self.grant.checked.staff_id != self.grant.revoked.staff_id
            assert self.grant.checked.card_id != self.grant.revoked.card_id
            assert self.grant.checked.staff_id != self.grant.staff_id


Grants.TestCase.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
test_grants = Grants.TestCase


def test_the_road_of_a_grant():
    grant = approved(fresh())
    assert isinstance(grant, Grant)
    assert grant.works("kokuho", NOW)
    revoked = step(grant, GrantEvent.REVOKE, PEOPLE["cho"], NOW, agency=AGENCY)
    assert isinstance(revoked, Grant)
    assert not revoked.works("kokuho", NOW)
    closed = checked(revoked, "ann")
    assert isinstance(closed, Grant)
    assert closed.state is GrantState.CLOSED


def checked(revoked: Grant, by: str, seen: str = "") -> Grant | GrantRefusal:
    shown = seen or revoked.digest(AGENCY)
    return step(revoked, GrantEvent.CHECK, PEOPLE[by], NOW, agency=AGENCY, seen=shown)


@pytest.mark.parametrize("by", ["cho", "dan"], ids=["revoked", "holds"])
def test_nobody_checks_their_own_revocation_nor_that_of_their_own_right(by):
    revoked = step(fresh(), GrantEvent.REVOKE, PEOPLE["cho"], NOW, agency=AGENCY)
    assert isinstance(revoked, Grant)
    assert checked(revoked, by) is GrantRefusal.SECOND_PERSON


def test_a_rejection_and_the_check_of_a_revocation_are_for_what_was_shown():
    grant, other = fresh(), fresh(affair="42").digest(AGENCY)
    rejected = step(grant, GrantEvent.REJECT, PEOPLE["ben"], NOW, agency=AGENCY, seen=other)
    assert rejected is GrantRefusal.CONTENT
    revoked = step(grant, GrantEvent.REVOKE, PEOPLE["cho"], NOW, agency=AGENCY)
    assert isinstance(revoked, Grant)
    assert checked(revoked, "ann", seen=other) is GrantRefusal.CONTENT


@pytest.mark.parametrize("by", [PEOPLE["ann"], PEOPLE["dan"], SAME_CARD], ids=["asked", "holds", "same card"])
def test_nobody_approves_their_own_nor_with_the_same_card(by):
    assert approved(fresh(), by) is GrantRefusal.SECOND_PERSON


def test_an_approval_of_what_was_shown_before_an_edit_is_void():
    grant = fresh()
    edited = step(grant, GrantEvent.EDIT, PEOPLE["cho"], NOW, agency=AGENCY, scope=scope(affair="*"))
    assert isinstance(edited, Grant)
    old = step(edited, GrantEvent.APPROVE, PEOPLE["ben"], NOW, agency=AGENCY, seen=grant.digest(AGENCY))
    assert old is GrantRefusal.CONTENT
    assert step(edited, GrantEvent.APPROVE, PEOPLE["cho"], NOW, agency=AGENCY, seen=edited.digest(AGENCY)) is (
        GrantRefusal.SECOND_PERSON
    )


def test_editing_back_does_not_bring_an_approval_back():
    grant = fresh()
    there = step(grant, GrantEvent.EDIT, PEOPLE["ann"], NOW, agency=AGENCY, scope=scope(affair="*"))
    assert isinstance(there, Grant)
    back = step(there, GrantEvent.EDIT, PEOPLE["ann"], NOW, agency=AGENCY, scope=scope())
    assert isinstance(back, Grant)
    assert back.digest(AGENCY) != grant.digest(AGENCY)


def test_a_grant_of_another_agency_has_another_digest():
    assert fresh().digest("setagaya") != fresh().digest("suginami")


@pytest.mark.parametrize(
    ("at", "works"),
    [
        (NOW - timedelta(seconds=1), False),
        (NOW, True),
        (NOW + timedelta(days=30, seconds=-1), True),
        (NOW + timedelta(days=30), False),
        (NOW + timedelta(days=30, seconds=1), False),
    ],
)
def test_a_grant_works_from_its_first_instant_to_before_its_last(at, works):
    grant = approved(fresh())
    assert isinstance(grant, Grant)
    assert grant.works("kokuho", at) is works


def test_a_grant_that_is_over_is_not_approved():
    grant = fresh(valid_until=NOW)
    assert approved(grant) is GrantRefusal.PERIOD


def test_a_grant_works_in_its_office_alone():
    grant = approved(fresh())
    assert isinstance(grant, Grant)
    assert not grant.works("zeimu", NOW)


@pytest.mark.parametrize(
    ("changes", "asked", "covered"),
    [
        ({}, ("27", "医療保険給付関係情報"), True),
        ({}, ("42", "医療保険給付関係情報"), False),
        ({}, ("27", "公金受取口座情報"), False),
        ({}, ("*", "*"), False),
        ({"affair": "*", "information": "*"}, ("42", "公金受取口座情報"), True),
        ({"file": File.REPLICAS.value}, ("27", "医療保険給付関係情報"), True),
        ({"file": File.STAFF_RECORDS.value}, ("27", "医療保険給付関係情報"), False),
    ],
)
def test_a_right_covers_its_affair_information_and_file_alone(changes, asked, covered):
    assert fresh(**changes).covers(Function.HELD_VIEW, *asked) is covered
    assert not fresh(**changes).covers(Function.HELD_DECIDE, *asked)


def test_every_function_is_about_a_file():
    assert set(FILE_OF) == set(Function)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("27", True),
        ("insurance-qualification", True),
        ("123456789", True),
        ("1234567890", False),
        ("a123456789018", False),
        ("27\n", False),
    ],
)
def test_an_affair_that_is_recorded_holds_nothing_as_long_as_a_number_of_a_person(text, good):
    try:
        found = msgspec.convert(text, AffairText) == text
    except msgspec.ValidationError:
        found = False
    assert (found, is_code(text)) == (good, good)
