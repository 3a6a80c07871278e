"""Which inquiries of a business system came to an end (IF_SKI_90041): the log in its order is the feed, so nothing else remembers who wants to know.

An end and its entry are one commit, and the log's order is that of its commits: whoever goes on from the place where it stopped misses none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.records import places
from gateway.intermediate_server.records.places import Place
from storage import sql
from storage.committer import fiscal_year

_SQL = sql.load("gateway.intermediate_server.inquiry")
_STRETCH: Final = 5_000
_YEARS_OVERLAP: Final = timedelta(minutes=10)
"""A commit that began before midnight may come after the new year's first: so long the old year's log is still looked at."""
_STATES: Final[Mapping[str, State]] = {
    EntryKind.INQUIRY_ANSWERED.value: State.ANSWERED,
    EntryKind.INQUIRY_HELD.value: State.HELD,
    EntryKind.INQUIRY_NOT_PROVIDED.value: State.NOT_PROVIDED,
    EntryKind.INQUIRY_REFUSED.value: State.REFUSED,
    EntryKind.INQUIRY_DENIED.value: State.REFUSED,
    EntryKind.INQUIRY_REFUSED_BY_PROVIDER.value: State.REFUSED,
    EntryKind.INQUIRY_REFUSED_BY_NETWORK.value: State.REFUSED,
    EntryKind.INQUIRY_ABORTED.value: State.ABORTED,
}


class EndingsItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_SKI_90041. `after`: the `next` of the answer before; None asks for the place where the log ends now."""

    system: str
    after: Place | None = None


ENDINGS_ITEM = msgspec.json.Decoder(EndingsItem)


async def endings(agency: HostedAgency, items: Sequence[EndingsItem]) -> list[dict[str, Any]]:
    """For each item: `endings` (`inquiry_number`, `message_id`, `state`, `at`), `next`, and whether there is `more` after it.

    A held inquiry is told when it is held and when it ends. Nobody's data is in it.
    """
    return [await _one(agency, item) for item in items]


async def _one(agency: HostedAgency, item: EndingsItem) -> dict[str, Any]:
    now = agency.clock()
    async with agency.database.inside(agency.tenant) as connection:
        sizes = await places.sizes(connection, item.after.year if item.after else 0)
        if item.after is None:
            year = max(sizes, default=fiscal_year(now))
            return _answer([], Place(year=year, index=sizes.get(year, 0)), more=False)
        size = sizes.get(item.after.year, 0)
        at = Place(year=item.after.year, index=min(item.after.index, size))  # a restore may have set the log back
        end = min(at.index + _STRETCH, size)
        rows = await connection.fetch(
            _SQL["endings"], at.year, at.index, end, list(_STATES), item.system
        )  # an empty stretch finds nothing
    found = [
        {
            "inquiry_number": row["inquiry_number"],
            "message_id": row["message_id"],
            "state": _STATES[row["kind"]].value,
            "at": timestamp(row["at"]),
        }
        for row in rows
    ]
    following = following_place(sizes, at, max(end, at.index), now)
    return _answer(found, following, more=following.index < sizes.get(following.year, 0))


def following_place(sizes: Mapping[int, int], at: Place, end: int, now: datetime) -> Place:
    """Where the next stretch begins: in the next year's log when this one is through and takes no more entries."""
    later = [year for year in sizes if year > at.year]
    if end >= sizes.get(at.year, 0) and later and fiscal_year(now - _YEARS_OVERLAP) > at.year:
        return Place(year=min(later), index=0)
    return Place(year=at.year, index=end)


def _answer(found: list[dict[str, Any]], following: Place, *, more: bool) -> dict[str, Any]:
    return {"endings": found, "next": msgspec.to_builtins(following), "more": more}
