"""What a record is found by is held against its entry where it is shown, and a difference is named (SC-6, SC-7, IS-5)."""

from __future__ import annotations

import json

import pytest

from evidence.entry import EntryKind
from gateway.intermediate_server.records import indexing, searching, subjects
from tests.support.records_world import AGENCY

ONE, OTHER = "100000000000001", "100000000000002"


async def put(records) -> str:
    """A record of every kind that is found: asked, read again by note, corrected; the id of the first."""
    asked = await records.put(ONE, EntryKind.INQUIRY_ANSWERED, inquirer=AGENCY, provider="naikaku", what_for="還付")
    await records.put(None, EntryKind.PROVISION_REFUSED)
    await records.corrected(asked.entry_id, OTHER)
    return asked.entry_id


async def shown(records, entry_id: str) -> dict:
    item = searching.ShowItem(entry_id=entry_id)
    return (await searching.show(records.agency, item, lambda *_: True, records.clock()))["record"]


async def change(records, text: str, *values) -> None:
    """Behind the server's back, as the owner of the tables may."""
    async with records.administrator() as admin:
        await admin.execute("set session_replication_role = replica")
        await admin.execute(text, *values)


async def test_what_nobody_has_changed_differs_in_nothing(records):
    await put(records)
    found = await records.search()
    assert [(one["kind"], one["differs"]) for one in found] == [
        ("record.corrected", []), ("provision.refused", []), ("inquiry.answered", []),
    ]  # fmt: skip
    assert [(await shown(records, one["id"]))["differs"] for one in found] == [[]] * 3
    records.agency.keys.ring.rotate(subjects.purpose_of(records.clock()))
    assert [one["differs"] for one in await records.search()] == [[]] * 3


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ("log_record set partner = 'suginami'", "partner"),
        ("log_record set item = '99'", "item"),
        ("log_record set information = 'x'", "information"),
        ("log_record set actor = 'juki/tanto-9'", "actor"),
        ("log_record set inquirer_for = 'nakano'", "inquirer_for"),
        ("log_record set provider_for = 'nakano'", "provider_for"),
        ("log_record set outcome = 'refused_by_list'", "outcome"),
        ("log_record set kind = 'inquiry.refused'", "kind"),
        ("log_record set at = at - interval '1 hour'", "at"),
        ("log_record set subject = decode(repeat('ab', 16), 'hex')", "person"),
        ("log_record set subject = null", "person"),
        ("log_entry set kind = 'inquiry.refused'", "kind"),
        ("log_entry set inquiry_number = 'Q1'", "inquiry_number"),
        ("log_entry set body = replace(convert_from(body, 'UTF8'), 'naikaku', 'nakano')::bytea", "body"),
    ],
)
async def test_whatever_is_changed_beside_the_entry_is_named_where_it_is_shown(records, changed, name):
    entry_id = await put(records)
    await change(records, f"update {changed} where year = 2022 and idx = 0")
    [found] = [one for one in await records.search() if one["id"] == entry_id]
    assert name in found["differs"]
    assert [one["differs"] for one in await records.search() if one["id"] != entry_id] == [[], []]
    if "log_record set at" not in changed:
        assert name in (await shown(records, entry_id))["differs"]


async def test_a_record_under_somebody_elses_index_is_told_from_theirs(records):
    """Whoever is looked for is shown what was put under their name, and that it is not about them."""
    entry_id, theirs = await put(records), await records.put(OTHER)
    index = (await records.inside("select subject from log_record order by idx desc limit 1"))[0]["subject"]
    await change(records, "update log_record set subject = $1 where idx = 0", index)
    found = {one["id"]: one["differs"] for one in await records.search(person=OTHER)}
    assert (found[entry_id], found[theirs.entry_id]) == (["person"], [])


async def test_a_record_that_nothing_finds_any_more_says_so_when_it_is_shown(records):
    entry_id = await put(records)
    await change(records, "delete from log_record where idx = 0")
    assert (await shown(records, entry_id))["differs"] == ["row"]
    await change(records, "insert into record_indexing select year, size from log_head")
    assert (await shown(records, entry_id))["differs"] == []  # it is still to be made
    await change(records, "truncate log_record")
    while await indexing.index_older(records.agency):
        pass
    assert [one["differs"] for one in await records.search()] == [[]] * 2  # a correction had its row from the beginning
    assert json.loads((await records.inside("select body from log_entry where idx = 0"))[0]["body"])["id"] == entry_id
