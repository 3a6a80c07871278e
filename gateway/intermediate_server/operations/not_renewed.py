"""IF_FGU_90024: whose code the core did not renew, since when and why, for the staff who see to it (IS-1). Never a code (SC-9)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from asyncpg import Record
from msgspec import Meta

from evidence.canonical import timestamp
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import Function
from storage import sql
from storage.database import as_away

_SQL = sql.load("gateway.intermediate_server.operations")
_MOST = 200


class NotRenewedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_FGU_90024. `after`: the `next` of the page before."""

    after: Annotated[str, Meta(pattern=r"^([0-9]{15})?\Z")] = ""
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = 100

    def __repr__(self) -> str:
        return "<NotRenewedItem>"


NOT_RENEWED_ITEM = msgspec.json.Decoder(NotRenewedItem)


async def listed(acting: Acting, item: NotRenewedItem, now: datetime) -> dict[str, Any]:
    """People in the order of their numbers, each on record before they are shown; `job`: by whose retry all of them are sent once more, null when none is told of."""
    agency = acting.desk.agency
    rows, epoch = await _read(agency, item)
    facts: list[dict[str, str | int]] = [
        {"person": acting.desk.person_index(row["integrated_number"]).hex(), "epoch": row["epoch"]} for row in rows
    ]
    await acting.record(Function.OPERATIONS, facts, now)
    return {
        "not_renewed": [_shown(row) for row in rows],
        "next": rows[-1]["integrated_number"] if len(rows) == item.limit else None,
        "job": None if epoch is None else {"kind": "code_renewal", "id": f"epoch-{epoch}"},
    }


async def _read(agency: HostedAgency, item: NotRenewedItem) -> tuple[list[Record], int | None]:
    """Raises StorageUnavailableError."""
    since = agency.clock() - agency.limits.jobs_kept_for
    with as_away("the codes could not be looked at"):
        async with agency.database.inside(agency.tenant) as connection:
            rows = await connection.fetch(_SQL["people_not_renewed"], item.after, item.limit)
            renewals = await connection.fetch(_SQL["code_renewals"], since, 1)
    return rows, renewals[0]["epoch"] if renewals else None


def _shown(row: Record) -> dict[str, Any]:
    refused_at = row["refused_at"]
    named = {name: row[name] for name in ("integrated_number", "epoch", "reason", "replacing")}
    return named | {"refused_at": timestamp(refused_at) if refused_at is not None else None}
