"""One embedded PostgreSQL for these tests, and a log in a schema of its own for each."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
            self.database, self.tenant, origin=ORIGIN, signer=Signer(generate_seed()), clock=Clock(), **limits
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
    server = EmbeddedPostgres(folder)
    admin = server.start(secrets.token_hex(8))
    yield server, admin
    server.stop()
    discard(folder)


@pytest.fixture
async def log(cluster) -> AsyncIterator[Log]:
    server, admin_dsn = cluster
    tenant = f"a_test_{next(_MARKS)}"
    login = Login(name=f"login_{tenant}", password=secrets.token_hex(8), tenants=(tenant,))
    found = await create_database(admin_dsn)
    admin = await asyncpg.connect(found)
    try:
        await migrate_tenant(admin, Tenant(schema=tenant, packages=("storage.evidence_log",)))
        await admin.execute(f"create table {tenant}.act (id text primary key)")
        await admin.execute(f"grant select, insert on {tenant}.act to {tenant}")
        await make_login(admin, login)
    finally:
        await admin.close()
    database = await Database.open(dsn(server.socket, login.name, login.password), connections=4)
    yield Log(server=server, tenant=tenant, database=database, admin_dsn=found)
    await database.close()
