"""LS-2.2: files in any order. A line that named what was not held is decided anew when its file comes back, and is no newer than the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.gateway.business_information.test_calls import CHILD, PARENT, change, look
from tests.gateway.business_information.test_transfer import item, put_records, send, settled, states, until
from tests.gateway.linkage_server.test_business_information import ndjson, record
from tests.support.change_files import change as person_change
from tests.support.change_files import changes_csv, day
from tests.support.resident_files import load, person, put, through
from transport.clock import JST


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


async def intakes(both):
    rows = await both.linkage.rows(
        "select state, counts from intake where channel = 'business-information' order by id"
    )
    return [(row["state"], json.loads(row["counts"])) for row in rows]


async def test_ls_2_2_a_file_that_came_before_its_people_is_taken_when_the_same_bytes_come_again(both):
    async with both.standing(), both.served():
        assert await send(both, [record(1)], "a.ndjson") == [["1", "rejected", "addressee_unknown", "addressee_number"]]
        await load(both.spool, [person(1)])
        assert await send(both, [record(1)], "b.ndjson") == [["1", "registered", "", ""]]
        assert await send(both, [record(1)], "c.ndjson") == [["1", "registered", "", ""]]
    assert await intakes(both) == [("done", {"taken": 1})]
    assert len(await both.replicas()) == 1


async def test_ls_2_2_a_deletion_and_a_change_that_came_first_count_when_they_come_again(both):
    deletion = [record(1, operation="delete", changed_at=ago(1))]
    changed = [record(2, operation="change", items=item(2, "2222222"), changed_at=ago(1))]
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1), person(2)])
        assert (await send(both, deletion, "d.ndjson"))[0][2] == "record_unknown"
        assert (await send(both, changed, "c.ndjson"))[0][2] == "record_unknown"
        await send(both, [record(1, changed_at=ago(2)), record(2, changed_at=ago(2))], "a.ndjson")
        assert await send(both, deletion, "d2.ndjson") == [["1", "deleted", "", ""]]
        assert await send(both, changed, "c2.ndjson") == [["1", "registered", "", ""]]
        await until(lambda: states(both), settled)
        [shown] = (await look(caller, addressee_number="0000000002")).body["items"]
    assert await states(both) == {"r1": "deleted", "r2": "registered"}
    assert shown["items"]["口座番号"] == {"value": "2222222"}
    assert [row["record_id"] for row in await both.replicas()] == ["kokuho/r2"]


async def test_ls_2_2_a_file_of_before_that_comes_back_undoes_nothing_that_came_since(both):
    deletion = [record(1, operation="delete")]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        assert (await send(both, deletion, "d.ndjson"))[0][2] == "record_unknown"
        await send(both, [record(1)], "a.ndjson")
        assert await send(both, deletion, "d2.ndjson") == [["1", "unchanged", "overtaken", ""]]
    assert len(await both.replicas()) == 1


async def test_ls_2_2_a_line_that_is_still_about_nobody_leaves_its_file_as_it_was(both):
    lines = [record(1), record(2, record_id="r2")]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        first = await send(both, lines, "a.ndjson")
        kept = await both.linkage.rows("select done_at from intake where channel = 'business-information'")
        assert await send(both, lines, "b.ndjson") == first
    assert await both.linkage.rows("select done_at from intake where channel = 'business-information'") == kept
    assert first == [["1", "registered", "", ""], ["2", "rejected", "addressee_unknown", "addressee_number"]]


async def test_ls_2_2_a_record_that_comes_before_its_parent_in_one_file_is_taken(both):
    file = [CHILD, CHILD | {"record_id": "lost", "parent_record_id": "nobody"}, PARENT]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        first = await send(both, file, "a.ndjson")
        assert await send(both, file, "b.ndjson") == first
    assert [line[1:3] for line in first] == [["registered", ""], ["rejected", "parent_unknown"], ["registered", ""]]


async def test_ls_2_2_a_parent_that_is_deleted_above_its_child_goes_too(both):
    gone = [one | {"operation": "delete"} for one in (PARENT, CHILD)]
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        await send(both, [PARENT, CHILD], "a.ndjson")
        assert await send(both, gone, "b.ndjson") == [["1", "deleted", "", ""], ["2", "deleted", "", ""]]
    assert await both.replicas() == []


async def test_ls_2_2_the_time_of_lines_that_tell_none_is_the_day_of_their_file(both):
    """Extracted in the morning, changed in the afternoon, loaded at night: the change is the newer one."""
    today = both.linkage.config.clock().astimezone().date()
    async with both.standing(), both.served():
        await load(both.spool, [person(1)])
        folder = put_records(both, [record(1)], "a.ndjson")
        manifest = folder / "in" / "a.ndjson.manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"as_of": today.isoformat()}))
        await through(folder, "a.ndjson")
        late = [record(1, operation="change", items=item(1, "2222222"), changed_at=ago(0.001))]
        assert await send(both, late, "b.ndjson") == [["1", "registered", "", ""]]


async def test_ls_2_3_who_looks_at_records_of_an_ended_addressee_number_is_on_record_as_whose(both):
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await send(both, [record(1)])
        ended = changes_csv([person_change("e1", 1, "addressee_end", day()) | {"system": "kokuho"}])
        await through(put(both.spool, ended, name="e.csv", count=1, channel="person-changes"), "e.csv")
        await until(lambda: states(both), lambda found: found == {"r1": "withheld"})
        assert (await look(caller, addressee_number="0000000001")).body["items"]
        assert (await look(caller, record_ids=["r1"])).body["items"]
        assert (await change(caller, [record(1, operation="delete")], "k1")).body["items"][0]["outcome"] == "taken"
    about = await both.linkage.rows(
        "select e.entry_id, s.subject from log_entry e left join access_subject s using (entry_id)"
        " where e.kind = 'persons.seen'"
    )
    assert len({row["entry_id"] for row in about}) == len(about) == 3
    assert len({row["subject"] for row in about}) == 1
    assert about[0]["subject"]


@pytest.mark.parametrize(
    ("days_ago", "told"), [(1, ["unchanged", "overtaken"]), (0, ["registered", ""]), (None, ["registered", ""])]
)
async def test_ls_2_2_a_file_is_of_its_day_and_a_call_of_when_it_comes(both, days_ago, told):
    """Beside a call of the same day the later one counts; a file of the day before is overtaken by it, and one of no day is the last word."""
    today = both.linkage.config.clock().astimezone(JST).date()
    of = {} if days_ago is None else {"as_of": (today - timedelta(days=days_ago)).isoformat()}
    by_file = ndjson([record(1, operation="change", items=item(1, "2222222"))])
    async with both.standing(), both.served() as caller:
        await load(both.spool, [person(1)])
        await change(caller, [record(1)], "k1")
        folder = put(both.spool, by_file, name="b.ndjson", count=1, channel="business-information", **of)
        assert (await through(folder, "b.ndjson")).splitlines()[1].split(",")[1:3] == told
        again = record(1, operation="change", items=item(1, "3333333"))
        [answer] = (await change(caller, [again], "k2")).body["items"]
        assert answer["outcome"] == "taken"
        old = [again | {"items": item(1, "4444444"), "changed_at": ago(48)}]
        [answer] = (await change(caller, old, "k3")).body["items"]
        assert (answer["outcome"], answer["reason"]) == ("unchanged", "overtaken")
