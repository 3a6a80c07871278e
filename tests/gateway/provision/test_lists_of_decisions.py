"""A list of decisions about held provisions while the database is lost: each one is told as it is, done, not known, or not tried (SC-4, SC-6)."""

from __future__ import annotations

import json

import asyncpg

from gateway.intermediate_server import staff_routes
from gateway.intermediate_server.staff.rights import Function
from tests.gateway.provision.test_who_may_no_more import held
from transport import wire

SLOW = """
create function {0}.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return null; end $$;
create constraint trigger slow after update on {0}.provision deferrable initially deferred for each row
    when (new.permit_id = '{1}') execute function {0}.slow()
"""


async def test_sc_6_what_may_have_been_done_is_not_told_as_not_done(world, cluster):
    permits = [await held(world) for _ in range(3)]
    items = [{"permit_id": one, "approve": False, "content_hash": "", "reason": "refused_by_staff"} for one in permits]
    envelope = wire.read_envelope(json.dumps({"items": items}).encode())
    committer = world.agency.committer
    committer.statement_s, committer._patience_s = 0.5, 1.0
    admin = await asyncpg.connect(cluster, database="sekisho")
    try:
        await admin.execute(SLOW.format(world.agency.tenant, permits[1]))
        answers = await staff_routes._decide_held(world.staff("staff-1", Function.HELD_DECIDE), envelope)
    finally:
        await admin.execute(f"drop function {world.agency.tenant}.slow cascade")
        await admin.close()
    assert answers == [
        {"refused": True},
        {"problem": {"status": 503, "reason": "outcome_unknown"}},
        {"problem": {"status": 503, "reason": "storage_unavailable"}},
    ]
