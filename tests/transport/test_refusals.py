"""Refusals that repeat are recorded at once, then once a minute with their count."""

from __future__ import annotations

from transport.refusals import Refusals

REASON = "certificate_not_registered"


def test_the_first_is_recorded_at_once_and_the_rest_once_a_minute_with_their_count():
    refusals = Refusals()
    assert refusals.take(REASON, b"a", 0.0) == 1
    assert [refusals.take(REASON, b"a", at / 10) for at in range(1, 100)] == [0] * 99
    assert refusals.take(REASON, b"a", 60.0) == 100
    assert refusals.take(REASON, b"a", 61.0) == 0


def test_each_caller_and_each_reason_counts_alone():
    refusals = Refusals()
    assert [refusals.take(REASON, who, 0.0) for who in (b"a", b"b")] == [1, 1]
    assert refusals.take("another", b"a", 0.0) == 1


def test_ten_thousand_callers_fill_neither_the_memory_nor_the_log():
    refusals = Refusals(most=100)
    records = sum(refusals.take(REASON, str(n).encode(), n / 1000) > 0 for n in range(10_000))
    assert records == 101
    assert len(refusals._seen) <= 101
    assert refusals.take(REASON, b"much later", 100.0) == 1
    assert len(refusals._seen) == 1


def test_a_refusal_whose_record_failed_is_recorded_the_next_time():
    refusals = Refusals()
    assert refusals.take(REASON, b"a", 0.0) == 1
    refusals.put_back(REASON, b"a", 1)
    assert refusals.take(REASON, b"a", 0.1) == 2
