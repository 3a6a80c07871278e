"""What the terminal keeps of people in memory, and for how long (ADR 0059)."""

from __future__ import annotations

import pytest

from gateway.terminal.sessions import Seats, Written


class Watch:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch() -> Watch:
    return Watch()


def typed(seats: Seats, staff_id: str = "staff-1") -> str:
    """Somebody has typed something when their session ended: their cookie."""
    cookie, _ = seats.take(staff_id, "token", None)
    seats.of(cookie).written = Written(page=print, fields={"purpose": "還付"})
    seats.end(cookie)
    return cookie


def test_what_was_typed_waits_for_the_same_person_for_an_hour(watch):
    seats = Seats(watch)
    for waits_s, staff_id, is_there in ((3_599, "staff-1", True), (3_600, "staff-1", False), (0, "staff-2", False)):
        cookie = typed(seats)
        assert seats.of(cookie) is None  # the session is over
        watch.now_s += waits_s
        taken, gone = seats.take(staff_id, "token", cookie)
        assert (seats.of(taken).written is not None, gone) == (is_there, [])
        assert seats.ended(cookie) is None


def test_whoever_logs_out_leaves_nothing(watch):
    seats = Seats(watch)
    cookie = typed(seats)
    seats.leave(cookie)
    assert seats.ended(cookie) is None


def test_a_cookie_that_was_planted_seats_nobody(watch):
    seats = Seats(watch)
    taken, gone = seats.take("staff-1", "token", "planted")
    assert (taken == "planted", gone, seats.of("planted")) == (False, [], None)


def test_ended_seats_are_bounded(watch):
    seats = Seats(watch)
    cookies = [typed(seats, f"staff-{nth}") for nth in range(70)]
    assert [seats.ended(one) is not None for one in cookies] == [False] * 6 + [True] * 64
