"""SIGKILL of the intermediate server before and after every commit and every send (tests/fault/killing.py)."""

from __future__ import annotations

import pytest

from tests.fault.killing import kill_at, trials_of, world_to_kill_in


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with world_to_kill_in(tmp_path_factory.mktemp("kill")) as system:
        yield system


@pytest.mark.parametrize(("step", "sides"), trials_of("intermediate"))
def test_a_server_that_dies_around_this_step_loses_nothing_and_does_nothing_twice(world, step, sides):
    kill_at(world, step, sides)
