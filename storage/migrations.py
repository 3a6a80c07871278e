"""Schemas, roles and forward-only migrations.

A tenant is one schema and one role without login. A process' login is a member of the tenants it hosts, without inheritance: it must
enter a tenant to see anything of it (`storage.database`). Tables belong to the administrator; a tenant reads and writes, and may neither
change nor delete what is append-only (`tenancy.sql`).

A schema is made by set-up, or when it is first used: then a process asks for it (`storage.tenancy`), and the database makes it from the
migrations that set-up has entered, for that process' own tenants alone (docs/adr/0048).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, TypeAlias

import asyncpg

from storage import sql

APPEND_ONLY = ("log_entry", "log_subtree", "log_checkpoint", "log_record")
FORWARD_ONLY = ("log_head", "peer_checkpoint", "log_erasure")
"""A tenant moves these forward (a trigger sees to it) and deletes nothing of them."""
READ_ONLY = ("log_pruned",)
"""What one function of the owner writes for the tenant (`prune_log`)."""
_TRIGGER: Final = re.compile(r"^(create|drop) trigger ([a-z_]+) ", re.MULTILINE)
_SQL: Final = sql.load("storage")
_CHANGED: Final = "SK001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One schema with its migrations: packages that hold a folder `migrations` of `NNNN_what.sql` files."""

    schema: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One process' login and the tenants it may enter."""

    name: str
    password: str
    tenants: tuple[str, ...]


class MigrationChangedError(Exception):
    """A migration that was applied before has another text now: migrations are forward-only, write a new one."""


Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def create_database(admin_dsn: str, name: str = "sekisho") -> str:
    """Make the database if it is not there; return the administrator's DSN of it."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(await connection.fetchval("select format('create database %I', $1::text)", name))
            await connection.execute(
                await connection.fetchval("select format('revoke all on database %I from public', $1::text)", name)
            )
    finally:
        await connection.close()
    head, _, tail = admin_dsn.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}?{tail}"


async def _ensure_role(admin: Admin, name: str) -> None:
    if not await admin.fetchval("select 1 from pg_roles where rolname = $1", name):
        await admin.execute(await admin.fetchval("select format('create role %I nologin noinherit', $1::text)", name))


@cache
def _files(package: str) -> tuple[tuple[str, str], ...]:
    folder = resources.files(package).joinpath("migrations")
    found = [
        (f"{package}/{item.name}", item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return tuple(sorted(found))


def triggers_of(package: str) -> frozenset[str]:
    """The triggers that the migrations of a package leave standing."""
    standing: set[str] = set()
    for _, text in _files(package):
        for act, name in _TRIGGER.findall(text):
            (standing.add if act == "create" else standing.discard)(name)
    return frozenset(standing)


async def prepare(admin: Admin, tenants: Sequence[Tenant]) -> None:
    """Make what all tenants share, enter tenants and the text of their migrations, and make their roles; no schema is made yet.

    In a transaction of the caller.
    Raises MigrationChangedError.
    """
    await admin.execute(_SQL["one_set_up_at_a_time"])
    for shared in ("across.sql", "tenancy.sql"):
        await admin.execute(resources.files("storage").joinpath(shared).read_text(encoding="utf-8"))
    await admin.execute(_SQL["guard_tables"], list(APPEND_ONLY), list(FORWARD_ONLY), list(READ_ONLY))
    for package in sorted({package for tenant in tenants for package in tenant.packages}):
        known = {row["name"]: row["text"] for row in await admin.fetch(_SQL["known_migrations"], package)}
        for name, text in _files(package):
            if known.get(name, text) != text:
                raise MigrationChangedError(name)
            if name not in known:
                await admin.execute(_SQL["enter_migration"], package, name, text)
    for tenant in tenants:
        await _ensure_role(admin, tenant.schema)
        await admin.execute(_SQL["enter_tenant"], tenant.schema, list(tenant.packages))


async def migrate_tenant(admin: Admin, tenant: Tenant) -> int:
    """Bring one tenant's schema up to date in one transaction; return how many migrations were applied. Raises MigrationChangedError."""
    async with admin.transaction():
        await prepare(admin, [tenant])
        return await _bring(admin, tenant.schema)


async def _bring(admin: Admin, schema: str) -> int:
    try:
        applied: int = await admin.fetchval(_SQL["bring"], schema)
    except asyncpg.PostgresError as failure:
        if failure.sqlstate == _CHANGED:
            raise MigrationChangedError(schema) from None
        raise
    return applied


async def ensure_login(admin: Admin, login: Login) -> None:
    """Make a login, set its password, and make it a member of exactly the tenants named."""
    exists = await admin.fetchval("select 1 from pg_roles where rolname = $1", login.name)
    form = "alter role %I login noinherit password %L" if exists else "create role %I login noinherit password %L"
    await admin.execute(await admin.fetchval("select format($1, $2::text, $3::text)", form, login.name, login.password))
    await admin.execute(
        await admin.fetchval(
            "select format('grant connect on database %I to %I', current_database(), $1::text)", login.name
        )
    )
    await admin.execute(
        await admin.fetchval("select format('grant usage on schema tenancy to %I', $1::text)", login.name)
    )
    held = {
        row["rolname"]
        for row in await admin.fetch(
            "select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles l on l.oid = m.member where l.rolname = $1",
            login.name,
        )
    }
    for tenant in held - set(login.tenants):
        await admin.execute(
            await admin.fetchval("select format('revoke %I from %I', $1::text, $2::text)", tenant, login.name)
        )
    for tenant in set(login.tenants) - held:
        await admin.execute(
            await admin.fetchval("select format('grant %I to %I', $1::text, $2::text)", tenant, login.name)
        )


async def migrate(
    admin_dsn: str, tenants: Sequence[Tenant], logins: Sequence[Login], *, at_first_use: Collection[str] = ()
) -> int:
    """Make or update database, schemas, roles and logins. Returns the number of migrations applied; running it again applies none.

    `at_first_use`: schemas that are made when they are first used (`open_tenant`); those that are there are brought up to date.
    """
    dsn = await create_database(admin_dsn)
    admin = await asyncpg.connect(dsn)
    try:
        async with admin.transaction():
            await prepare(admin, tenants)
        there = {row["schema"] for row in await admin.fetch(_SQL["schemas_there"])}
        applied = 0
        for tenant in tenants:
            if tenant.schema in there or tenant.schema not in at_first_use:
                applied += await _bring(admin, tenant.schema)
        for login in logins:
            await ensure_login(admin, login)
    finally:
        await admin.close()
    return applied
