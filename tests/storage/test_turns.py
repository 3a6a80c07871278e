"""Whoever computes for long lets the others at the event loop have their turn, and loses nothing."""

from __future__ import annotations

import asyncio

import pytest

from storage.resealing.job import next_size, rest_s
from storage.turns import with_turns


async def test_others_have_their_turn_between_long_pieces_and_everything_comes_in_order():
    loop = asyncio.get_running_loop()
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = loop.create_task(other())
    seen = []
    async for piece in with_turns(range(5)):
        begun = loop.time()
        while loop.time() - begun < 0.003:
            pass
        seen.append((piece, turns))
    task.cancel()
    assert [piece for piece, _ in seen] == list(range(5))
    assert seen[-1][1] >= 4


def test_a_stretch_grows_while_it_is_short_shrinks_when_it_is_long_and_has_bounds():
    assert next_size(40, 0.005) == 80
    assert next_size(100, 0.005) == 100
    assert next_size(90, 0.015) == 90
    assert next_size(90, 0.05) == 45
    assert next_size(40, 9.0) == 40


def test_sealing_anew_rests_until_it_has_worked_its_share_of_the_time():
    assert rest_s(0.01, 0.1) == pytest.approx(0.09)
    assert rest_s(0.01, 1) == 0
