"""Erasure by rule (SC-3, SC-6, SC-16): at its time and not a second before, the key first, with a certificate, and no copy brings it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from evidence import checkpoint
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from evidence.findings import FindingName
from evidence.proven_records import verify_records
from evidence.verify import Export, verify
from gateway.intermediate_server.agency import hour_of
from gateway.intermediate_server.bars.states import Bar, BarState, Cause, Effect, Place
from gateway.intermediate_server.inquiry import reading
from gateway.intermediate_server.inquiry.under_way import result_aad
from gateway.intermediate_server.network.wire import Asked, encode_payload
from gateway.intermediate_server.records import extracting, searching, subjects
from gateway.intermediate_server.records.exchange_entries import note_event
from gateway.intermediate_server.retention import erasing
from keys.errors import KeyUnusable
from storage.committer import fiscal_year
from storage.database import StorageUnavailableError
from tests.support.records_world import AGENCY, reopened

ONE, OTHER = "100000000000001", "100000000000002"
ERASED_ON = datetime(2030, 3, 31, 15, tzinfo=UTC)
"""1 April 2030 in Japan: the last record of fiscal year 2022 is seven years old."""
EVERYTHING = {"covers": lambda _affair, _information: True}


async def shown(records, entry_id: str, *, proof: bool = False):
    item = searching.ShowItem(entry_id=entry_id, proof=proof)
    return await searching.show(records.agency, item, EVERYTHING["covers"], records.clock())


async def put_result(records, hours: int, content: bytes = b"what was answered") -> str:
    """An answered inquiry whose result may be read for so many hours; its number."""
    agency, now = records.agency, records.clock()
    number, until = agency.new_id("Q", now), now + timedelta(hours=hours)
    purpose = f"result/{hour_of(until)}"
    sealed = agency.keys.ensure(purpose).encrypt(purpose, content, result_aad(agency, number))
    asked = Asked(
        basis="b", expires_at=timestamp(now), information="i", inquirer=AGENCY, inquiry_number=number, item="27", items=(), key_hash="",
        list_digest="", provider="naikaku",
    )  # fmt: skip
    await records.inside(
        "insert into inquiry (inquiry_number, message_id, message_digest, system, actor, integrated_number, provider, basis, item,"
        " information, items, state, list_digest, request, key_purpose, result_sealed, registered_at, answer_by, result_until)"
        " values ($1, $1, '', 's', 'a', $2, 'naikaku', 'b', '27', 'i', '', 'answered', '', $7, $3, $4, $5, $5, $6)",
        number, ONE, purpose, sealed, now, until, asked.encode(),
    )  # fmt: skip
    return number


async def test_a_result_goes_with_its_hour_and_the_certificate_says_so(records):
    number = await put_result(records, 2)
    await put_result(records, 2)
    kept = (await records.inside("select key_purpose, result_sealed from inquiry where inquiry_number = $1", number))[0]
    purpose, sealed = kept["key_purpose"], kept["result_sealed"]
    records.clock.now += timedelta(hours=2) - timedelta(seconds=1)
    await records.sweep()
    assert records.agency.keys.ring.decrypt(purpose, sealed, result_aad(records.agency, number)) == b"what was answered"
    records.clock.now += timedelta(hours=1, seconds=1)
    await records.sweep()
    [row] = await records.inside("select * from erasure")
    assert (row["state"], row["erased"], row["key_versions"], row["kind"]) == ("certified", 2, "1", "results")
    for keys in (records.agency.keys, reopened(records).keys):
        with pytest.raises(KeyUnusable):
            keys.ring.decrypt(purpose, sealed, result_aad(records.agency, number))
    entry = (await shown(records, row["certificate"]))["record"]
    assert (entry["kind"], entry["reason"], entry["facts"]["key_file"]) == (
        EntryKind.ERASURE_CERTIFIED, "SC-3", records.agency.keys.file_digest(),
    )  # fmt: skip


async def test_many_results_go_in_stretches_and_their_key_after_the_last_of_them(records, monkeypatch):
    """SC-3, SC-16: what does not go in one turn goes in the next, and the certificate counts all of it."""
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(erasing, "STRETCHES_A_TURN", 2)
    for _ in range(5):
        await put_result(records, 2)
    [purpose] = {row["key_purpose"] for row in await records.inside("select key_purpose from inquiry")}
    records.clock.now += timedelta(hours=3)
    assert await erasing.expire_results(records.agency, records.clock()) == 4
    await erasing.certify(records.agency, records.clock())
    assert purpose in records.agency.keys.ring.purposes()
    assert [(row["state"], row["erased"]) for row in await records.inside("select * from erasure")] == [("begun", 4)]
    assert await erasing.expire_results(records.agency, records.clock()) == 1
    await erasing.certify(records.agency, records.clock())
    [row] = await records.inside("select * from erasure")
    assert (row["state"], row["erased"], row["key_versions"]) == ("certified", 5, "1")
    assert erasing.key_gone(records.agency, purpose)


async def test_a_result_is_read_until_its_time_and_not_a_second_longer_though_nobody_has_swept(records):
    number, end = await put_result(records, 2, encode_payload("answered", [])), records.clock() + timedelta(hours=2)
    wanted = [reading.ResultItem(inquiry_number=number, system="s")]
    found = []
    for late in (-1, 0, 1):
        records.clock.now = end + timedelta(seconds=late)
        [told] = await reading.results(records.agency, wanted)
        found.append((told["state"], told["values"], told["reason"]))
    assert found == [("answered", [], None), *[("answered", None, "result_deleted")] * 2]
    [row] = await records.inside("select result_sealed from inquiry")
    assert row["result_sealed"] is not None


@pytest.mark.parametrize(("effect", "read"), [(Effect.SUSPEND, False), (Effect.FREEZE, True)])
async def test_sc_27_a_result_is_not_read_while_use_is_suspended(records, effect, read):
    number = await put_result(records, 2, encode_payload("answered", []))
    bar = Bar(
        bar_id="B", place=Place.PERSON, effect=effect, cause=Cause.SUSPENSION_REQUESTED, integrated_number=ONE, inquirer=None, information="*",
        data_item="*", state=BarState.STANDING, set_by="staff-1", set_at=records.clock(),
    )  # fmt: skip
    agency, wanted = records.agency, [reading.ResultItem(inquiry_number=number, system="s")]
    agency.bars.hold_to(bar)
    [told] = await reading.results(agency, wanted)
    assert (told["state"], told["values"], told["reason"]) == (
        ("answered", [], None) if read else ("answered", None, "use_suspended")
    )
    await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    assert (await reading.results(agency, wanted))[0]["values"] == []


async def test_who_reads_a_result_again_and_what_for_is_on_record_each_time(records):
    """SC-7."""
    number = await put_result(records, 2, encode_payload("answered", []))
    reads = [
        {"system": "s", "actor": "staff-1", "purpose": "架空 太郎の還付をもう一度確かめる"},
        {"system": "s"},
        {"system": "s", "actor": "staff-1"},
        {"system": "other", "actor": "staff-2"},
    ]
    for said in reads:
        [told] = await reading.results(records.agency, [reading.ResultItem(inquiry_number=number, **said)])
        assert (told.get("values") is None) == (said["system"] == "other")
    found = await records.search(person=ONE)
    assert [(one["kind"], one["actor"], one["facts"]["inquiry_number"]) for one in reversed(found)] == [
        ("inquiry.result_read", actor, number) for actor in ("s/staff-1", "s", "s/staff-1")
    ]
    assert found[-1]["purpose_text"] == reads[0]["purpose"]
    assert [one["id"] for one in await records.search(staff="s", affair="27")] == [found[1]["id"]]
    bodies = [row["body"].decode() for row in await records.inside("select body from log_entry")]
    assert not any("架空" in body or ONE in body for body in bodies)
    assert await extracting.extract(records.agency, extracting.ExtractItem(person=ONE), records.clock()) == []
    with pytest.raises(msgspec.ValidationError):
        reading.RESULT_ITEM.decode(msgspec.json.encode({"inquiry_number": number}))


async def test_a_result_about_another_person_than_the_reader_means_is_not_read_and_on_record(records):
    """docs/adr/0121."""
    number = await put_result(records, 2, encode_payload("answered", []))
    found = []
    for numbers in (["9" * 15], ["9" * 15, ONE], None):
        wanted = reading.ResultItem(inquiry_number=number, system="s", actor="staff-1", integrated_numbers=numbers)
        [told] = await reading.results(records.agency, [wanted])
        found.append((told["state"], told["values"], told["reason"]))
    assert found == [("answered", None, "person_changed"), *[("answered", [], None)] * 2]
    noted = [(one["kind"], one["reason"], one["actor"]) for one in reversed(await records.search(person=ONE))]
    assert noted == [("inquiry.result_read", reason, "s/staff-1") for reason in ("person_changed", None, None)]


async def test_a_result_that_cannot_be_put_on_record_is_not_read(records):
    """SC-7."""
    number = await put_result(records, 2, encode_payload("answered", []))
    records.agency.committer.barred = "log_behind_its_peers"
    with pytest.raises(StorageUnavailableError):
        await reading.results(records.agency, [reading.ResultItem(inquiry_number=number, system="s")])


async def test_a_certificate_that_a_crash_kept_from_being_written_is_written_later(records):
    await put_result(records, 1)
    records.clock.now += timedelta(hours=3)
    await erasing.expire_results(records.agency, records.clock())
    assert [row["state"] for row in await records.inside("select state from erasure")] == ["begun"]
    await erasing.certify(records.agency, records.clock())
    await erasing.certify(records.agency, records.clock())
    assert [row["state"] for row in await records.inside("select state from erasure")] == ["certified"]
    assert len(await records.inside("select 1 from log_entry where kind = 'erasure.certified'")) == 1


async def test_records_are_kept_for_seven_years_to_the_second_and_then_their_bodies_go(records):
    old = await records.put(ONE)
    records.clock.now = datetime(2023, 3, 31, 14, 59, 59, tzinfo=UTC)  # the last second of fiscal year 2022 in Japan
    last = await records.put(OTHER)
    records.clock.now += timedelta(seconds=1)
    young = await records.put(ONE)
    proof = (await shown(records, old.entry_id, proof=True))["proof"]

    await records.years_pass(ERASED_ON - timedelta(seconds=1))
    await records.sweep()
    assert {one["id"] for one in await records.search(person=ONE)} == {old.entry_id, young.entry_id}

    await records.years_pass(ERASED_ON)
    await records.sweep()
    assert [one["id"] for one in await records.search(person=ONE)] == [young.entry_id]
    assert await records.search(person=OTHER) == []
    for entry in (old, last):
        answer = await shown(records, entry.entry_id, proof=True)
        [row] = await records.inside("select * from erasure where key_purpose = 'personal/2022'")
        assert answer["proof"] is None
        assert (answer["record"]["erased"], answer["record"]["certificate"]) == (True, row["certificate"])
        assert set(answer["record"]) == {"id", "at", "kind", "erased", "log", "differs", "corrections", "certificate"}
    assert (row["erased"], row["sealed"], row["state"]) == (2, 2, "certified")
    assert verify_records("kept", proof.encode().splitlines(keepends=True), records.trusted()).clean
    assert (await shown(records, young.entry_id))["record"]["id"] == young.entry_id


async def test_the_pruned_log_still_verifies_beside_the_log_that_says_so_and_not_without_it(records):
    await records.put(ONE)
    await records.put(OTHER)
    whole = (await records.export(2022)).splitlines(keepends=True)
    await records.years_pass(ERASED_ON)
    await records.sweep()
    report = await records.verified(2022, 2030)
    assert report.findings == ()
    [pruned] = [log for log in report.logs if log.erased]
    assert (pruned.entries, pruned.erased, pruned.roots) == (2, 2, 2)
    assert pruned.root == next(log.root for log in verify([Export("whole", whole)], records.trusted()).logs)

    alone = await records.verified(2022)
    assert [one.name for one in alone.findings] == [FindingName.ERASED_UNCERTIFIED]
    nothing_of_it = [
        line for line in (await records.export(2022)).splitlines() if b"suginami" in line or ONE.encode() in line
    ]
    assert nothing_of_it == []


async def test_an_older_copy_of_the_database_does_not_bring_a_person_back(records):
    """SC-16: sealed rows and indexes as a backup has them, put back behind everybody's back."""
    await records.put(ONE)
    copy = await records.inside("select year, idx, at, entry_id, body, personal from log_entry where year = 2022")
    found_by = await records.inside("select * from log_record")
    await records.years_pass(ERASED_ON)
    await records.sweep()
    async with records.administrator() as admin:
        await admin.execute("alter table log_entry disable trigger user")
        for row in copy:
            await admin.execute(
                "update log_entry set body = $3, personal = $4 where year = $1 and idx = $2", row["year"], row["idx"], row["body"], row["personal"]
            )  # fmt: skip
        for row in found_by:
            await admin.execute(
                "insert into log_record values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", *row.values()
            )
        await admin.execute("alter table log_entry enable trigger user")
    for agency in (records.agency, reopened(records)):
        assert [subjects.open_personal(agency, row) for row in copy] == [None]
        assert subjects.index_of(agency, copy[0]["at"], ONE) is None
    assert await records.search(person=ONE) == []
    assert await extracting.extract(records.agency, extracting.ExtractItem(person=ONE), records.clock()) == []
    [row] = await records.inside("select * from erasure where key_purpose = 'personal/2022'")
    assert not await erasing.nothing_left(records.agency, [row]), "whoever confirms is told that bodies are there again"


async def test_nobody_prunes_before_the_log_itself_has_come_to_the_eighth_year(records):
    await records.put(ONE)
    records.clock.now = ERASED_ON - timedelta(days=366)
    await records.put(ONE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await records.inside("select prune_log(2022, 10)")
    for change in (
        "update log_entry set body = null, personal = null",
        "insert into log_pruned values (2022, 1)",
        "delete from log_record",
        "delete from log_entry",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await records.inside(change)
        async with records.administrator() as admin:
            if "log_record" not in change:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await admin.execute(change)
    assert len(await records.search(person=ONE)) == 2


async def test_even_in_the_eighth_year_nothing_but_bodies_can_go(records):
    await records.put(ONE)
    await records.years_pass(ERASED_ON)
    await records.sweep()
    for change in (
        "update log_entry set leaf = sha256('another') where year = 2022",
        "update log_entry set inquiry_number = null, body = null where year = 2022",
        "update log_entry set body = 'another' where year = 2022",
        "update log_entry set body = null, personal = null where year = 2030",
        "update log_pruned set upto = upto - 1",
        "update log_pruned set upto = upto + 1000",
        "update log_pruned set year = 2030, upto = 2",
        "delete from log_pruned",
        "truncate log_entry cascade",
    ):
        async with records.administrator() as admin:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(change)


async def test_a_year_too_long_for_one_sweep_is_finished_by_the_next_ones(records, monkeypatch):
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(erasing, "STRETCHES_A_TURN", 1)
    for _ in range(7):
        await records.put(ONE)
    await records.years_pass(ERASED_ON)
    await erasing.erase_records(records.agency, records.clock())
    await erasing.certify(records.agency, records.clock())
    assert [row["upto"] for row in await records.inside("select upto from log_pruned")] == [2]
    assert [row["state"] for row in await records.inside("select state from erasure")] == ["begun"]
    assert await records.search(person=ONE) == [], "the key is gone before the first body"
    await records.sweep()
    [row] = await records.inside("select state, erased, sealed from erasure")
    assert tuple(row) == ("certified", 7, 7)


async def test_a_clock_that_jumps_ahead_destroys_nothing(records):
    """A server whose clock is wrong by years has no log of the year before: it waits for a clock that is right, or for a year to pass."""
    await records.put(ONE)
    records.clock.now = ERASED_ON + timedelta(days=365)
    await records.put(OTHER)
    await records.sweep()
    assert len(await records.search(person=ONE)) == 1
    assert await records.inside("select 1 from erasure") == []


async def test_rows_left_for_the_next_sweep_keep_the_certificate_waiting(records, monkeypatch):
    monkeypatch.setattr(erasing, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(erasing, "STRETCHES_A_TURN", 1)
    await records.put(ONE)
    for _ in range(5):
        await put_result(records, 1)
    await records.years_pass(ERASED_ON)
    await erasing.erase_records(records.agency, records.clock())
    await erasing.certify(records.agency, records.clock())
    assert [row["state"] for row in await records.inside("select state from erasure where kind = 'records'")] == [
        "begun"
    ]
    await records.sweep()
    [row] = await records.inside("select state, erased, rows_deleted from erasure where kind = 'records'")
    assert tuple(row) == ("certified", 1, 5)


async def test_rows_of_inquiries_and_provisions_go_with_their_records(records):
    await put_result(records, 1)
    records.clock.now = datetime(2023, 3, 31, 14, 59, 59, tzinfo=UTC)
    await put_result(records, 1)
    await records.put(ONE)
    records.clock.now += timedelta(seconds=1)  # 1 April 2023 in Japan
    kept = await put_result(records, 1)
    await records.years_pass(ERASED_ON)
    await records.sweep()
    assert [row["inquiry_number"] for row in await records.inside("select inquiry_number from inquiry")] == [kept]
    [row] = await records.inside("select rows_deleted from erasure where key_purpose = 'personal/2022'")
    assert row["rows_deleted"] == 2


async def test_hiding_a_record_as_erased_is_named(records):
    """An agency that would rather not show an entry exports its hash alone."""
    for number in (ONE, OTHER, ONE):
        await records.put(number)
    lines = (await records.export(2022)).splitlines(keepends=True)
    for hidden in ({0}, {1}, {0, 1, 2}):
        found = {one.name for one in verify([Export("hiding", gone(lines, hidden))], records.trusted()).findings}
        assert FindingName.ERASED_UNCERTIFIED in found


async def test_an_erasure_before_its_day_is_named(records):
    """Somebody erases early and says so in the log: the saying is dated, and a log of hashes is held against that date."""
    await records.put(ONE)
    lines = (await records.export(2022)).splitlines(keepends=True)
    [head] = await records.inside("select origin, size, note from log_head")
    for day, name in ((ERASED_ON - timedelta(seconds=1), FindingName.ERASED_EARLY), (ERASED_ON, None)):
        records.clock.now = day
        root = checkpoint.parse(head["note"]).root.hex()
        said = {"log": head["origin"], "size": head["size"], "root": root}
        await records.commit(
            note_event(records.agency, day, EntryKind.ERASURE_BEGUN, reason=None, actor="auto", **said)
        )
        exports = [
            Export("2022", gone(lines, {0})),
            Export("later", (await records.export(fiscal_year(day))).splitlines(keepends=True)),
        ]
        names = {one.name for one in verify(exports, records.trusted()).findings}
        assert names - {FindingName.FILE_ALTERED} == ({name} if name else set())


def gone(lines: list[bytes], indexes: set[int]) -> list[bytes]:
    """An export in which the bodies of these entries are left out."""
    told = []
    for line in lines:
        read = json.loads(line)
        if read.get("index") in indexes:
            read = {"erased": read["index"], "leaf": read["leaf"]}
        told.append(json.dumps(read, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    return told
