"""Somebody had two numbers, and one of them lives on (SC-27, IS-5; docs/adr/0115): the records of both are theirs, for as long as the merge stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from evidence.entry import EntryKind
from evidence.findings import FindingName
from evidence.proven_records import verify_records
from gateway.intermediate_server import carrying, merges
from gateway.intermediate_server.bars.states import Bar, BarState, Cause, Effect, Place
from gateway.intermediate_server.codes import ending
from gateway.intermediate_server.codes.ending import CancelItem
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.operations import restoring
from gateway.intermediate_server.records import disclosing, extracting

A, B, C, D = (f"10000000000000{nth}" for nth in range(1, 5))


async def merged(records, *merges: tuple[str, str]) -> None:
    items = [CancelItem(integrated_number=one, reason=Ending.MERGED, lives_on=other) for one, other in merges]
    assert await ending.cancel_codes(records.agency, items, records.clock()) == [{"cancelled": True}] * len(items)


async def undone(records, number: str, split_off: str) -> None:
    item = carrying.SplitItem(integrated_number=number, split_off=split_off)
    await carrying.take_splits(records.agency, [item], records.clock())


async def lines_of(records, number: str, **period) -> list[bytes]:
    item = extracting.ExtractItem(person=number, **period)
    shown = await extracting.extract(records.agency, item, records.clock())
    return list(extracting.file_lines(records.agency, shown, records.clock()))


def views(lines: list[bytes]) -> list[dict]:
    return [json.loads(json.loads(line)["record"]["view"]) for line in lines if line.startswith(b'{"record"')]


async def ids(records, number: str, **period) -> list[str]:
    """Of the records that are shown to whoever this number names, each proven to be theirs offline, by the register and that one number."""
    lines = await lines_of(records, number, **period)
    checked = verify_records("extract", lines, records.trusted(), number=number)
    assert (checked.findings, checked.opened) == ((), checked.records)
    assert number.encode() not in b"".join(lines)
    return [view["id"] for view in views(lines)]


async def found(records, number: str) -> set[str]:
    return {one["id"] for one in await records.search(person=number)}


async def test_who_lives_on_has_the_records_of_the_number_that_was_merged(records):
    first, second = await records.put(A), await records.put(B)
    await records.put(C)
    assert await ids(records, B) == [second.entry_id]
    await merged(records, (A, B))
    records.clock.now += timedelta(days=1)
    later = await records.put(B)
    want = [first.entry_id, second.entry_id, later.entry_id]
    assert await ids(records, B) == want
    assert await found(records, B) == set(want)
    assert await ids(records, B, until=records.clock()) == want[:2]
    assert await found(records, A) == {first.entry_id}


async def test_what_is_disclosed_at_the_portal_has_them_too(records):
    first = await records.put(A)
    await merged(records, (A, B))
    [record] = await disclosing.disclosed(records.agency, B, records.clock())
    file = record["items"][disclosing.FILE]["value"]
    assert first.entry_id in file
    assert not {A, B} & set(file.split('"'))
    assert verify_records("disclosed", file.encode().splitlines(keepends=True), records.trusted()).clean


async def test_another_s_number_opens_none_of_them_and_who_lives_on_is_said_of_views_alone(records):
    await records.put(A)
    await records.put(B)
    await merged(records, (A, B))
    lines = await lines_of(records, B)
    assert [("lives_on" in view) for view in views(lines)] == [True, False]
    assert {one.name for one in verify_records("x", lines, records.trusted(), number=C).findings} == {
        FindingName.ANOTHER_PERSON
    }
    by_its_own = verify_records("x", lines, records.trusted(), number=A)
    assert (by_its_own.opened, [one.name for one in by_its_own.findings]) == (1, [FindingName.ANOTHER_PERSON])


@pytest.mark.parametrize("order", [[(A, B), (B, C), (C, D)], [(C, D), (B, C), (A, B)]])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_chain_of_merges_is_followed_to_its_beginning(records, order, at_once):
    put = [await records.put(number) for number in (A, B, C, D)]
    for some in [order] if at_once else [[one] for one in order]:
        await merged(records, *some)
    assert await ids(records, D) == [one.entry_id for one in put]
    assert await ids(records, B) == [one.entry_id for one in put[:2]]


async def test_when_a_merge_is_undone_neither_sees_what_is_recorded_under_the_other(records):
    """What was asked while the two were taken for one was asked about the number that lived on, and so says the log."""
    one, other = await records.put(A), await records.put(B)
    await merged(records, (A, B))
    meanwhile = await records.put(B)
    await undone(records, B, A)
    after = await records.put(A)
    assert await ids(records, A) == [one.entry_id, after.entry_id]
    assert await ids(records, B) == [other.entry_id, meanwhile.entry_id]
    assert (await found(records, A)).isdisjoint(await found(records, B))


async def test_when_the_later_of_two_merges_is_undone_the_first_number_goes_with_the_one_in_the_middle(records):
    put = [await records.put(number) for number in (A, B, C)]
    await merged(records, (A, B), (B, C))
    await undone(records, C, B)
    assert await ids(records, B) == [one.entry_id for one in put[:2]]
    assert await ids(records, C) == [put[2].entry_id]


async def test_when_the_first_of_two_merges_is_undone_the_other_stands(records):
    put = [await records.put(number) for number in (A, B, C)]
    await merged(records, (A, B), (B, C))
    await undone(records, C, A)
    assert await ids(records, A) == [put[0].entry_id]
    assert await ids(records, C) == [one.entry_id for one in put[1:]]


async def test_a_correction_of_a_record_of_the_merged_number_belongs_to_whom_the_record_is_about(records):
    record = await records.put(A)
    await records.put(B)
    await merged(records, (A, B))
    correction = await records.corrected(record.entry_id, "minato", "inquirer")
    assert {record.entry_id, correction} <= set(await ids(records, B))
    await undone(records, B, A)
    assert set(await ids(records, A)) == {record.entry_id, correction}
    assert not {record.entry_id, correction} & set(await ids(records, B))


async def test_a_record_that_is_corrected_to_who_lives_on_stays_with_them_when_the_merge_is_undone(records):
    record = await records.put(A)
    await merged(records, (A, B))
    correction = await records.corrected(record.entry_id, B)
    assert await ids(records, B) == [record.entry_id, correction]
    await undone(records, B, A)
    assert (await ids(records, A), await ids(records, B)) == ([record.entry_id], [correction])


@pytest.mark.parametrize("whose", [A, B])
async def test_what_is_not_to_be_disclosed_of_either_number_is_not_there(records, whose):
    """番号法23条2項: also where the record that says so is of the other number."""
    asked = {"inquiry_number": records.agency.new_id("Q", records.clock())}
    await records.put(whose, EntryKind.PROVISION_HELD, disposition="held", **asked)
    await records.put(A if whose is B else B, EntryKind.PROVISION_MADE, non_disclosure=True, **asked)
    shown = await records.put(A)
    await merged(records, (A, B))
    assert await ids(records, B) == [shown.entry_id]


def bar_at(records, number: str, effect: Effect) -> None:
    """A bar that works at this number alone: where it was carried, staff have lifted it."""
    records.agency.bars.hold_to(
        Bar(
            bar_id="B", place=Place.PERSON, effect=effect, cause=Cause.WRONG_LINK, integrated_number=number, inquirer=None, information="*",
            data_item="*", state=BarState.STANDING, set_by="staff-1", set_at=records.clock(),
        )
    )  # fmt: skip


@pytest.mark.parametrize("whose", [A, B])
async def test_what_is_frozen_at_either_number_is_not_there(records, whose):
    await records.put(A)
    await records.put(B)
    await merged(records, (A, B))
    bar_at(records, whose, Effect.FREEZE)
    assert await ids(records, B) == []


async def test_who_is_barred_under_the_merged_number_is_told_at_the_counter(records):
    await records.put(A)
    await merged(records, (A, B))
    bar_at(records, A, Effect.HOLD)
    assert await disclosing.disclosed(records.agency, B, records.clock()) is None


async def test_records_under_keys_of_before_a_rotation_and_of_years_before_are_found_until_their_time_is_over(records):
    old = await records.put(A)
    with records.agency.keys.changing() as ring:
        ring.rotate("personal/2022")
    rotated = await records.put(A)
    await records.years_pass(datetime(2025, 5, 1, tzinfo=UTC))
    late = await records.put(A)
    await merged(records, (A, B))
    assert await ids(records, B) == [one.entry_id for one in (old, rotated, late)]
    await records.years_pass(datetime(2030, 4, 2, tzinfo=UTC))
    await records.sweep()
    assert await ids(records, B) == [late.entry_id]


async def test_sc_15_no_restore_brings_back_a_merge_that_was_undone(records):
    """The database as the backup of before the end has it, and what a restore does to it."""
    first = await records.put(A)
    await merged(records, (A, B))
    assert await ids(records, B) == [first.entry_id]
    records.clock.now += timedelta(hours=1)
    snapshot = records.clock()
    records.clock.now += timedelta(hours=1)
    await undone(records, B, A)
    async with records.administrator() as admin:
        await admin.execute("insert into merged_number values ($1, $2), ($3, $2)", A, C, D)
        table, column = next(one for one in restoring._ERASABLE.items() if one[0] == merges.TABLE)
        erased = records.agency.erasures.erased_since(snapshot, "B")
        kept = [row[0] for row in await admin.fetch(f"select {column} from {table}")]
        gone = [key for key in kept if not erased.isdisjoint(records.agency.erasures.digests(table, key))]
        await admin.execute(restoring._SQL[f"leave_out_of_{table}"], gone)
    assert await merges.merged_into(records.agency, C) == [D]
