"""Entrances and sessions to the second, and what a password must be (SC-10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from gateway.intermediate_server.staff import factors
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.people import (
    Card,
    CardKind,
    CardState,
    Doubt,
    Entrance,
    Member,
    MemberState,
    Rules,
    Session,
    Shown,
    judge_entrance,
    rules_from,
    session_works,
    too_weak,
)
from keys.passphrase import CHEAPEST, NORMAL
from keys.ring import Keyring

NOW = datetime(2024, 2, 29, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MEMBER = Member(
    staff_id="ann",
    office="kokuho",
    state=MemberState.ACTIVE,
    password_hash="-",
    password_initial=False,
    password_until=NOW + timedelta(days=1),
    valid_until=NOW + timedelta(days=1),
    version=1,
)
CARD = Card(
    card_id="c",
    staff_id="ann",
    kind=CardKind.KEY,
    public_key=b"",
    credential=None,
    sign_count=0,
    valid_until=NOW + timedelta(days=1),
    state=CardState.ACTIVE,
)
RIGHT = Shown(
    member=MEMBER, card=CARD, challenge=True, person_locked=False, terminal_locked=False, password=True, signature=True
)


def test_two_right_factors_let_in():
    found = judge_entrance(RIGHT, NOW)
    assert isinstance(found, Entrance)
    assert not found.restricted


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"challenge": False}, Doubt.CHALLENGE),
        ({"terminal_locked": True}, Doubt.TERMINAL_LOCKED),
        ({"member": None}, Doubt.UNKNOWN),
        ({"person_locked": True}, Doubt.LOCKED),
        ({"member": replace(MEMBER, state=MemberState.LEFT)}, Doubt.LEFT),
        ({"password": False}, Doubt.PASSWORD),
        ({"signature": False}, Doubt.CARD),
        ({"card": None, "signature": False}, Doubt.CARD),
        ({"card": replace(CARD, state=CardState.REVOKED)}, Doubt.CARD),
        ({"card": replace(CARD, staff_id="ben")}, Doubt.CARD),
    ],
)
def test_one_wrong_part_is_enough(changes, doubt):
    assert judge_entrance(replace(RIGHT, **changes), NOW) is doubt


@pytest.mark.parametrize(("late", "right"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_an_account_and_a_card_end_to_the_second(late, right):
    at = NOW + late
    account = judge_entrance(replace(RIGHT, member=replace(MEMBER, valid_until=NOW)), at)
    card = judge_entrance(replace(RIGHT, card=replace(CARD, valid_until=NOW)), at)
    assert isinstance(account, Entrance) is right
    assert isinstance(card, Entrance) is right
    assert right or (account, card) == (Doubt.ACCOUNT_EXPIRED, Doubt.CARD_EXPIRED)


@pytest.mark.parametrize(("late", "restricted"), [(-SECOND, False), (timedelta(0), True), (SECOND, True)])
def test_an_expired_password_lets_in_to_be_changed_alone(late, restricted):
    found = judge_entrance(replace(RIGHT, member=replace(MEMBER, password_until=NOW)), NOW + late)
    assert isinstance(found, Entrance)
    assert found.restricted is restricted


@pytest.mark.parametrize(("late", "right"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_first_password_ends_for_good(late, right):
    member = replace(MEMBER, password_initial=True, password_until=NOW)
    found = judge_entrance(replace(RIGHT, member=member), NOW + late)
    if right:
        assert isinstance(found, Entrance)
        assert found.restricted
    else:
        assert found is Doubt.INITIAL_EXPIRED


SESSION = Session(
    token_hash="t",
    staff_id="ann",
    card_id="c",
    certificate=b"terminal",
    opened_at=NOW,
    seen_at=NOW,
    until=NOW + timedelta(hours=10),
    restricted=False,
    reason="inspection",
    reference="",
    ended_at=None,
)
IDLE = timedelta(minutes=15)


@pytest.mark.parametrize(("late", "works"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_session_ends_idle_and_absolutely_to_the_second(late, works):
    assert session_works(SESSION, b"terminal", NOW + IDLE + late, IDLE) is works
    busy = replace(SESSION, seen_at=SESSION.until)
    assert session_works(busy, b"terminal", SESSION.until + late, IDLE) is works


@pytest.mark.parametrize(("later", "works"), [(-IDLE + SECOND, True), (-IDLE, False), (-timedelta(days=1), False)])
def test_sc_10_a_session_of_a_clock_that_was_set_back_lies_open_no_longer_than_others(later, works):
    """It was opened while the clock was a day ahead: it would not have been idle for a day."""
    assert session_works(SESSION, b"terminal", NOW + later, IDLE) is works


def test_a_session_works_on_its_own_terminal_until_it_is_ended():
    assert session_works(SESSION, b"terminal", NOW, IDLE)
    assert not session_works(SESSION, b"another", NOW, IDLE)
    assert not session_works(replace(SESSION, ended_at=NOW), b"terminal", NOW, IDLE)


@pytest.mark.parametrize(("late", "holds"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_challenge_ends_to_the_second(late, holds):
    ring = _ring()
    challenge = factors.new_challenge(ring, ASKED, NOW, timedelta(minutes=2))
    assert factors.challenge_holds(ring, ASKED, challenge, NOW + timedelta(minutes=2) + late) is holds


def test_a_challenge_holds_when_the_key_was_rotated_meanwhile_and_not_when_it_is_gone():
    ring = _ring()
    challenge = factors.new_challenge(ring, ASKED, NOW, timedelta(minutes=2))
    ring.rotate(factors.RING)
    assert factors.challenge_holds(ring, ASKED, challenge, NOW)
    assert factors.challenge_holds(ring, ASKED, factors.new_challenge(ring, ASKED, NOW, timedelta(minutes=2)), NOW)
    ring.destroy(factors.RING, 1)
    assert not factors.challenge_holds(ring, ASKED, challenge, NOW)


ASKED = Asked(agency="setagaya", staff_id="ann", certificate=b"t" * 32, purpose="log_in")


def _ring() -> Keyring:
    ring = Keyring.new()
    ring.create(factors.RING)
    return ring


@pytest.mark.parametrize(
    "changes",
    [{"agency": "suginami"}, {"staff_id": "ben"}, {"certificate": b"u" * 32}, {"purpose": "approve/G1/00"}],
    ids=str,
)
def test_a_challenge_is_for_one_agency_person_terminal_and_purpose(changes):
    ring = _ring()
    challenge = factors.new_challenge(ring, ASKED, NOW, timedelta(minutes=2))
    assert factors.challenge_holds(ring, ASKED, challenge, NOW)
    assert not factors.challenge_holds(ring, replace(ASKED, **changes), challenge, NOW)


def test_no_byte_of_a_challenge_can_be_changed():
    ring = _ring()
    challenge = factors.new_challenge(ring, ASKED, NOW, timedelta(minutes=2))
    for place in range(len(challenge)):
        bent = challenge[:place] + bytes([challenge[place] ^ 1]) + challenge[place + 1 :]
        assert not factors.challenge_holds(ring, ASKED, bent, NOW)
    for wrong in (b"", challenge[:-1], challenge + b"\0", b"\xff" * 56):
        assert not factors.challenge_holds(ring, ASKED, wrong, NOW)


def test_an_unknown_id_is_measured_with_the_same_parameters():
    for profile in (NORMAL, CHEAPEST):
        parameters = factors.hash_password("a long enough password", profile).split("$")[:4]
        assert factors.nobody(profile).password_hash.split("$")[:4] == parameters


def test_a_password_fits_itself_in_every_width():
    stored = factors.hash_password("ﾊﾟｽﾜｰﾄﾞ-long-enough", CHEAPEST)
    assert factors.password_fits(stored, "パスワード-long-enough")
    assert not factors.password_fits(stored, "パスワード-long-enougH")
    assert not factors.password_fits("", "anything")
    assert not factors.password_fits("nonsense", "anything")


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("correct horse battery", False),
        ("short-one-11", False),
        ("short-one-1", True),
        ("aaaaaaaaaaaaaaaa", True),
        ("my id is staff-9 you see", True),
        ("x1y2z3" * 30, True),
    ],
)
def test_a_weak_password_is_known(password, weak):
    assert too_weak(password, "staff-9") is weak


def test_rules_come_from_the_options_of_the_role():
    options = {
        "staff_idle": 60,
        "staff_opens": "09:30",
        "staff_failures": 3,
        "staff_two_person_release": ["*"],
        "staff_closed": ["2026-08-13"],
    }
    rules = rules_from(options, CHEAPEST, 8442)
    assert (rules.idle, rules.measures.opens, rules.failures) == (timedelta(minutes=1), time(9, 30), 3)
    assert rules.measures.closed == {date(2026, 8, 13)}
    assert rules.two_people("医療保険給付関係情報")
    assert rules.origins == {"https://localhost:8442", "http://localhost:8440"}
    assert not Rules().two_people("医療保険給付関係情報")
    with pytest.raises(ValueError, match="nine"):
        rules_from({"staff_failures": "nine"}, CHEAPEST, 1)
