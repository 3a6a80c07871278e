from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from storage.postgres import EmbeddedPostgres
from tests.adapters.jlis_mock.surroundings import Surroundings, surroundings


@pytest.fixture(scope="session")
def jlis_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedPostgres, str]]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("jlis-postgres"), durable=False)
    admin_dsn = server.start("administrator-of-tests")
    yield server, admin_dsn
    server.stop()
    shutil.rmtree(server.home)
    shutil.rmtree(server.socket)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def around(
    jlis_postgres: tuple[EmbeddedPostgres, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Surroundings]:
    server, admin_dsn = jlis_postgres
    async with surroundings(tmp_path_factory.mktemp("jlis"), admin_dsn, server.socket) as made:
        yield made
