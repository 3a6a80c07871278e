from __future__ import annotations

import secrets

import pytest

from storage.postgres import EmbeddedPostgres
from tests.support.replica_world import build_both

SCOPES = (
    "addressees:register",
    "persons:change",
    "business-information:register",
    "business-information:read",
    "business-information:change",
    "business-information:transfer",
    "business-information:compare",
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("business-postgres"), durable=False)
    dsn = server.start(secrets.token_hex(8))
    yield dsn
    server.stop()


@pytest.fixture
async def both(tmp_path, cluster):
    """A linkage server and its intermediate server with one registered client, in schemas of their own."""
    made = await build_both(tmp_path, cluster)
    await made.linkage.register(scopes=SCOPES)
    return made
