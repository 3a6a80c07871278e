from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from storage.postgres import EmbeddedPostgres
from tests.adapters.sky2.surroundings import Surroundings, surroundings

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def sky2_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedPostgres, str]]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("sky2-postgres"), durable=False)
    yield server, server.start("administrator-of-tests")
    server.stop()


@pytest_asyncio.fixture
async def unstarted(
    sky2_postgres: tuple[EmbeddedPostgres, str], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Surroundings]:
    postgres, admin_dsn = sky2_postgres
    options = getattr(request, "param", {})
    async with surroundings(tmp_path, postgres, admin_dsn, f"sky2_{next(_NUMBERS)}", options) as made:
        yield made


@pytest_asyncio.fixture
async def sky2(unstarted: Surroundings) -> Surroundings:
    await unstarted.start()
    await unstarted.ready()
    return unstarted
