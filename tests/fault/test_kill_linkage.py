"""SIGKILL of the linkage server at every commit and every send (tests/fault/killing.py)."""

from __future__ import annotations

import pytest

from tests.fault.killing import kill_at, points_of, world_to_kill_in


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with world_to_kill_in(tmp_path_factory.mktemp("kill")) as system:
        yield system


@pytest.mark.parametrize("point", points_of("linkage"))
def test_a_server_that_dies_here_loses_nothing_and_does_nothing_twice(world, point):
    kill_at(world, point)
