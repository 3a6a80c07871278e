"""After a restore the copies at the intermediate server are compared with the restored originals, of every business system, before anything leaves (SC-15, SC-17)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Final

from codebook.identifiers import new_sortable_id
from gateway.linkage_server.backups.standing import Restore, insist, not_lifted
from gateway.linkage_server.business_information.runs import comparing, store
from gateway.linkage_server.business_information.runs.loop import BusinessRuns
from gateway.linkage_server.business_information.runs.store import Kind, Wanted
from gateway.linkage_server.tenant import Agency, milliseconds
from storage import sql

_SQL = sql.load("gateway.linkage_server.backups")
_PER_PART: Final = 500


async def begin_all(runs: BusinessRuns) -> None:
    """One comparison of each business system, when a restore is not lifted yet; begun once, it goes on by itself."""
    await insist(runs.outbox.agency, partial(_begin, runs), waits="comparisons_after_restore:wait")


async def _begin(runs: BusinessRuns) -> None:
    agency = runs.outbox.agency
    found = await not_lifted(agency)
    if found is None:
        return
    for system in await comparing.systems(agency):
        run_id = new_sortable_id("V", milliseconds(agency.clock()), secrets.token_bytes(10))
        key = f"restore/{found.backup_id}/{found.restored_at.isoformat()}/{system}"
        await store.begin(agency, run_id, key, Kind.COMPARISON, system, Wanted(per_part=_PER_PART))
    runs.wake()


async def compared(agency: Agency, restore: Restore) -> Mapping[str, Mapping[str, int] | None]:
    """Business system → what its comparison found, None while there is no end of it. Raises ChannelError, StorageUnavailableError."""
    wanted = await comparing.systems(agency)
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(
            _SQL["compared"], f"restore/{restore.backup_id}/{restore.restored_at.isoformat()}/%"
        )
    found = {row["business_system_id"]: row["counts"] for row in rows}
    return {system: store.counts_of(found[system]) if found.get(system) else None for system in wanted}
