"""What still needs an old version of a key: it is destroyed only when nothing does (IS-8, SC-16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import asyncpg

from gateway.api.tokens import LIFETIME, TOKEN_PURPOSE
from gateway.batch.resealing import UNDER
from gateway.intermediate_server.replica import registration, rekeying
from gateway.linkage_server.resealing import rows as linkage_rows
from gateway.topology import NETWORK, Program
from storage import sql
from storage.database import Connection, Database, StorageUnavailableError
from storage.tenancy import in_use
from transport.role import RoleConfig

_SQL: Final = sql.load("gateway.key_needs")
_COUNT_S: Final = 60.0
_ROWS: Final[Mapping[tuple[Program, str], tuple[str, str]]] = {
    (Program.NETWORK, "permit-code"): ("permit_codes", "許可証の符号 (codes of permits)"),
    (Program.RESIDENT_NETWORK, "individual-number"): ("resident_numbers", "住民 (residents)"),
    (Program.RESIDENT_NETWORK, "resident-record-code"): ("resident_codes", "住民 (residents)"),
    (Program.RESIDENT_NETWORK, "four-items"): ("resident_items", "住民 (residents)"),
    (Program.LINKAGE, "access-reason"): ("reasons_of_looks", "参照の理由 (reasons of looks)"),
    (Program.LINKAGE, "inquiry-line"): ("inquiry_lines", "一括照会の行 (lines of inquiry files)"),
    (Program.SKY2, "insured-person"): ("insured_people", "被保険者 (insured people)"),
    (Program.SKY2, "receiving-account"): ("refund_accounts", "還付請求 (refund claims)"),
    (Program.SKY2, "unemployment-benefit"): ("benefits", "失業給付の照会 (unemployment inquiries)"),
    (Program.SKY2, "push-secret"): ("push_secrets", "通知の秘密 (push secret)"),
}
"""Program and purpose → the statement that counts, and of what."""
_UNSEEN: Final = frozenset({(Program.SKY2, "ledger"), (Program.SKY2, "individual-number")})
"""Sealed in columns of ledgers that only their business system knows: what is left of them is not seen here."""
NAMES: Final = frozenset({"inquiry-line"})
"""Purposes whose version 1 also names things, whatever is sealed under it."""
PERSONAL: Final = "personal/"
RESULT: Final = "result/"


async def need(config: RoleConfig, agency: str, purpose: str, version: int) -> str | None:
    """What would be lost with this version, for people; None when nothing would. Raises StorageUnavailableError."""
    program = Program(config.options["program"])
    if (program, purpose) in _UNSEEN:
        return "業務台帳の列。ここからは数えられません (columns of ledgers, which cannot be counted here)"
    if purpose in NAMES and version == 1:
        return "この版で付けた名前 (names that were given under this version)"
    if _counted(program, purpose) is None and not _resealed(program, purpose) and purpose != TOKEN_PURPOSE:
        return None
    tenant = config.hosted[agency].tenant
    database = await Database.open(config.dsn, connections=1)
    try:
        if agency != NETWORK and tenant not in await in_use(database, [tenant]):
            return None
        async with database.inside(tenant) as connection:
            return await _left(connection, program, purpose, version, config.clock())
    except asyncpg.PostgresError:
        raise StorageUnavailableError("what is sealed under a version could not be counted") from None
    finally:
        await database.close()


async def _left(connection: Connection, program: Program, purpose: str, version: int, now: datetime) -> str | None:
    """What the rows of a tenant say."""
    if resealed := _resealed(program, purpose):
        rows = sum([int(await connection.fetchval(one, version, UNDER, timeout=_COUNT_S)) for one in resealed])
        waits = "封じ直し (sekisho jobs list --kind resealing) が済んでから (rows still sealed under it)"
        return f"{rows:,} 件の行。{waits}" if rows else None
    if (counted := _counted(program, purpose)) is not None:
        name, what, more = counted
        left = int(await connection.fetchval(_SQL[name], version, *more, timeout=_COUNT_S))
        return f"{what} {left:,} 件" if left else None
    rotated = await connection.fetchval(_SQL["rotated_at"], purpose, version + 1)
    young = rotated is not None and now < rotated + LIFETIME
    return "まだ有効なトークン。5 分待ってください (tokens that are valid yet; wait five minutes)" if young else None


def _resealed(program: Program, purpose: str) -> tuple[str, ...]:
    """Statements that count rows which the servers seal anew by themselves."""
    match program:
        case Program.LINKAGE:
            return linkage_rows.counts_of(purpose)
        case Program.INTERMEDIATE if purpose == registration.PURPOSE:
            return (rekeying.COUNT,)
        case _:
            return ()


def _counted(program: Program, purpose: str) -> tuple[str, str, tuple[Any, ...]] | None:
    """The statement that counts, of what, and its arguments behind the version."""
    if program is Program.INTERMEDIATE and purpose.startswith(PERSONAL):
        return (
            "personal_parts_of_year",
            "記録の本人の部分 (personal parts of records)",
            (int(purpose.removeprefix(PERSONAL)),),
        )
    if program is Program.INTERMEDIATE and purpose.startswith(RESULT):
        return "results_of_hour", "照会とその結果 (inquiries and their results)", (purpose,)
    found = _ROWS.get((program, purpose))
    return None if found is None else (*found, ())
