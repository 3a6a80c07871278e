"""What those who run the server look at, once a minute: jobs by state (IS-10), codes by state and epoch (IS-1), who can grant and what ends
soon (IS-9), rows of staff and of bars that the server did not write so (SC-20).
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.metrics import BARS_MISSING, CODES_HELD, STAFF_UNVOUCHED
from gateway.intermediate_server.operations import backing_up, jobs
from gateway.intermediate_server.staff import remaining, store
from storage import sql
from storage.database import StorageUnavailableError

_SQL = sql.load("gateway.intermediate_server.operations")
_EVERY_S: Final = 60.0
_LOG = structlog.get_logger()


async def watch(agency: HostedAgency) -> None:
    """Run until cancelled; while the database is away the metrics keep their last values."""
    while True:
        for look in (jobs.watch, backing_up.watch, _count_codes, count_unvouched, remaining.watch, look_at_bars):
            try:
                await look(agency)
            except StorageUnavailableError:
                break
            except Exception as failure:  # noqa: BLE001 (a row that somebody has bent must not end the server of all agencies)
                _LOG.error("watch:failed", agency=agency.id, error=type(failure).__name__)
        await asyncio.sleep(_EVERY_S)


async def _count_codes(agency: HostedAgency) -> None:
    async with agency.database.inside(agency.tenant) as connection:
        for row in await connection.fetch(_SQL["codes_held"]):
            CODES_HELD.labels(agency.id, row["state"], str(row["epoch"])).set(row["codes"])


async def count_unvouched(agency: HostedAgency) -> None:
    """Rows in force whose mark does not hold give nothing, and somebody has written them. Raises StorageUnavailableError."""
    for what, count in (await store.unvouched(agency)).items():
        STAFF_UNVOUCHED.labels(agency.id, what).set(count)
        if count:
            _LOG.warning("staff:unvouched", agency=agency.id, kind=what, count=count)


async def look_at_bars(agency: HostedAgency) -> None:
    """Bars whose rows were changed suspend the agency, whether somebody has said that they were changed (the epoch) or not. Raises StorageUnavailableError."""
    try:
        await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    finally:  # a row that cannot be opened hides no other that is missing
        BARS_MISSING.labels(agency.id).set(len(agency.bars.missing))
