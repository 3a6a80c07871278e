"""IF_DBM_90024: the copies held of one person, for staff with the right to see them (IS-6): of one kind of information, public today or not.

What is barred or frozen is held from leaving, not from the agency's own staff: it is shown, and said to be so (SC-4).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from asyncpg import Record
from msgspec import Meta

from codebook.errors import CodebookError
from codebook.identifiers import IntegratedAddresseeNumber
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import REPLICAS
from gateway.intermediate_server.replica.export import RecordId
from gateway.intermediate_server.replica.registration import open_record
from keys.errors import KeyUnusable, SealBroken
from permission_lists.barring import AutoResponse
from storage import sql
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.replica")
_MOST = 500
"""In place of an inquirer: what is barred whoever asks."""


class ViewItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_DBM_90024. `affair`: item of the list for which somebody looks; `after`: the `next` of the page before."""

    integrated_number: str
    information: Annotated[str, Meta(min_length=1, max_length=100)]
    affair: Annotated[str, Meta(min_length=1, max_length=60)]
    after: RecordId = ""
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = 100

    def __repr__(self) -> str:
        return "<ViewItem>"


VIEW_ITEM = msgspec.json.Decoder(ViewItem)


def check(agency: HostedAgency, item: ViewItem, today: date) -> None:
    """1. a number has its form; 2. a layout has this kind of information; 3. an item of the list in force names it (SC-24). Raises ProblemError 400."""
    try:
        IntegratedAddresseeNumber.parse(item.integrated_number)
    except CodebookError:
        raise ProblemError(
            400, "integrated_number_malformed", "An integrated addressee number has 15 digits."
        ) from None
    if all(layout.information != item.information for layout in agency.layouts):
        raise ProblemError(400, "information_unknown", "No layout here has this kind of information.")
    if all(row.item != item.affair for row in agency.lists.source.naming(item.information, today)):
        raise ProblemError(
            400, "affair_not_listed", "No item of that number in today's list names this kind of information."
        )


async def view(agency: HostedAgency, item: ViewItem, now: datetime) -> dict[str, Any]:
    """`replicas` in the order of their ids, `next` (null: this was the last page), and `standing`: what the bars say of this person's information."""
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(
            _SQL["replicas_held"], item.integrated_number, item.information, item.after, item.limit
        )
    REPLICAS.labels("viewed").inc(len(rows))
    today = agency.today(now)
    return {
        "replicas": [_shown(agency, row, today) for row in rows],
        "next": rows[-1]["record_id"] if len(rows) == item.limit else None,
        "standing": _standing(agency, item),
    }


def _shown(agency: HostedAgency, row: Record, today: date) -> dict[str, Any]:
    """`public`: whether it may be answered from today; one that does not open says so in place of its flag and items."""
    first, last = row["public_from"], row["public_to"]
    said = {name: row[name] for name in ("record_id", "revision", "data_set", "version", "delegator")} | {
        "public_from": first.isoformat(),
        "public_to": last.isoformat() if last is not None else None,
        "public": first <= today and (last is None or today <= last),
    }
    try:
        opened = open_record(agency, row)
        return said | {"auto_response": opened.auto_response, "items": opened.items}
    except (SealBroken, KeyUnusable):  # somebody changed the row, or its key is gone
        REPLICAS.labels("unreadable").inc()
        return said | {"unreadable": True}


def _standing(agency: HostedAgency, item: ViewItem) -> dict[str, Any]:
    barred = agency.bars.look(item.integrated_number, item.information)
    return {
        "suspended": barred.suspended,
        "frozen": barred.frozen,
        "barred": barred.person is AutoResponse.BARRED,
        "non_disclosure": barred.marked,
        "barred_items": sorted(barred.data_items),
    }
