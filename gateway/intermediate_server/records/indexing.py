"""Makes the rows by which records are found for entries that were appended before there were such rows, from the newest on."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.outcomes import outcome_of
from gateway.intermediate_server.records import subjects
from storage import sql

_SQL = sql.load("gateway.intermediate_server.records")
_STRETCH: Final = 1_000


async def index_older(agency: HostedAgency) -> bool:
    """One stretch, in one transaction with how far it went; whether anything is left to do."""
    async with agency.database.inside(agency.tenant) as connection:
        left = await connection.fetchrow(_SQL["unindexed"])
        if left is None:
            return False
        year, upto = left["year"], left["upto"]
        start = max(0, upto - _STRETCH)
        rows = [
            made
            for row in await connection.fetch(_SQL["entries_below"], year, start, upto)
            if (made := _row(agency, row)) is not None
        ]
        if rows:
            await connection.execute(_SQL["index_records"], year, *map(list, zip(*rows, strict=True)))
        if start > 0:
            await connection.execute(_SQL["indexed_down_to"], year, start)
        else:
            await connection.execute(_SQL["indexed"], year)
    return True


def _row(agency: HostedAgency, row: Record) -> tuple[Any, ...] | None:
    """The row of one entry; None when it is no record of an exchange."""
    said = msgspec.json.decode(row["body"]) if row["body"] is not None else {}
    if "inquirer" not in said:
        return None
    about = subjects.open_personal(agency, row)
    index = None if about is None else subjects.index_of(agency, row["at"], about.number)
    partner = said["provider"] if said["inquirer"] == agency.id else said["inquirer"]
    outcome = outcome_of(EntryKind(row["kind"]), said["reason"])
    stead = said.get("inquirer_for"), said.get("provider_for")
    return (
        row["idx"],
        row["at"],
        row["kind"],
        partner,
        said["item"],
        said["information"],
        said["actor"],
        index,
        *stead,
        outcome,
    )
