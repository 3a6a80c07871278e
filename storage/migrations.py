"""Schemas, roles and forward-only migrations.

A tenant is one schema and one role without login. A process' login is a member of the tenants it hosts, without inheritance: it must
enter a tenant to see anything of it (`storage.database`). Tables belong to the administrator; a tenant reads and writes, and may neither
change nor delete what is append-only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TypeAlias

import asyncpg

APPEND_ONLY = ("log_entry", "log_subtree", "log_checkpoint")
FORWARD_ONLY = ("log_head", "peer_checkpoint")
"""A tenant moves these forward (a trigger sees to it) and deletes nothing of them."""


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


def _files(package: str) -> list[tuple[str, str]]:
    folder = resources.files(package).joinpath("migrations")
    found = [
        (f"{package}/{item.name}", item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return sorted(found)


async def _apply(admin: Admin, tenant: Tenant) -> int:
    await admin.execute(
        "create table if not exists migration (name text primary key, sha256 bytea not null, applied_at timestamptz not null default now())"
    )
    done = {row["name"]: row["sha256"] for row in await admin.fetch("select name, sha256 from migration")}
    applied = 0
    for package in tenant.packages:
        for name, text in _files(package):
            digest = hashlib.sha256(text.encode()).digest()
            if name in done:
                if done[name] != digest:
                    raise MigrationChangedError(name)
                continue
            await admin.execute(text)
            await admin.execute("insert into migration (name, sha256) values ($1, $2)", name, digest)
            applied += 1
    return applied


async def _revoke(admin: Admin, schema: str, table: str, rights: str) -> None:
    """Take rights on a table of a tenant from its role; nothing when the tenant has no such table."""
    if await admin.fetchval("select to_regclass(format('%I.%I', $1::text, $2::text)) is not null", schema, table):
        form = f"revoke {rights} on %1$I.%2$I from %1$I"
        await admin.execute(await admin.fetchval("select format($3, $1::text, $2::text)", schema, table, form))


async def migrate_tenant(admin: Admin, tenant: Tenant) -> int:
    """Bring one tenant's schema up to date in one transaction; return how many migrations were applied."""
    async with admin.transaction():
        await _ensure_role(admin, tenant.schema)
        await admin.execute(
            await admin.fetchval("select format('create schema if not exists %I', $1::text)", tenant.schema)
        )
        await admin.execute("select set_config('search_path', $1, true)", tenant.schema)
        applied = await _apply(admin, tenant)
        for statement in (
            "grant usage on schema %1$I to %1$I",
            "grant select, insert, update, delete on all tables in schema %1$I to %1$I",
            "grant usage on all sequences in schema %1$I to %1$I",
            "revoke insert, update, delete on %1$I.migration from %1$I",
        ):
            await admin.execute(await admin.fetchval("select format($2, $1::text)", tenant.schema, statement))
        for tables, rights in ((APPEND_ONLY, "update, delete, truncate"), (FORWARD_ONLY, "delete, truncate")):
            for table in tables:
                await _revoke(admin, tenant.schema, table, rights)
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


async def migrate(admin_dsn: str, tenants: Sequence[Tenant], logins: Sequence[Login]) -> int:
    """Make or update database, schemas, roles and logins. Returns the number of migrations applied; running it again applies none."""
    dsn = await create_database(admin_dsn)
    admin = await asyncpg.connect(dsn)
    try:
        applied = 0
        for tenant in tenants:
            applied += await migrate_tenant(admin, tenant)
        for login in logins:
            await ensure_login(admin, login)
    finally:
        await admin.close()
    return applied
