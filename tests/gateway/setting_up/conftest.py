"""One set-up data folder with a running PostgreSQL for the tests of this folder; no role runs in it."""

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
