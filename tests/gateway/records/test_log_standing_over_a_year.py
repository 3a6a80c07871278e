"""SC-6: a database that was set back across 1 April is barred like one that was set back on any other day."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from evidence import checkpoint
from evidence.entry import EntryKind
from gateway.intermediate_server.records.exchange_entries import note_about, note_event
from keys.windows import PublicKeys
from storage.committer import commit_step
from tests.support.records_world import ORIGIN
from transport.log_standing import BEHIND, LogStanding

STEP = commit_step("test", "standing")


@pytest.mark.parametrize(
    "started", [datetime(2023, 3, 31, 14, 59, tzinfo=UTC), datetime(2023, 3, 31, 15, 1, tzinfo=UTC)]
)
async def test_a_database_that_was_set_back_is_barred_when_its_server_starts(records, started):
    agency = records.agency
    records.clock.now = datetime(2023, 3, 31, 3, tzinfo=UTC)
    for _ in range(3):
        await records.commit(note_event(agency, records.clock.now, EntryKind.ACCESS_REFUSED, reason="nothing"))
    signer = agency.keys.ring.signer("log")
    seen = checkpoint.sign(f"{ORIGIN}/2022", 10, bytes(32), signer)  # the core has seen seven more

    async def ask(item):
        return {"note": seen if item["origin"] == f"{ORIGIN}/2022" else None}

    records.clock.now = started
    standing = LogStanding(
        agency=agency.id, committer=agency.committer, ask=ask, keys=lambda _: PublicKeys.of(signer.public_key),
        note=lambda now, by, said: note_about(agency, now, EntryKind.LOG_REOPENED, None, said, actor=by), step=STEP, clock=partial(records.clock),
    )  # fmt: skip
    await standing.begin()
    await standing.run()
    assert agency.committer.barred == BEHIND
