from __future__ import annotations

import secrets

import pytest

from storage.postgres import EmbeddedPostgres, discard
from tests.support.records_world import records_world


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records-postgres")
    server = EmbeddedPostgres(folder, durable=False)
    yield server.start(secrets.token_hex(8))
    server.stop()
    discard(folder)


@pytest.fixture
async def records(tmp_path, cluster):
    """One agency with an empty log."""
    async with records_world(tmp_path, cluster) as world:
        yield world
