"""SIGKILL of the network and of the resident network before and after every commit and every send (tests/fault/killing.py)."""

from __future__ import annotations

import pytest

from gateway.serve_command import MODULES
from gateway.topology import Program
from storage.fault_points import REGISTRY
from tests.fault.killing import ACTS, POINTS, ROLE, STEPS, TRIED_ELSEWHERE, kill_at, trials_of, world_to_kill_in


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with world_to_kill_in(tmp_path_factory.mktemp("kill")) as system:
        yield system


@pytest.mark.parametrize(("step", "sides"), trials_of("core", "resident_network"))
def test_a_server_that_dies_around_this_step_loses_nothing_and_does_nothing_twice(world, step, sides):
    kill_at(world, step, sides)


def test_every_registered_step_is_tried_at_some_role():
    assert set(REGISTRY.values()) - TRIED_ELSEWHERE == set(ROLE)
    assert set(STEPS) == set(ACTS)
    assert set(MODULES) == set(Program)
    tried = [*trials_of("linkage"), *trials_of("intermediate"), *trials_of("core", "resident_network")]
    assert sorted(f"{step}.{side}" for step, sides in tried for side in sides.split()) == POINTS
