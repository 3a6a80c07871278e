"""One embedded PostgreSQL for these tests, and a log in a schema of its own for each."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from keys.signing import Signer, generate_seed
from storage.committer import Commit, Committer, NewEntry, Statement, Write, commit_step
from storage.database import Database
from storage.migrations import Login, Tenant, create_database, migrate_tenant
from storage.migrations import ensure_login as make_login
from storage.postgres import EmbeddedPostgres, discard, dsn
from transport.clock import Clock

ORIGIN = "sekisho.example/test/intermediate"
STEP = commit_step("test", "act")
ACT = Statement("act", "insert into act (id) select * from unnest($1::text[]) on conflict (id) do nothing returning id")
_MARKS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A tenant with an empty log and a table of acts, as its own login sees it (`database`) and as the administrator does."""

    server: EmbeddedPostgres
    tenant: str
    database: Database
    admin_dsn: str

    def committer(self, **limits: float) -> Committer:
        return Committer(
            self.database, self.tenant, origin=ORIGIN, signer=partial(Signer, generate_seed()), clock=Clock(), **limits
        )

    async def fetch(self, query: str) -> list[asyncpg.Record]:
        async with self.database.inside(self.tenant) as connection:
            return await connection.fetch(query)


def act(key: str) -> Commit:
    """An act that happens once under its key, with one entry in the log."""
    entry = NewEntry(
        entry_id=secrets.token_hex(8), at=Clock()(), kind="test", inquiry_number=None, body=b"{}", personal=None
    )
    return Commit(step=STEP, guard=Write(ACT, (key,)), entries=(entry,))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("storage-postgres")
    server = EmbeddedPostgres(folder, durable=False)
    admin = server.start(secrets.token_hex(8))
    yield server, admin
    server.stop()
    discard(folder)


async def _prepared(cluster, names: Sequence[str]) -> tuple[str, Database]:
    """The administrator's DSN, and a database under one login that may enter these new tenants."""
    server, admin_dsn = cluster
    login = Login(name=f"login_{names[0]}", password=secrets.token_hex(8), tenants=tuple(names))
    found = await create_database(admin_dsn)
    admin = await asyncpg.connect(found)
    try:
        for tenant in names:
            await migrate_tenant(admin, Tenant(schema=tenant, packages=("storage.evidence_log",)))
            await admin.execute(
                f"create table {tenant}.act (id text primary key, done_by name not null default current_user,"
                " backend integer not null default pg_backend_pid())"
            )
            await admin.execute(f"grant select, insert on {tenant}.act to {tenant}")
        await make_login(admin, login)
    finally:
        await admin.close()
    return found, await Database.open(dsn(server.socket, login.name, login.password), connections=4)


@pytest.fixture
async def log(cluster) -> AsyncIterator[Log]:
    tenant = f"a_test_{next(_MARKS)}"
    found, database = await _prepared(cluster, [tenant])
    yield Log(server=cluster[0], tenant=tenant, database=database, admin_dsn=found)
    await database.close()


@pytest.fixture
async def logs(cluster) -> AsyncIterator[list[Log]]:
    """Four tenants of one process."""
    names = [f"a_test_{next(_MARKS)}" for _ in range(4)]
    found, database = await _prepared(cluster, names)
    yield [Log(server=cluster[0], tenant=name, database=database, admin_dsn=found) for name in names]
    await database.close()
