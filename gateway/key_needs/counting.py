"""What still needs an old version of a key: it is destroyed only when nothing does (IS-8, SC-16). Counted inside the tenant that has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from storage import sql
from storage.database import Database, as_away
from storage.erasure_journal import ErasureJournal
from storage.resealing.rows import UNDER

_SQL: Final = sql.load("gateway.key_needs")
_COUNT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Rows that no job makes anew: the statement that counts them ($1: the version), of what, and its arguments behind the version."""

    query: str
    what: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Young:
    """What was given out under a version before the rotation, and for how long it counts."""

    lives: timedelta
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Of one purpose. `resealed`: statements that count rows which a server seals anew by itself."""

    resealed: tuple[str, ...] = ()
    counted: Counted | None = None
    young: Young | None = None


async def left(database: Database, tenant: str, needs: Needs, purpose: str, version: int, now: datetime) -> str | None:
    """What would be lost with this version, for people; None when nothing would. Raises StorageUnavailableError."""
    if needs == Needs():
        return None
    with as_away("what is sealed under a version could not be counted"):
        async with database.inside(tenant) as connection:
            rows = sum(
                [int(await connection.fetchval(one, version, UNDER, timeout=_COUNT_S)) for one in needs.resealed]
            )
            if rows:
                return f"{rows:,} 件の行。封じ直し (sekisho jobs list --kind resealing) が済んでから (rows still sealed under it)"
            if (of := needs.counted) is not None:
                found = int(await connection.fetchval(_SQL[of.query], version, *of.arguments, timeout=_COUNT_S))
                if found:
                    return f"{of.what} {found:,} 件"
            if (young := needs.young) is None:
                return None
            rotated = await connection.fetchval(_SQL["rotated_at"], purpose, version + 1)
            return young.what if rotated is not None and now < rotated + young.lives else None


def of_journal(journal: ErasureJournal, version: int) -> str | None:
    """Lines of the journal of erasures, which no job makes anew: what they name is gone."""
    lines = journal.lines_under(version)
    what = "消去の控え。これより前のバックアップの復元に要ります (erasures that a restore has to leave out)"
    return f"{what} {lines:,} 件" if lines else None
