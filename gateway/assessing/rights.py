"""Checks inside the database: with the login of each running role, what must fail is tried, and what must stand is looked for (SC-6, SC-8, SC-10, SC-11).

Nothing is changed: every statement that could is one that touches no row, in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeAlias

import asyncpg

from gateway.assessing.installation import Installation, program
from gateway.assessing.verdicts import Result, judged, unverified
from gateway.topology import Program
from storage import sql
from storage.migrations import APPEND_ONLY, FORWARD_ONLY, READ_ONLY, triggers_of
from transport.role import Hosted, RoleConfig

_SQL: Final = sql.load("gateway.assessing")
_LOG: Final = "storage.evidence_log"
_TWO_PEOPLE: Final = frozenset(
    {
        "staff_grant_two_people", "staff_grant_two_cards", "staff_grant_effective", "staff_grant_void", "staff_grant_checked",
        "held_approval_two_people", "key_destruction_two_people", "staff_extension_two_people",
    }
)  # fmt: skip
_ONE_PERSON: Final = frozenset({"staff_card_one_person", "staff_member_id", "staff_member_password"})
_MAKING: Final = ("try_schema", "try_table", "try_role")
_CHANGING: Final = (
    "try_update_entry", "try_delete_entry", "try_update_subtree", "try_delete_subtree", "try_update_checkpoint", "try_delete_checkpoint",
    "try_delete_head", "try_delete_peer",
)  # fmt: skip
_WITH_LOG: Final = (Program.LINKAGE, Program.INTERMEDIATE, Program.NETWORK)
_SWEPT_WITHIN: Final = timedelta(hours=1)
_STATEMENT_S: Final = 30.0
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def _login(role: RoleConfig) -> AsyncIterator[Connection]:
    """A connection as the running role itself has it. Raises OSError, asyncpg.PostgresError, TimeoutError."""
    connection = await asyncpg.connect(role.dsn, timeout=_STATEMENT_S, command_timeout=_STATEMENT_S)
    try:
        yield connection
    finally:
        await connection.close()


def _guarded(
    name: str, check: Callable[[Installation], Awaitable[Result]]
) -> Callable[[Installation], Awaitable[Result]]:
    async def guarded(installation: Installation) -> Result:
        try:
            return await check(installation)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
            return unverified(name, f"データベースを調べられない (database: {type(failure).__name__})")

    return guarded


async def _refused(connection: Connection, attempt: str, tenant: str | None = None) -> bool:
    """Whether the server refuses an attempt (under a tenant's role) for want of a right; it is rolled back either way."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        if tenant is not None:
            await connection.execute(_SQL["enter"], tenant)
        await connection.execute(attempt)
    except asyncpg.InsufficientPrivilegeError:
        return True
    else:
        return False
    finally:
        await transaction.rollback()


async def _within(connection: Connection, tenant: str, query: str, *values: Any) -> Sequence[asyncpg.Record]:
    """A query inside a tenant's schema under its role."""
    async with connection.transaction():
        await connection.execute(_SQL["enter"], tenant)
        found: Sequence[asyncpg.Record] = await connection.fetch(_SQL[query], *values)
        return found


async def _in_use(
    installation: Installation, *programs: Program
) -> AsyncIterator[tuple[RoleConfig, Hosted, Connection]]:
    """Every agency that has been used, with its role's connection: an agency without a schema has nothing that could be wrong."""
    for role in installation.of(*programs):
        async with _login(role) as connection:
            tenants = [hosted.tenant for hosted in role.hosted.values()]
            there = {row["name"] for row in await connection.fetch(_SQL["in_use"], tenants)}
            for hosted in role.hosted.values():
                if hosted.tenant in there:
                    yield role, hosted, connection


async def _tenants_apart(installation: Installation) -> Result:
    """SC-8: every login tries to read every table of every tenant that its role does not host, and to become that tenant."""
    tenants = {one.tenant for role in installation.roles for one in role.hosted.values()}
    broken: list[str] = []
    tried = 0
    for role in installation.roles:
        foreign = tenants - {one.tenant for one in role.hosted.values()}
        async with _login(role) as connection:
            for row in await connection.fetch(_SQL["attempts_on_tenants"], sorted(foreign)):
                tried += 1
                if not await _refused(connection, row["attempt"]):
                    broken.append(f"{role.role} のログインが {row['name']} {row['what']}")
    return judged("tenants_apart", broken, seen=f"{tried:,} 回の試み")


async def _logins_limited(installation: Installation) -> Result:
    """SC-8, SC-20: no login of a role is more than a login, and none makes anything."""
    broken = []
    for role in installation.roles:
        async with _login(role) as connection:
            mighty = await connection.fetchval(_SQL["mighty"])
            broken += [f"{role.role} のログインが管理者の権限を持つ (has an administrator's rights)"] if mighty else []
            for attempt in _MAKING:
                if not await _refused(connection, _SQL[attempt]):
                    broken.append(f"{role.role} のログインが「{_SQL[attempt]}」できる (may)")
    return judged("logins_limited", broken, seen=f"{len(installation.roles)} 個のログイン")


async def _log_append_only(installation: Installation) -> Result:
    """SC-6: the role of each log may neither change nor delete, and the triggers that hold back everybody else are on."""
    broken: list[str] = []
    logs = 0
    async for _, hosted, connection in _in_use(installation, *_WITH_LOG):
        logs += 1
        broken += [f"{hosted.tenant}: {what}" async for what in _changeable(connection, hosted.tenant)]
    return judged("log_append_only", broken, seen=f"{logs} 本の証跡ログ", looked=bool(logs))


async def _changeable(connection: Connection, tenant: str) -> AsyncIterator[str]:
    for attempt in _CHANGING:
        if not await _refused(connection, _SQL[attempt], tenant):
            yield f"「{_SQL[attempt]}」できる (may)"
    for row in await _within(connection, tenant, "rights_held", list(APPEND_ONLY), list(FORWARD_ONLY), list(READ_ONLY)):
        yield f"{row['name']} を {row['act']} する権限がある (has the right)"
    on = {row["name"] for row in await connection.fetch(_SQL["triggers_on"], tenant)}
    for name in sorted(triggers_of(_LOG) - on):
        yield f"トリガー {name} がないか、切られている (trigger missing or off)"


async def _staff_constraints(installation: Installation) -> Result:
    """SC-10, SC-11: the rules of one person and of two people stand in the database and hold for every row; everybody at work has a card."""
    broken: list[str] = []
    grants = 0
    async for _, hosted, connection in _in_use(installation, Program.INTERMEDIATE):
        standing = {row["name"] for row in await connection.fetch(_SQL["constraints_valid"], hosted.tenant)}
        missing = sorted((_TWO_PEOPLE | _ONE_PERSON) - standing)
        broken += [f"{hosted.tenant}: 制約 {name} がない (constraint missing)" for name in missing]
        for row in await _within(connection, hosted.tenant, "grants_of_one_person"):
            broken.append(f"{hosted.tenant}: 権限 {row['grant_id']} を一人で発効した (one person)")
        for row in await _within(connection, hosted.tenant, "without_card"):
            broken.append(f"{hosted.tenant}: 職員 {row['staff_id']} に職員証がない (no card)")
        grants += (await _within(connection, hosted.tenant, "effective"))[0]["count"]
    return judged("staff_constraints", broken, seen=f"有効な権限 {grants} 件", looked=bool(grants))


async def effective_grants(installation: Installation) -> dict[str, list[asyncpg.Record]]:
    """Agency → its effective grants, for comparing with the log. Raises as `_login`."""
    found: dict[str, list[asyncpg.Record]] = {}
    async for _, hosted, connection in _in_use(installation, Program.INTERMEDIATE):
        found[hosted.id] = list(await _within(connection, hosted.tenant, "effective_grants"))
    return found


async def working_bars(installation: Installation) -> dict[str, list[asyncpg.Record]]:
    """Agency → its bars that work, for comparing with the log. Raises as `_login`."""
    found: dict[str, list[asyncpg.Record]] = {}
    async for _, hosted, connection in _in_use(installation, Program.INTERMEDIATE):
        found[hosted.id] = list(await _within(connection, hosted.tenant, "working_bars"))
    return found


async def backup_holders(installation: Installation) -> dict[str, list[str]]:
    """Agency → staff who have or had the right to make backups. Raises as `_login`."""
    found: dict[str, list[str]] = {}
    async for _, hosted, connection in _in_use(installation, Program.INTERMEDIATE):
        rows = await _within(connection, hosted.tenant, "backup_holders")
        found[hosted.id] = [row["staff_id"] for row in rows]
    return found


async def exchange_counts(installation: Installation) -> dict[str, list[asyncpg.Record]]:
    """Agency → what its log was counted into. Raises as `_login`."""
    found: dict[str, list[asyncpg.Record]] = {}
    async for _, hosted, connection in _in_use(installation, Program.INTERMEDIATE):
        found[hosted.id] = list(await _within(connection, hosted.tenant, "exchange_counts"))
    return found


async def desks_in_use(installation: Installation) -> set[str]:
    """Agencies whose linkage server has something of theirs: the log of every other desk is empty. Raises as `_login`."""
    return {hosted.id async for _, hosted, _ in _in_use(installation, Program.LINKAGE)}


async def refused_numbers(installation: Installation) -> dict[tuple[str, str], list[str]]:
    """(agency, server) → inquiry numbers that its rows say were refused. Raises as `_login`."""
    found: dict[tuple[str, str], list[str]] = {}
    for wanted, query in ((Program.INTERMEDIATE, "refused_inquiries"), (Program.LINKAGE, "refused_at_desk")):
        async for role, hosted, connection in _in_use(installation, wanted):
            rows = await _within(connection, hosted.tenant, query)
            found[hosted.id, program(role).value] = [row["inquiry_number"] for row in rows]
    return found


async def _results_expire(installation: Installation) -> Result:
    """SC-3: no result is there later than an hour after its time."""
    broken: list[str] = []
    kept = 0
    for role, hosted in installation.hosted(Program.INTERMEDIATE):
        limit = role.clock() - _SWEPT_WITHIN
        async with _login(role) as connection:
            if not await connection.fetchval(_SQL["schema_is_there"], hosted.tenant):
                continue  # nobody has used this agency yet
            row = (await _within(connection, hosted.tenant, "results", limit))[0]
        kept += row["kept"]
        if row["late"]:
            broken.append(
                f"{hosted.tenant}: 期限を過ぎた照会結果が {row['late']} 件残っている (results past their time)"
            )
    return judged("results_expire", broken, seen=f"期限内の結果 {kept} 件")


tenants_apart = _guarded("tenants_apart", _tenants_apart)
logins_limited = _guarded("logins_limited", _logins_limited)
log_append_only = _guarded("log_append_only", _log_append_only)
staff_constraints = _guarded("staff_constraints", _staff_constraints)
results_expire = _guarded("results_expire", _results_expire)
