"""一括連携 (LS-2.4): every original of a system, or those of a data set or a window, goes to the intermediate server in parts of a set size.

Whatever lies over there already under its revision is answered without being written again. When a run without a window has gone through, the
first transfer of its data sets has been made (初回提供区分), and what changed meanwhile goes on by itself.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from gateway.linkage_server.business_information import transfer
from gateway.linkage_server.business_information.outbox import Outbox
from gateway.linkage_server.business_information.runs.store import PART_STEP, SQL, Run, close, keep_part
from gateway.linkage_server.business_information.store import SQL as ORIGINALS
from gateway.linkage_server.business_information.transfer import Settled
from storage.database import Connection

COLUMNS = ("record_id", "outcome", "reason", "item")


def _selection(run: Run, today: date) -> tuple[Any, ...]:
    wanted = run.wanted
    return (
        run.after, run.end, wanted.information, wanted.data_set, wanted.version, wanted.changed_from, wanted.changed_to, today,
    )  # fmt: skip


async def do_part(outbox: Outbox, run: Run) -> None:
    """The next part of a run, or its end. Raises ChannelError, StorageUnavailableError: the same part again."""
    agency = outbox.agency
    async with agency.database.inside(agency.tenant) as connection:
        selection = _selection(run, agency.today())
        ids = [row[0] for row in await connection.fetch(SQL["page_to_transfer"], *selection, run.wanted.per_part)]
    if not ids:
        await _end(outbox, run)
        return
    settled = await outbox.send(await transfer.read_records(agency, ids))
    results = sorted(_result(one) for one in settled)
    PART_STEP.before.reached()
    async with agency.database.inside(agency.tenant) as connection:
        await transfer.write_settled(connection, settled)
        await keep_part(connection, run, results, Counter(one[1] for one in results), ids[-1])
    PART_STEP.after.reached()
    transfer.count(settled)
    if any(one.above is not None for one in settled):
        outbox.wake()


def _result(one: Settled) -> list[str]:
    outcome = "again" if one.above is not None else one.transfer.value
    return [one.record_id, outcome, one.reason or "", one.item or ""]


async def left(outbox: Outbox, run: Run) -> int:
    """How many records are still before the run."""
    async with outbox.agency.database.inside(outbox.agency.tenant) as connection:
        found: int = await connection.fetchval(SQL["count_to_transfer"], *_selection(run, outbox.agency.today()))
        return found


async def _end(outbox: Outbox, run: Run) -> None:
    agency, now = outbox.agency, outbox.agency.clock()
    async with agency.database.inside(agency.tenant) as connection:
        if run.wanted.is_full:
            await _note_first_transfer(connection, run, now)
        await close(connection, run, now)
    outbox.wake()


async def _note_first_transfer(connection: Connection, run: Run, now: Any) -> None:
    scope = (run.wanted.information, run.wanted.data_set, run.wanted.version)
    await connection.execute(ORIGINALS["first_transfer_through"], run.system, now, *scope)
    await connection.execute(ORIGINALS["release_waiting"], run.system, *scope)
