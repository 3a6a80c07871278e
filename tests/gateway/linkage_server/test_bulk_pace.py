"""Bulk steps back while somebody asks online, grows when it is alone, and says honestly when it will be through."""

from __future__ import annotations

import asyncio

import pytest

from gateway.linkage_server.bulk_inquiries.pace import Pace
from gateway.linkage_server.bulk_inquiries.progress import Rate, Speed, estimate
from gateway.linkage_server.inquiry_desk.online import Online


class Hand:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def hand():
    return Hand()


def pace(hand, online=None):
    return Pace("test", online or Online(clock=hand), size=64, most=4, clock=hand)


async def lists(pace, hand, count, seconds, *, through=True):
    for _ in range(count):
        async with pace.turn() as turn:
            turn.through = through
            hand.now += seconds
        size = turn.size
    return size


async def test_alone_more_lists_go_at_once_up_to_the_most(hand):
    alone = pace(hand)
    assert alone.limit == 1
    assert await lists(alone, hand, 12, 0.2) == 64
    assert alone.limit == 4


async def test_lists_that_only_wait_for_each_other_become_fewer(hand):
    crowded = pace(hand)
    await lists(crowded, hand, 12, 0.2)
    await lists(crowded, hand, 4, 2.0)
    assert crowded.limit == 1


async def test_while_somebody_asks_online_there_is_one_short_list_and_a_rest(hand):
    online = Online(clock=hand)
    beside = pace(hand, online)
    await lists(beside, hand, 12, 0.2)
    online.note()
    assert beside.limit == 1
    async with beside.turn() as turn:
        turn.through = True
        assert turn.size == 32
        hand.now += 0.4
    waiting = asyncio.ensure_future(lists(beside, hand, 1, 0.0))
    await asyncio.sleep(0.2)
    assert not waiting.done()  # it rests half as long as the list took
    hand.now += 0.21
    await waiting


async def test_when_nobody_asks_any_more_it_grows_again(hand):
    online = Online(clock=hand)
    online.note()
    after = pace(hand, online)
    await lists(after, hand, 1, 0.1)
    hand.now += 2.0
    await lists(after, hand, 8, 0.2)
    assert after.limit > 1


async def test_a_list_that_failed_makes_the_next_one_wait(hand):
    failing = pace(hand)
    await lists(failing, hand, 1, 0.1, through=False)
    waiting = asyncio.ensure_future(lists(failing, hand, 1, 0.1))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    hand.now += 5.0
    await waiting


def test_the_rate_is_that_of_the_last_minute_and_nothing_is_said_too_early(hand):
    speed = Speed(hand)
    speed.begin()
    speed.done(500)
    assert speed.rate().per_second is None
    hand.now += 5
    assert speed.rate() == Rate(per_second=100.0, over_s=5.0)
    hand.now += 56
    assert speed.rate().per_second is None  # nothing was done for a minute
    hand.now += 100
    speed.begin()
    hand.now += 10
    speed.done(100)
    assert speed.rate() == Rate(per_second=10.0, over_s=10.0)


@pytest.mark.parametrize(
    ("rate", "left", "seconds"),
    [
        (Rate(per_second=50.0, over_s=30.0), 1_000, 20),
        (Rate(per_second=None, over_s=1.0), 1_000, None),
        (Rate(per_second=0.0, over_s=60.0), 1_000, None),
        (Rate(per_second=None, over_s=0.0), 0, 0),
    ],
)
@pytest.mark.parametrize("waiting", [0, 900])
def test_an_estimate_is_given_only_when_something_was_measured(rate, left, seconds, waiting):
    found = estimate(rate, left=left - waiting, waiting=waiting, files_not_counted=2, is_open=3)
    assert found["seconds_left"] == seconds
    assert (found["basis"]["files_not_counted"], found["basis"]["lines_that_wait_for_providers"]) == (2, 3)
