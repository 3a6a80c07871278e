"""SIGKILL of the network and of the resident network at every commit and every send (tests/fault/killing.py)."""

from __future__ import annotations

import pytest

from gateway.serve_command import MODULES
from gateway.topology import Program
from storage.fault_points import REGISTRY
from tests.fault.killing import ACTS, POINTS, ROLE, TRIED_ELSEWHERE, kill_at, points_of, world_to_kill_in


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with world_to_kill_in(tmp_path_factory.mktemp("kill")) as system:
        yield system


@pytest.mark.parametrize("point", points_of("core", "resident_network"))
def test_a_server_that_dies_here_loses_nothing_and_does_nothing_twice(world, point):
    kill_at(world, point)


def test_every_registered_point_is_tried_at_some_role():
    assert set(REGISTRY.values()) - TRIED_ELSEWHERE == set(ROLE)
    assert {point.rpartition(".")[0] for point in POINTS} == set(ACTS)
    assert set(MODULES) == set(Program)
    assert sorted([*points_of("linkage"), *points_of("intermediate"), *points_of("core", "resident_network")]) == POINTS
