"""Every end of a staff session is an entry of the access log, once (SC-7, SC-10)."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

from evidence.entry import EntryKind
from gateway.intermediate_server.staff import entering, founding, session_ends, store
from gateway.intermediate_server.staff.desk import open_desk
from gateway.intermediate_server.staff.people import Rules, Session
from storage.committer import Commit, Write, commit_step

ONE, OTHER = "tanto-1", "tanto-2"
STEP = commit_step("test", "session")


async def desk_of(records):
    """Two members of staff with a card each."""
    await records.inside(
        "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by)"
        " select id, 'kokuho', 'active', '$argon2id$', false, 'infinity', 'infinity', 1, 'founder' from unnest($1::text[]) as one (id)",
        [ONE, OTHER],
    )
    await records.inside(
        "insert into staff_card (card_id, staff_id, kind, public_key, sign_count, valid_until, state)"
        " select id, id, 'key', convert_to(id, 'UTF8'), 0, 'infinity', 'active' from unnest($1::text[]) as one (id)",
        [ONE, OTHER],
    )
    return open_desk(records.agency, Rules(profile=founding.PROFILES["cheapest"]))


async def write(records, statement, *row) -> None:
    await records.agency.committer.apply(Commit(step=STEP, guard=Write(statement, row)))


async def opened(records, desk, who: str) -> str:
    """A session as log-in opens it; its hash."""
    token, now = secrets.token_hex(32), records.clock()
    session = Session(
        token_hash=token, staff_id=who, card_id=who, certificate=b"terminal", opened_at=now, seen_at=now, until=now + desk.rules.absolute,
        restricted=False, reason="inspection", reference="", ended_at=None,
    )  # fmt: skip
    await records.agency.committer.apply(Commit(step=STEP, guard=store.open_session(records.agency, session, 1)))
    await write(records, store.END_OLDEST_SESSIONS, who, desk.rules.sessions, now)
    return token


async def used(records, token: str) -> None:
    await write(records, store.USE_SESSION, token, records.clock(), "", None)


async def ends(records) -> list[tuple[str, str, str]]:
    kinds = [EntryKind.STAFF_SESSION_ENDED.value, EntryKind.STAFF_LOGGED_OUT.value]
    rows = await records.inside("select body from log_entry where kind = any($1) order by idx", kinds)
    found = [json.loads(row["body"]) for row in rows]
    assert all(one["facts"]["terminal"] == b"terminal".hex() and one["reason"] == "inspection" for one in found)
    return [
        (one["actor"], one["facts"].get("how", "log-out"), one["facts"].get("ended_at", "")[11:16]) for one in found
    ]


async def test_a_session_that_is_not_used_ends_on_record_and_one_that_is_used_does_not(records):
    desk = await desk_of(records)
    idle, start = await opened(records, desk, ONE), records.clock.now
    lively = await opened(records, desk, OTHER)
    records.clock.now = start + desk.rules.idle - timedelta(seconds=1)
    await session_ends.record(desk, records.clock())
    assert await ends(records) == []
    await used(records, lively)
    records.clock.now += timedelta(minutes=2)
    for _ in range(2):  # a server that comes back looks again
        await session_ends.record(desk, records.clock())
    assert await ends(records) == [(ONE, "idle", "03:15")]
    await used(records, idle)
    rows = await records.inside("select seen_at, ended_at from staff_session where token_hash = $1", idle)
    assert (rows[0]["seen_at"], rows[0]["ended_at"]) == (start, start + desk.rules.idle)


async def test_a_session_that_is_used_all_day_ends_by_its_age(records):
    desk = await desk_of(records)
    token, start = await opened(records, desk, ONE), records.clock.now
    while records.clock.now < start + desk.rules.absolute - timedelta(minutes=10):
        records.clock.now += timedelta(minutes=10)
        await used(records, token)
    records.clock.now += timedelta(minutes=10)
    await session_ends.record(desk, records.clock())
    assert await ends(records) == [(ONE, "age", "13:00")]


async def test_whatever_else_ends_a_session_is_said_and_a_log_out_once(records):
    desk = await desk_of(records)
    tokens = [await opened(records, desk, ONE) for _ in range(desk.rules.sessions + 1)]
    other = await opened(records, desk, OTHER)
    await session_ends.record(desk, records.clock())
    assert await ends(records) == [(ONE, "superseded", "03:00")]
    session = await store.session(records.agency, other)
    await entering.log_out(desk, session, records.clock())
    await write(records, store.END_SESSIONS_OF, ONE, records.clock())
    await session_ends.record(desk, records.clock())
    assert await ends(records) == [
        (ONE, "superseded", "03:00"),
        (OTHER, "log-out", ""),
        *[(ONE, "account_changed", "03:00")] * (len(tokens) - 1),
    ]


async def test_a_session_that_was_over_before_somebody_ended_it_says_so(records):
    desk = await desk_of(records)
    await opened(records, desk, ONE)
    records.clock.now += desk.rules.idle + timedelta(minutes=1)
    await write(records, store.END_SESSIONS_OF, ONE, records.clock())
    await session_ends.record(desk, records.clock())
    assert await ends(records) == [(ONE, "idle", "03:15")]


async def test_a_session_that_is_used_while_its_end_is_written_goes_on(records):
    desk = await desk_of(records)
    token = await opened(records, desk, ONE)
    records.clock.now += desk.rules.idle
    [row] = await store.ended_sessions(records.agency, records.clock(), records.clock() - desk.rules.idle, 10)
    await used(records, token)
    await records.agency.committer.apply(session_ends.commit_of(desk, row, records.clock()))
    assert await ends(records) == []


async def test_no_session_is_forgotten_before_its_end_is_on_record(records):
    desk = await desk_of(records)
    await opened(records, desk, ONE)
    records.clock.now += timedelta(days=3)
    await store.forget(records.agency, records.clock(), records.clock() - timedelta(days=1))
    await session_ends.record(desk, records.clock())
    assert await ends(records) == [(ONE, "idle", "03:15")]
    await store.forget(records.agency, records.clock(), records.clock() - timedelta(days=1))
    assert await records.inside("select 1 from staff_session") == []
