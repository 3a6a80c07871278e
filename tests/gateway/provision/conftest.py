"""One embedded PostgreSQL, and two providers on it: one whose staff decide alone, and one that wants two people for everything."""

from __future__ import annotations

import secrets

import pytest

from gateway.intermediate_server.staff.people import Rules
from storage.postgres import EmbeddedPostgres, discard
from tests.support.provider_world import NOON, provider_world

BOTH = Rules(two_person_release=frozenset({"*"}), two_person_bars=frozenset({"*"}))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("provision-postgres")
    server = EmbeddedPostgres(folder, durable=False)
    yield server.start(secrets.token_hex(8))
    server.stop()
    discard(folder)


@pytest.fixture
async def world(tmp_path, cluster):
    """Staff decide alone. The clock stands at noon, 3 October 2022, until a test moves it."""
    async with provider_world(tmp_path, cluster, mark="_p1") as found:
        found.now = NOON
        yield found


@pytest.fixture
async def two(tmp_path, cluster):
    async with provider_world(tmp_path, cluster, mark="_p2", rules=BOTH) as found:
        found.now = NOON
        yield found
