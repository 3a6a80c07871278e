"""One query for many who look at once, and one statement for many tenants, each read under its own role (SC-8)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from storage.database import StorageUnavailableError
from storage.shared_look import SharedLook, TenantLook

QUERY = "select * from across.look('seen', $1::text[], $2::text[], $3::text[]) as r (tenant text, first text, second text, by name)"
SEEN = """
create function {0}.seen(text[], text[]) returns table (first text, second text, by name)
stable language plpgsql set search_path = {0} as $$
begin
    return query select r.first, r.second, current_user
    from unnest($1, $2) as r (first, second) where r.second <> 'nobody' and (select count(*) from act) >= 0;
end $$"""


async def test_those_who_look_at_once_share_a_query_and_each_gets_its_own():
    asked = []

    async def look(keys):
        asked.append(keys)
        await asyncio.sleep(0)
        return {key: key.upper() for key in keys if key != "nobody"}

    shared = SharedLook(look)
    found = await asyncio.gather(*(shared.find(keys) for keys in (["a"], ["b", "nobody"], ["a", "c"])))
    assert found == [{"a": "A"}, {"b": "B"}, {"a": "A", "c": "C"}]
    assert asked == [["a", "b", "nobody", "c"]]
    assert await shared.find([]) == {}


async def test_a_look_that_fails_is_told_to_all_who_wait_and_the_next_one_works():
    fails = True

    async def look(keys):
        if fails:
            raise RuntimeError
        return dict.fromkeys(keys, 1)

    shared = SharedLook(look)
    told = await asyncio.gather(shared.find(["a"]), shared.find(["b"]), return_exceptions=True)
    assert [type(one) for one in told] == [StorageUnavailableError] * 2
    fails = False
    assert await shared.find(["a"]) == {"a": 1}


@pytest.fixture
async def seeing(logs):
    """The four tenants, each with a function that reads a table of its own and says as whom."""
    admin = await asyncpg.connect(logs[0].admin_dsn)
    try:
        for log in logs:
            await admin.execute(SEEN.format(log.tenant))
        yield logs, admin
    finally:
        await admin.close()


async def test_tenants_share_a_statement_and_each_is_read_under_its_own_role(seeing):
    logs, _ = seeing
    look = TenantLook(logs[0].database, QUERY)
    asked = [look.find(log.tenant, [("a", str(at)), ("a", "nobody")]) for at, log in enumerate(logs)]
    found = await asyncio.gather(*asked, look.find(logs[0].tenant, [("b", "0")]))
    for at, log in enumerate(logs):
        assert {key: (row["tenant"], row["by"]) for key, row in found[at].items()} == {
            ("a", str(at)): (log.tenant, log.tenant)
        }
    assert list(found[-1]) == [("b", "0")]


async def test_the_role_ends_with_the_statement(seeing):
    logs, _ = seeing
    await TenantLook(logs[0].database, QUERY).find(logs[1].tenant, [("a", "1")])
    async with logs[0].database.pool.acquire() as connection:
        assert await connection.fetchval("select current_user = session_user")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"select * from {logs[1].tenant}.act")


async def test_a_tenant_of_another_process_is_not_entered(seeing):
    """The function has no right of its own: the login's memberships decide."""
    logs, admin = seeing
    tenant, login = (
        logs[1].tenant,
        await admin.fetchval(
            "select l.rolname from pg_auth_members m join pg_roles l on l.oid = m.member join pg_roles r on r.oid = m.roleid where r.rolname = $1",
            logs[1].tenant,
        ),
    )
    await admin.execute(f"revoke {tenant} from {login}")
    look = TenantLook(logs[0].database, QUERY)
    own, other = await asyncio.gather(
        look.find(logs[0].tenant, [("a", "1")]), look.find(tenant, [("a", "1")]), return_exceptions=True
    )
    assert isinstance(other, StorageUnavailableError)
    assert list(own) == [("a", "1")]


async def test_a_tenant_whose_tables_are_locked_takes_the_look_from_no_other(seeing):
    logs, admin = seeing
    look = TenantLook(logs[0].database, QUERY)
    async with admin.transaction():
        await admin.execute(f"lock table {logs[1].tenant}.act in access exclusive mode")
        told = await asyncio.gather(*(look.find(log.tenant, [("a", "1")]) for log in logs), return_exceptions=True)
    assert [isinstance(one, StorageUnavailableError) for one in told] == [False, True, False, False]


async def test_a_tenant_that_cannot_be_read_harms_no_other(seeing):
    logs, admin = seeing
    await admin.execute(f"drop function {logs[2].tenant}.seen(text[], text[])")
    look = TenantLook(logs[0].database, QUERY)
    told = await asyncio.gather(*(look.find(log.tenant, [("a", "1")]) for log in logs), return_exceptions=True)
    assert [isinstance(one, StorageUnavailableError) for one in told] == [False, False, True, False]
