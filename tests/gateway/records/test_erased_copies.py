"""Copies that are withdrawn or over (IS-6, SC-16): gone at once and at their time, one certificate a day, and what comes back is no certificate's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from gateway.intermediate_server.retention import erasing
from storage.database import StorageUnavailableError
from storage.erasure_journal import ErasureJournal
from tests.support.copies import QUALIFICATION, qualification

ONE, OTHER = "100000000000001", "100000000000002"
MIDNIGHT = datetime(2022, 10, 3, 15, tzinfo=UTC)
"""When 3 October 2022, the day of the world, is over in Japan."""


async def send(records, record_id: str, number: str = ONE, *, operation: str = "register", **more) -> dict:
    items = {
        name: {"value": value} if value else {"null_reason": "NotApplicable"} for name, value in qualification().items()
    }
    said = {
        "record_id": record_id, "operation": operation, "integrated_number": number, "information": "医療保険給付関係情報", "data_set": QUALIFICATION,
        "version": "0001", "public_from": date(2020, 4, 1), "auto_response": "allowed", "items": items, "revision": 1,
    }  # fmt: skip
    return (await registration.register(records.agency, [ReplicaItem(**{**said, **more})], records.clock()))[0]


async def sweep(records) -> None:
    while await registration.expire(records.agency, records.clock()):
        pass
    await erasing.certify(records.agency, records.clock())


async def erasures(records) -> list:
    return await records.inside("select * from erasure order by key_purpose")


async def copies(records) -> list[str]:
    return [row["record_id"] for row in await records.inside("select record_id from replica order by record_id")]


async def people_with_keys(records) -> list[str]:
    rows = await records.inside("select integrated_number from person_key order by integrated_number")
    return [row["integrated_number"] for row in rows]


async def test_copies_withdrawn_in_a_day_are_one_certificate_when_the_day_is_over(records):
    for record_id, number in (("a", ONE), ("b", ONE), ("c", OTHER)):
        assert await send(records, record_id, number) == {"registered": True}
    for record_id, number in (("a", ONE), ("c", OTHER)):
        assert await send(records, record_id, number, operation="delete", revision=2) == {"registered": True}
    await sweep(records)
    [row] = await erasures(records)
    assert (row["key_purpose"], row["state"], row["erased"]) == ("replicas/2022-10-03", "begun", 2)
    records.clock.now = MIDNIGHT + timedelta(minutes=10)
    await sweep(records)
    await sweep(records)
    [row] = await erasures(records)
    assert (row["state"], row["erased"], row["rows_deleted"], row["rule"]) == ("certified", 2, 1, "IS-6")
    assert await people_with_keys(records) == [ONE]
    entries = await records.inside("select body from log_entry where kind = 'erasure.certified'")
    assert len(entries) == 1
    assert b"key_state" not in entries[0]["body"]


async def test_keys_of_many_people_go_page_by_page_and_a_copy_that_came_back_is_seen_on_any_page(records, monkeypatch):
    """SC-16: what a certificate says of a whole ward is counted and looked for in stretches."""
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 2)
    numbers = [f"10000000000000{nth}" for nth in range(1, 8)]
    for number in numbers:
        await send(records, f"r{number}", number)
    last = (await records.inside("select * from replica order by record_id desc limit 1"))[0]
    for number in numbers[1:]:
        await send(records, f"r{number}", number, operation="delete", revision=2)
    async with records.administrator() as admin:
        await admin.copy_records_to_table("replica", records=[tuple(last)], schema_name=records.agency.tenant)
    records.clock.now = MIDNIGHT + timedelta(minutes=10)
    await erasing.certify(records.agency, records.clock())
    [row] = await erasures(records)
    assert (row["state"], row["erased"], row["rows_deleted"]) == ("begun", 6, 5)
    async with records.administrator() as admin:
        await admin.execute("delete from replica where record_id = $1", last["record_id"])
    await erasing.certify(records.agency, records.clock())
    [row] = await erasures(records)
    assert (row["state"], row["erased"], row["rows_deleted"]) == ("certified", 6, 6)
    assert await people_with_keys(records) == [numbers[0]]


async def test_while_the_journal_of_erasures_cannot_be_written_no_copy_goes(records):
    await send(records, "a")
    journal = records.keys.with_suffix(".erased")
    journal.mkdir()
    with pytest.raises(StorageUnavailableError):
        await send(records, "a", operation="delete", revision=2)
    assert await copies(records) == ["a"]
    journal.rmdir()
    assert await send(records, "a", operation="delete", revision=2) == {"registered": True}
    assert await copies(records) == []


async def test_a_copy_goes_when_its_last_public_day_is_over_and_not_before(records):
    await send(records, "a", public_to=date(2022, 10, 3))
    await send(records, "b")
    records.clock.now = MIDNIGHT - timedelta(seconds=1)
    await sweep(records)
    assert await copies(records) == ["a", "b"]
    records.clock.now = MIDNIGHT
    await sweep(records)
    assert await copies(records) == ["b"]
    assert [(row["key_purpose"], row["erased"]) for row in await erasures(records)] == [("replicas/2022-10-04", 1)]


async def test_what_is_over_comes_back_by_a_later_sending_of_its_owner_alone(records):
    await send(records, "a", public_to=date(2022, 10, 3))
    records.clock.now = MIDNIGHT
    await sweep(records)
    assert await send(records, "a", public_to=date(2022, 10, 3)) == {
        "refused": {"reason": "revision_outdated", "item": "", "revision": 1}
    }
    assert await send(records, "a", public_to=date(2023, 3, 31), revision=2) == {"registered": True}


async def test_a_restore_leaves_out_what_was_over(records):
    await send(records, "a", public_to=date(2022, 10, 3))
    snapshot = records.clock.now
    records.clock.now = MIDNIGHT
    await sweep(records)
    journal = ErasureJournal.beside(records.keys, records.agency.keys.ring)
    assert not journal.erased_since(snapshot, "B").isdisjoint(journal.digests("replica", "a"))


@pytest.mark.parametrize("back", ["withdrawn", "over"])
async def test_a_day_whose_copies_came_back_with_an_older_database_is_not_certified(records, back):
    await send(records, "a", public_to=date(2022, 10, 3) if back == "over" else None)
    row = (await records.inside("select * from replica"))[0]
    if back == "withdrawn":
        await send(records, "a", operation="delete", revision=2)
    else:
        records.clock.now = MIDNIGHT
        await registration.expire(records.agency, records.clock())
    records.clock.now = MIDNIGHT + timedelta(days=1, minutes=10)
    async with records.administrator() as admin:
        await admin.copy_records_to_table("replica", records=[tuple(row)], schema_name=records.agency.tenant)
    await erasing.certify(records.agency, records.clock())
    assert [row["state"] for row in await erasures(records)] == ["begun"]
