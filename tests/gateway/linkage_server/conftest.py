from __future__ import annotations

import secrets
from types import SimpleNamespace

import pytest

from storage.postgres import EmbeddedPostgres
from tests.support.linkage_world import build
from tests.support.replica_world import build_both
from tests.support.review_world import Desk, with_clients


@pytest.fixture(scope="session")
def linkage_cluster(tmp_path_factory):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("linkage-postgres"), durable=False)
    dsn = server.start(secrets.token_hex(8))
    yield dsn
    server.stop()


@pytest.fixture
async def world(tmp_path, linkage_cluster):
    """A linkage server of one agency with one registered client, in a database of its own."""
    made = await build(tmp_path, linkage_cluster)
    await made.register()
    return made


@pytest.fixture
async def reviewed_ward(tmp_path, linkage_cluster):
    """A linkage server and its intermediate server, with clients of two systems that look after integrated numbers."""
    return await with_clients(await build_both(tmp_path, linkage_cluster))


@pytest.fixture
async def reviewed_alone(world):
    """As `reviewed_ward`; the neighbours of the linkage server, its intermediate server too, are simulated."""
    return await with_clients(SimpleNamespace(linkage=world))


@pytest.fixture
async def desk(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        yield Desk(world=reviewed_alone, caller=caller)
