"""引揚げ: every original of a business system that is no more says that it is deleted, and its copies go (LS-2.2, SC-16).

As if the system had deleted each record itself: the editions of before are kept for their time, and what is to go on is due.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from msgspec import structs

from gateway.linkage_server.business_information import store as originals
from gateway.linkage_server.business_information.originals import Original, Transfer
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs.store import PART_STEP, SQL, Run, close, keep_part
from keys.errors import KeyUnusable, SealBroken

COLUMNS: Final = ("record_id", "outcome", "reason")


async def do_part(outbox: Outbox, run: Run) -> None:
    """The next part of a withdrawal, or its end. Raises StorageUnavailableError: the same part again."""
    agency, now = outbox.agency, outbox.agency.clock()
    PART_STEP.before.reached()
    if run.system in await agency.clients.systems():  # it has a client again, which deletes for itself
        async with agency.database.inside(agency.tenant) as connection:
            await close(connection, run, now)
        return
    async with agency.database.inside(agency.tenant) as connection:
        await originals.lock_intake(connection)
        rows = await connection.fetch(SQL["page_to_withdraw"], run.after, run.end, run.wanted.per_part)
        past: list[Original] = []
        gone: list[Original] = []
        results: list[list[Any]] = []
        for row in rows:
            try:
                held = originals.read_row(agency.keys, row)
                past.append(held)
                reason = ""
            except (SealBroken, KeyUnusable):  # it is deleted all the same: nothing that is sealed is needed for that
                held, reason = originals.read_bare(row), "original_unreadable"
            said = structs.replace(held.said, deleted=True, items={})
            changed_at = max(now, held.changed_at)
            gone.append(
                Original(said=said, edition=held.edition + 1, changed_at=changed_at, changed_by=f"run/{run.id}")
            )
            results.append([said.record_id, "withdrawn", reason])
        await originals.change_originals(connection, agency.keys, [(one, Transfer.DUE, False) for one in gone])
        await originals.keep_past(connection, agency.keys, past)
        counts = Counter({"withdrawn": len(gone), "original_unreadable": len(gone) - len(past)})
        await keep_part(connection, run, results, +counts, gone[-1].said.record_id if gone else run.end)
        if len(rows) < run.wanted.per_part:
            await close(connection, run, now)
        await asyncio.to_thread(agency.erasures.write, [("original", one.said.record_id) for one in gone], now)
    PART_STEP.after.reached()
    outbox.wake()
