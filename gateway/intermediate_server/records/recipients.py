"""Who was given data under an integrated number, and which results this agency itself was given about it (IF_TKM_90020): after a wrong link those
agencies have to be told, and what came in about another person is ours to correct (SC-18).

Read from the evidence log alone, since rows of answered requests may be gone long before: an entry's personal part says whose data
left, for as long as the key of its fiscal year is kept (7 years, 施行令30条). Its commitment is checked, so the answer can be proved.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record

from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records import places, subjects
from gateway.intermediate_server.records.places import Place
from storage import sql
from storage.committer import fiscal_year
from transport.wire import Dated

_SQL = sql.load("gateway.intermediate_server.records")
_LEFT: Final = (EntryKind.PROVISION_MADE.value, EntryKind.PROVISION_RELEASED.value)
_CAME: Final = EntryKind.INQUIRY_ANSWERED.value
_STRETCH: Final = 10_000
_STRETCHES_A_CALL: Final = 20
_SLICE: Final = 500


class RecipientsItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_TKM_90020. `after`: the `next` of the answer before, to go on from there."""

    integrated_number: str
    since: datetime
    after: Place | None = None


RECIPIENTS_ITEM = msgspec.json.Decoder(RecipientsItem)


async def recipients(agency: HostedAgency, items: Sequence[RecipientsItem]) -> list[dict[str, Any]]:
    """For each item: `recipients`, `received`, `next` (a place to go on from, or None at the end) and `unreadable`: entries that no longer say whose
    data it was.
    """
    return [await _one(agency, item) for item in items]


async def _one(agency: HostedAgency, item: RecipientsItem) -> dict[str, Any]:
    try:
        number = IntegratedAddresseeNumber.parse(item.integrated_number).reveal()  # reveal: compared with the records
    except CodebookError:
        return {"refused": {"reason": "integrated_number_malformed"}}
    at = item.after or Place(year=fiscal_year(item.since), index=0)
    left: list[dict[str, Any]] = []
    came: list[dict[str, Any]] = []
    unreadable = 0
    following: Place | None = None
    for _ in range(_STRETCHES_A_CALL):
        rows, following = await _stretch(agency, at, item.since)
        for start in range(0, len(rows), _SLICE):
            for row in rows[start : start + _SLICE]:
                whose = subjects.open_personal(agency, row)
                unreadable += whose is None
                if whose is not None and hmac.compare_digest(whose.number, number):
                    (came if row["kind"] == _CAME else left).append(_shown(row))
            await asyncio.sleep(0)
        if following is None:
            break
        at = following
    following_place = msgspec.to_builtins(following) if following is not None else None
    return {"recipients": left, "received": came, "next": following_place, "unreadable": unreadable}


async def _stretch(agency: HostedAgency, at: Place, since: datetime) -> tuple[list[Record], Place | None]:
    """One stretch of the log, and where the next begins; a year that is through leads to the next one."""
    async with agency.database.inside(agency.tenant) as connection:
        sizes = await places.sizes(connection, at.year)
        end = at.index + _STRETCH
        rows = (
            await connection.fetch(_SQL["data_exchanged"], at.year, at.index, end, since, [*_LEFT, _CAME])
            if at.index < sizes.get(at.year, 0)
            else []
        )
    if end < sizes.get(at.year, 0):
        return rows, Place(year=at.year, index=end)
    later = [year for year in sizes if year > at.year]
    return rows, Place(year=min(later), index=0) if later else None


def _shown(row: Record) -> dict[str, Any]:
    entry = msgspec.json.decode(row["body"])
    other = "provider" if row["kind"] == _CAME else "inquirer"
    said = ("inquiry_number", "permit_id", other, "basis", "item", "information", "items", "at")
    stead = {name: entry[name] for name in (f"{other}_for",) if entry.get(name) is not None}
    return {name: entry[name] for name in said} | stead | {"log": {"year": row["year"], "index": row["idx"]}}
