"""Set-up data folders for the tests of this folder: one with a running PostgreSQL in which no role runs, and one in which nothing does."""

from __future__ import annotations

import pytest

from gateway.data_folder import held
from gateway.launcher import Running
from storage.postgres import discard


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("data"), ports="free", key_profile="cheapest", durable=False, roles=())
    with held(running.data.root):
        running.set_up()
        yield running
        running.stop()
    discard(running.data.root)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A set-up data folder that stands still."""
    found = Running(tmp_path_factory.mktemp("data"), ports="free", key_profile="cheapest", durable=False, roles=())
    with held(found.data.root):
        found.set_up()
        found.stop()
    yield found
    discard(found.data.root)
