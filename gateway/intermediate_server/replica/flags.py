"""自動応答不可フラグ of copies that were sealed before it was sealed with them (SC-4, SC-20; docs/adr/0112).

Their seal was bound to the flag, which stood beside it: it opens with the right one of the two, and is made anew with the flag inside, before anything
is answered from here. Nothing else opens a seal of before.
"""

from __future__ import annotations

from typing import Final

from asyncpg import Record

from gateway.intermediate_server.replica import registration
from keys import labels
from keys.binding import bind
from keys.box import Box
from keys.errors import KeyUnusable, SealBroken
from keys.ring import Keyring
from permission_lists.barring import AutoResponse
from storage import sql
from storage.database import Database
from storage.turns import with_turns

_SQL: Final = sql.load("gateway.intermediate_server.replica")
AT_ONCE: Final = 500


async def seal_those_beside(database: Database, tenant: str, ring: Keyring, agency: str) -> None:
    """Some at a time, each stretch for good: a start that dies goes on where it was.

    A copy that does not open (somebody changed it, or its key is away) stays as it is, unreadable, for the next start.
    Raises StorageUnavailableError.
    """
    after = ""
    while True:
        async with database.inside(tenant) as connection:
            rows = await connection.fetch(_SQL["flags_beside"], after, AT_ONCE)
            if not rows:
                return
            sealed = [(row["record_id"], _sealed(ring, agency, row)) async for row in with_turns(rows)]
            made = [one for one in sealed if one[1] is not None]
            if made:
                await connection.execute(_SQL["seal_flags"], *map(list, zip(*made, strict=True)))
        after = rows[-1]["record_id"]


def _sealed(ring: Keyring, agency: str, row: Record) -> bytes | None:
    """None: it does not open."""
    try:
        key = registration.open_person_key(ring, agency, row["integrated_number"], row["wrapped"])
        flag, items = _opened(key, agency, row)
    except (SealBroken, KeyUnusable):
        return None
    return key.seal(registration.said(flag, items), registration.record_aad(agency, row))


def _opened(key: Box, agency: str, row: Record) -> tuple[AutoResponse, bytes]:
    """Flag and items as JSON. Raises SealBroken."""
    try:
        return AutoResponse.ALLOWED, key.open(row["sealed"], _aad_before(agency, row, AutoResponse.ALLOWED))
    except SealBroken:
        return AutoResponse.BARRED, key.open(row["sealed"], _aad_before(agency, row, AutoResponse.BARRED))


def _aad_before(agency: str, row: Record, flag: AutoResponse) -> bytes:
    last, revision, whose = row["public_to"], row["revision"], row["delegator"]
    parts = (
        labels.REPLICA, agency, row["record_id"], row["integrated_number"], row["information"], row["data_set"], row["version"],
        row["public_from"].isoformat(), last.isoformat() if last else "", flag.value,
    )  # fmt: skip
    if whose is not None:
        return bind(*parts, revision, whose)
    return bind(*parts, revision) if revision else bind(*parts)  # revision 0: before there were any
