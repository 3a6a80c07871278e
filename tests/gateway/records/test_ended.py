"""What is over and names a person goes by rule, with a certificate a day and kind (SC-16, 番号法20条; docs/adr/0078)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from gateway.intermediate_server.operations import restoring
from gateway.intermediate_server.retention import erasing

ONE = "100000000000001"
DAY = timedelta(days=1)
KINDS = ("bars", "codes", "relations", "withdrawals")


async def put(records) -> None:
    """A bar that was lifted and one that stands, the end of a code, a copy withdrawn, a relation of somebody who has left and one of somebody who has not."""
    now = records.clock()
    for bar_id, state in (("B-lifted", "lifted"), ("B-standing", "standing")):
        await records.inside(
            "insert into bar (bar_id, place, effect, cause, inquirer, information, data_item, state, set_by, set_at, changed_by, changed_at, version)"
            " values ($1, 'inquirer', 'hold', 'incident', 'suginami', '*', '*', $2, 'tanto-1', $3, 'tanto-2', $3, 2)",
            bar_id, state, now,
        )  # fmt: skip
    await records.inside(
        "insert into former_code (acquisition_index, integrated_number, code_index, state, reason, ended_at) values ('a', $1, 'c', 'cancelled', 'r', $2)",
        ONE, now,
    )  # fmt: skip
    await records.inside("insert into replica_withdrawn values ('juki/r-1', 5, $1)", now)
    for staff_id, state, left_at in (("tanto-1", "left", now), ("tanto-2", "active", None)):
        await records.inside(
            "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by, left_at)"
            " values ($1, 'kokuho', $2::text, case $2 when 'left' then '' else '$argon2id$' end, false, 'infinity', 'infinity', 1, 'f', $3)",
            staff_id, state, left_at,
        )  # fmt: skip
        await records.inside("insert into staff_relation values ($1, 'self', 'p')", staff_id)


async def kept(records) -> tuple[int, ...]:
    counts = [
        (await records.inside(f"select count(*) as rows from {table}"))[0]["rows"]
        for table in ("bar", "former_code", "staff_relation", "replica_withdrawn")
    ]
    return tuple(counts)


async def sweep(records) -> None:
    await erasing.erase_ended(records.agency, records.clock())
    await erasing.certify(records.agency, records.clock())


async def test_what_is_over_is_kept_to_its_time_and_then_goes_with_a_certificate_of_its_kind(records):
    await put(records)
    over = records.clock.now + records.agency.limits.ended_kept_for
    records.clock.now = over
    await sweep(records)
    assert await kept(records) == (2, 1, 2, 1)
    records.clock.now = over + timedelta(seconds=1)
    await sweep(records)
    assert await kept(records) == (1, 0, 1, 0)
    begun = await records.inside("select key_purpose, state, erased from erasure order by key_purpose")
    day = records.agency.today(records.clock.now).isoformat()
    assert [tuple(row) for row in begun] == [(f"{kind}/{day}", "begun", 1) for kind in KINDS]
    records.clock.now += DAY
    await sweep(records)
    rows = await records.inside("select kind, state, rule from erasure order by kind")
    assert [tuple(row) for row in rows] == [(kind, "certified", "番号法20条") for kind in KINDS]
    bodies = [
        json.loads(row["body"])
        for row in await records.inside("select body from log_entry where kind = 'erasure.certified'")
    ]
    assert {(one["facts"]["erasure"], one["facts"]["erased"]) for one in bodies} == {
        ("bars", 1), ("codes", 1), ("relations", 1), ("withdrawals", 1),
    }  # fmt: skip
    assert not any("key_state" in one["facts"] or ONE in json.dumps(one) for one in bodies)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_comes_back_with_an_older_database_is_no_certificates(records, kind):
    await put(records)
    records.clock.now += records.agency.limits.ended_kept_for + DAY
    await sweep(records)
    records.clock.now += DAY
    rows = {row["kind"]: row for row in await records.inside("select * from erasure")}
    assert await erasing.nothing_left(records.agency, [rows[kind]])
    async with records.administrator() as admin:
        await admin.execute("delete from staff_relation")
        await admin.execute("delete from staff_member")
        await admin.execute("delete from bar")
    records.clock.now -= records.agency.limits.ended_kept_for + 2 * DAY + timedelta(hours=1)
    await put(records)
    records.clock.now += records.agency.limits.ended_kept_for + 2 * DAY + timedelta(hours=1)
    await erasing.certify(records.agency, records.clock())
    assert {row["state"] for row in await records.inside("select state from erasure")} == {"begun"}
    await sweep(records)
    assert await kept(records) == (1, 0, 1, 0)


async def test_sc_16_a_day_that_is_certified_takes_nothing_any_more_when_the_clock_is_set_back(records):
    await put(records)
    records.clock.now += records.agency.limits.ended_kept_for + timedelta(hours=1)
    await sweep(records)
    records.clock.now += DAY
    await sweep(records)
    records.clock.now -= DAY
    await records.inside("update bar set state = 'lifted'")
    await records.inside(
        "insert into former_code values ('b', $1, 'd', 'cancelled', 'r', (select min(set_at) from bar))", ONE
    )
    await records.inside(
        "update staff_member set state = 'left', password_hash = '', left_at = (select min(set_at) from bar)"
    )
    await records.inside("insert into replica_withdrawn values ('juki/r-2', 5, (select min(set_at) from bar))")
    await sweep(records)
    assert await kept(records) == (1, 1, 1, 1)
    records.clock.now += DAY
    await sweep(records)
    assert await kept(records) == (0, 0, 0, 0)
    rows = await records.inside("select key_purpose, state, erased from erasure order by key_purpose")
    last = records.agency.today(records.clock.now)
    assert [tuple(row) for row in rows] == [
        (f"{kind}/{day.isoformat()}", state, 1) for kind in KINDS for day, state in ((last - DAY, "certified"), (last, "begun"))
    ]  # fmt: skip


async def test_more_than_a_stretch_goes_in_several(records, monkeypatch):
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 10)
    await records.inside(
        "insert into former_code select convert_to(n::text, 'UTF8'), $1, null, 'expired', 'r', $2 from generate_series(1, 25) as n",
        ONE, records.clock(),
    )  # fmt: skip
    records.clock.now += records.agency.limits.ended_kept_for + DAY
    for left in (15, 5, 0):
        await erasing.erase_ended(records.agency, records.clock())
        assert (await kept(records))[1] == left
    [row] = await records.inside("select erased from erasure")
    assert row["erased"] == 25


async def left_with_a_restore(records) -> None:
    """Somebody with a relation whom the backup has at work, and who has left since."""
    await records.inside(
        "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by)"
        " values ('tanto-3', 'kokuho', 'active', '$argon2id$', false, 'infinity', 'infinity', 1, 'f')"
    )
    await records.inside("insert into staff_relation values ('tanto-3', 'household', 'p')")
    async with records.administrator() as admin:
        await admin.execute(restoring._SQL["end_people"], ["tanto-3"], "admin-1", "card", records.clock())


async def test_relations_of_somebody_who_left_before_a_restore_are_kept_to_their_time_and_go(records):
    await left_with_a_restore(records)
    over = records.clock.now + records.agency.limits.ended_kept_for
    records.clock.now = over
    await sweep(records)
    assert (await kept(records))[2] == 1
    records.clock.now = over + timedelta(seconds=1)
    await sweep(records)
    assert (await kept(records))[2] == 0


async def test_relations_of_somebody_who_left_nobody_knows_when_are_no_certificates(records):
    await put(records)
    await left_with_a_restore(records)
    records.clock.now += records.agency.limits.ended_kept_for + DAY
    await sweep(records)
    [row] = await records.inside("select * from erasure where kind = 'relations'")
    assert await erasing.nothing_left(records.agency, [row])
    async with records.administrator() as admin:
        await admin.execute("update staff_member set left_at = null")
        await admin.execute("insert into staff_relation values ('tanto-3', 'household', 'p')")
    assert not await erasing.nothing_left(records.agency, [row])
