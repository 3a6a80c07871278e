"""What still needs an old version of a key: it is destroyed only when nothing does (IS-8, SC-16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from gateway.api.tokens import LIFETIME, TOKEN_PURPOSE
from gateway.batch.resealing import UNDER
from gateway.intermediate_server.limits import limits_of
from gateway.intermediate_server.resealing import job as intermediate_rows
from gateway.intermediate_server.resealing.job import CODES, STAFF
from gateway.intermediate_server.staff.reporting import ANALYSED_FOR
from gateway.linkage_server.resealing import rows as linkage_rows
from gateway.topology import NETWORK, Program
from storage import sql
from storage.database import Connection, Database, StorageUnavailableError
from storage.erasure_journal import PURPOSE as ERASED
from storage.erasure_journal import ErasureJournal
from storage.tenancy import in_use
from transport.role import Hosted, RoleConfig

_SQL: Final = sql.load("gateway.key_needs")
_COUNT_S: Final = 60.0
_ROWS: Final[Mapping[tuple[Program, str], tuple[str, str]]] = {
    (Program.NETWORK, "permit-code"): ("permit_codes", "許可証の符号 (codes of permits)"),
    (Program.RESIDENT_NETWORK, "individual-number"): ("resident_numbers", "住民 (residents)"),
    (Program.RESIDENT_NETWORK, "resident-record-code"): ("resident_codes", "住民 (residents)"),
    (Program.RESIDENT_NETWORK, "four-items"): ("resident_items", "住民 (residents)"),
    (Program.LINKAGE, "access-reason"): ("reasons_of_looks", "参照の理由 (reasons of looks)"),
    (Program.LINKAGE, "inquiry-line"): ("inquiry_lines", "一括照会の行 (lines of inquiry files)"),
    (Program.INTERMEDIATE, STAFF): (
        "relations_found_by",
        "番号のない関係者。登録し直してください (related people without their number; relate them anew)",
    ),
    (Program.SKY2, "insured-person"): ("insured_people", "被保険者 (insured people)"),
    (Program.SKY2, "receiving-account"): ("refund_accounts", "還付請求 (refund claims)"),
    (Program.SKY2, "unemployment-benefit"): ("benefits", "失業給付の照会 (unemployment inquiries)"),
    (Program.SKY2, "push-secret"): ("push_secrets", "通知の秘密 (push secret)"),
}
"""Program and purpose → the statement that counts, and of what."""
_Counted = tuple[str, str, tuple[Any, ...]]
"""The statement that counts, of what, and its arguments behind the version."""
_YOUNG: Final[Mapping[str, tuple[timedelta, str]]] = {
    TOKEN_PURPOSE: (LIFETIME, "まだ有効なトークン。5 分待ってください (tokens that are valid yet; wait five minutes)"),
    STAFF: (
        ANALYSED_FOR,
        "職員の記録の分析で、見られた人の名になっています (people are called so in the access log that is analysed; wait 456 days)",
    ),
}
"""What was given out under a version before the rotation, and for how long it counts."""
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
    if (program, purpose) == (Program.INTERMEDIATE, ERASED):
        return _erasures(config.hosted[agency], version)
    counted = _counted(config, agency, purpose)
    if counted is None and not _resealed(program, purpose) and purpose not in _YOUNG:
        return None
    tenant = config.hosted[agency].tenant
    database = await Database.open(config.dsn, connections=1)
    try:
        if agency != NETWORK and tenant not in await in_use(database, [tenant]):
            return None
        async with database.inside(tenant) as connection:
            return await _left(connection, program, purpose, version, counted, config.clock())
    except asyncpg.PostgresError:
        raise StorageUnavailableError("what is sealed under a version could not be counted") from None
    finally:
        await database.close()


async def _left(
    connection: Connection, program: Program, purpose: str, version: int, counted: _Counted | None, now: datetime
) -> str | None:
    """What the rows of a tenant say: those that are made anew, those that are not, and what was given out lately."""
    resealed = _resealed(program, purpose)
    rows = sum([int(await connection.fetchval(one, version, UNDER, timeout=_COUNT_S)) for one in resealed])
    if rows:
        return (
            f"{rows:,} 件の行。封じ直し (sekisho jobs list --kind resealing) が済んでから (rows still sealed under it)"
        )
    if counted is not None:
        name, what, more = counted
        left = int(await connection.fetchval(_SQL[name], version, *more, timeout=_COUNT_S))
        if left:
            return f"{what} {left:,} 件"
    if purpose not in _YOUNG:
        return None
    lives, what = _YOUNG[purpose]
    rotated = await connection.fetchval(_SQL["rotated_at"], purpose, version + 1)
    return what if rotated is not None and now < rotated + lives else None


def _erasures(hosted: Hosted, version: int) -> str | None:
    """Lines of the journal, which no job makes anew: what they name is gone."""
    lines = ErasureJournal.lines_under(hosted.keys, version)
    what = "消去の控え。これより前のバックアップの復元に要ります (erasures that a restore has to leave out)"
    return f"{what} {lines:,} 件" if lines else None


def _resealed(program: Program, purpose: str) -> tuple[str, ...]:
    """Statements that count rows which the servers seal anew by themselves."""
    match program:
        case Program.LINKAGE:
            return linkage_rows.counts_of(purpose)
        case Program.INTERMEDIATE:
            return intermediate_rows.counts_of(purpose)
        case _:
            return ()


def _counted(config: RoleConfig, agency: str, purpose: str) -> _Counted | None:
    """What counts what no job makes anew."""
    program = Program(config.options["program"])
    if (program, purpose) == (Program.INTERMEDIATE, CODES):
        now = config.clock()
        what = "この版で見つかる符号・処理通番・照会 (replaced codes, requests and inquiries that are found by it)"
        return "codes_found_by", what, (now - limits_of(config, agency).replaced_code_for, now)
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
