"""SC-8: the login of each running process reads what its process hosts, and nothing of anybody else, whatever it tries."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.topology import shipped
from storage.database import Database

TOPOLOGY = shipped()
ROLES = sorted(TOPOLOGY.roles)
TENANTS = sorted(role.tenant(agency) for role in TOPOLOGY.roles.values() for agency in role.hosts)
LOG_TABLES = ("log_entry", "log_subtree", "log_checkpoint")
REFUSED = asyncpg.InsufficientPrivilegeError


def hosted(role: str) -> list[str]:
    return [TOPOLOGY.roles[role].tenant(agency) for agency in TOPOLOGY.roles[role].hosts]


def foreign(role: str) -> list[str]:
    return [tenant for tenant in TENANTS if tenant not in hosted(role)]


@pytest.fixture(autouse=True)
async def everybody_is_in_use(job):
    """The schema of an agency is made at its first use; here nobody is left out."""
    async with job.system.administrator() as connection:
        for tenant in TENANTS:
            await connection.execute("select tenancy.open_tenant($1)", tenant)


@pytest.fixture
async def tables(job) -> dict[str, list[str]]:
    """Every table of every tenant, as the administrator sees them."""
    async with job.system.administrator() as connection:
        rows = await connection.fetch("select schemaname, tablename from pg_tables where schemaname = any($1)", TENANTS)
    found: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}
    for row in rows:
        found[row["schemaname"]].append(row["tablename"])
    assert all(found.values())
    return found


async def login(job, role: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection with what the running process itself has in its folder."""
    assert job.system.running.ended(role) is None
    return await asyncpg.connect(job.system.running.role(role).dsn)


async def refused(connection: asyncpg.Connection[asyncpg.Record], statement: str, error: type[Exception] = REFUSED):
    """The statement is refused by the server, alone in its transaction."""
    with pytest.raises(error):
        async with connection.transaction():
            await connection.execute(statement)


async def test_every_process_has_a_login_of_its_own(job):
    logins = {role: job.system.running.role(role).dsn.partition("://")[2].partition(":")[0] for role in ROLES}
    assert len(set(logins.values())) == len(ROLES)
    assert len({job.system.running.pid(role) for role in ROLES}) == len(ROLES)
    async with job.system.administrator() as connection:
        at_work = {row["usename"] for row in await connection.fetch("select distinct usename from pg_stat_activity")}
        mighty = await connection.fetch(
            "select rolname from pg_roles where rolname = any($1) and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication)",
            [*logins.values(), *TENANTS],
        )
    assert set(logins.values()) <= at_work
    assert mighty == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_login_reads_no_table_that_its_process_does_not_host(job, tables, role):
    connection = await login(job, role)
    try:
        for tenant in foreign(role):
            assert not await connection.fetchval("select has_schema_privilege($1, 'usage')", tenant)
            for table in tables[tenant]:
                await refused(connection, f"select * from {tenant}.{table} limit 1")
                await refused(connection, f"copy {tenant}.{table} to stdout")
                await refused(connection, f"insert into {tenant}.{table} default values")
                await refused(connection, f"delete from {tenant}.{table}")
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_a_login_takes_no_foreign_role_and_finds_nothing_by_a_search_path(job, tables, role):
    connection = await login(job, role)
    own = hosted(role)[0]
    try:
        for tenant in foreign(role):
            table = tables[tenant][0]
            await refused(connection, f"set role {tenant}")
            await refused(connection, f"set local role {tenant}")
            await refused(connection, f"select set_config('role', '{tenant}', true)")
            await refused(connection, f"set session authorization {tenant}")
            await refused(connection, f"grant {tenant} to current_user")
            await refused(connection, f"set role {own}; set role {tenant}")
            look = f"across.look('standings', array['{tenant}'], array['x'], array['x'])"
            await refused(connection, f"select * from {look} as r (a text)")
            await refused(connection, f"set role {own}; reset role; set role {tenant}")
            await refused(
                connection, f"set local search_path = {tenant}; select * from {table}", asyncpg.UndefinedTableError
            )
            as_own = f"set local role {own}; set local search_path = {own}, {tenant}"
            await refused(connection, f"{as_own}; select * from {tenant}.{table}")
            for name in sorted(set(tables[tenant]) - set(tables[own]))[:1]:
                await refused(connection, f"{as_own}; select * from {name}", asyncpg.UndefinedTableError)
                way = f'set local search_path = "$user", {own}, {tenant}, public'
                await refused(connection, f"{way}; select * from {name}", asyncpg.UndefinedTableError)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_a_login_makes_nothing_and_reaches_nothing_outside_its_tenants(job, role):
    connection = await login(job, role)
    own = hosted(role)[0]
    try:
        for statement in (
            "create schema mine",
            "create table public.mine (a int)",
            f"set role {own}; create table {own}.mine (a int)",
            "create role mine",
            f"alter role {own} superuser",
            "select pg_read_file('postgresql.conf')",
            "copy (select 1) to program 'true'",
            "select * from pg_authid",
        ):
            await refused(connection, statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_after_a_transaction_nothing_of_the_tenant_is_left_on_the_pooled_connection(job, tables, role):
    database = await Database.open(job.system.running.role(role).dsn, connections=1)
    try:
        for tenant in hosted(role):
            table = tables[tenant][0]
            async with database.inside(tenant) as connection:
                assert await connection.fetchval("select current_user") == tenant
                await connection.fetch(f"select * from {table} limit 1")
            await _clean(database, table)
            with pytest.raises(ZeroDivisionError):
                async with database.inside(tenant):
                    raise ZeroDivisionError
            await _clean(database, table)
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with database.inside(tenant) as connection:
                    await connection.execute("select 1 / 0")
            await _clean(database, table)
    finally:
        await database.close()


async def _clean(database: Database, table: str) -> None:
    """The next borrower of the only connection is the bare login, outside any transaction and any schema."""
    async with database.pool.acquire() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("select current_setting('role')") == "none"
        assert await connection.fetchval("select current_user = session_user")
        assert await connection.fetchval("select current_setting('search_path')") == '"$user", public'
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch(f"select * from {table} limit 1")


@pytest.mark.parametrize("role", [role for role in ROLES if role not in {"resident-network", "sky2", "portal"}])
async def test_not_even_its_own_server_changes_a_log(job, role):
    connection = await login(job, role)
    try:
        for tenant in hosted(role):
            for table in LOG_TABLES:
                inside = f"set local role {tenant}; set local search_path = {tenant}; "
                for statement in (
                    f"update {table} set year = year",
                    f"delete from {table}",
                    f"truncate {table} cascade",
                    f"alter table {table} disable trigger all",
                    f"drop trigger {table}_append_only on {table}",
                    f"drop table {table} cascade",
                    f"create trigger mine before insert on {table} execute function refuse_change()",
                    "create or replace function refuse_change() returns trigger language plpgsql as $$ begin return null; end $$",
                ):
                    await refused(connection, inside + statement)
                await refused(connection, f"delete from {tenant}.{table}")
    finally:
        await connection.close()


async def test_not_even_the_administrator_changes_a_log_by_a_plain_statement(job):
    async with job.system.administrator() as connection:
        for table in LOG_TABLES:
            await refused(connection, f"update core.{table} set year = year")
            await refused(connection, f"delete from core.{table}")
            await refused(connection, f"truncate core.{table} cascade")
