"""What a person would see of their records (SC-27, 番号法23条): everything that concerns them but what is not to be disclosed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from evidence.entry import EntryKind
from evidence.findings import FindingName
from evidence.proven_records import verify_records
from gateway.intermediate_server.bars.states import Bar, BarState, Cause, Effect, Place
from gateway.intermediate_server.records import extracting, recipients
from tests.support.records_world import AGENCY

ONE, OTHER = "100000000000001", "100000000000002"


async def extracted(records, number: str = ONE, **period):
    return await extracting.extract(records.agency, extracting.ExtractItem(person=number, **period), records.clock())


async def test_every_step_about_a_person_is_there_in_words_that_name_no_ground(records):
    asked = {
        "inquirer": AGENCY,
        "provider": "naikaku",
        "item": "42",
        "inquiry_number": records.agency.new_id("Q", records.clock()),
    }
    await records.put(ONE, EntryKind.INQUIRY_REGISTERED, **asked)
    await records.put(ONE, EntryKind.INQUIRY_ANSWERED, disposition="provided", **asked)
    await records.put(ONE, EntryKind.PROVISION_HELD, reason="support_measures", disposition="held")
    await records.put(ONE, EntryKind.PROVISION_REFUSED, reason="non_disclosure", disposition="refused")
    await records.put(OTHER, EntryKind.PROVISION_MADE)
    await records.put(None, EntryKind.PROVISION_MADE)
    shown = await extracted(records)
    views = [json.loads(one.view) for one in shown]
    assert [view["outcome"] for view in views] == ["asked", "given", "waiting", "not_given"]
    assert (views[0]["inquirer"], views[0]["provider"], views[0]["item"], views[0]["items"]) == (
        AGENCY,
        "naikaku",
        "42",
        ["被保険者番号"],
    )
    said = b"".join(one.view for one in shown)
    assert b"support_measures" not in said
    assert b"non_disclosure" not in said
    assert b"auto" not in said


async def test_what_is_not_to_be_disclosed_is_not_there_and_nothing_says_so(records):
    number = records.agency.new_id("Q", records.clock())
    await records.put(ONE)
    await records.put(
        ONE,
        EntryKind.INQUIRY_REGISTERED,
        inquirer=AGENCY,
        provider="naikaku",
        inquiry_number=number,
        non_disclosure=True,
    )
    await records.put(ONE, EntryKind.INQUIRY_ANSWERED, inquirer=AGENCY, provider="naikaku", inquiry_number=number)
    await records.put(ONE, non_disclosure=False)
    shown = await extracted(records)
    file = b"".join(extracting.file_lines(records.agency, shown, records.clock()))
    assert len(shown) == 2
    assert number.encode() not in file
    assert b"disclos" not in file
    [header, *_] = file.splitlines()
    assert set(json.loads(header)) == {"about_one", "agency", "made_at", "origin", "sekisho_records"}


async def test_what_is_not_to_be_disclosed_is_not_disclosed_to_whom_a_correction_brings_it(records):
    """The provider marks its answer; a correction then says that the inquiry, whose first record has no mark yet, was about somebody else."""
    asked, told = (
        {"inquirer": AGENCY, "provider": "naikaku", "inquiry_number": f"Q{mark}" + "0" * 25} for mark in "12"
    )
    for said, marked in ((asked, True), (told, False)):
        registered = await records.put(ONE, EntryKind.INQUIRY_REGISTERED, **said)
        await records.put(ONE, EntryKind.INQUIRY_ANSWERED, non_disclosure=marked, **said)
        await records.corrected(registered.entry_id, OTHER)
    shown = [json.loads(one.view) for one in await extracted(records, OTHER)]
    assert [(view["outcome"], view["inquiry_number"]) for view in shown] == [("corrected", told["inquiry_number"])]


async def test_what_was_not_to_be_disclosed_stays_so_when_the_record_that_said_so_is_gone(records):
    """The held record has no mark, the release has; the correction of the first outlives both."""
    number = records.agency.new_id("Q", records.clock())
    held = await records.put(ONE, EntryKind.PROVISION_HELD, inquiry_number=number)
    await records.put(ONE, EntryKind.PROVISION_RELEASED, inquiry_number=number, non_disclosure=True)
    await records.years_pass(datetime(2025, 5, 1, tzinfo=UTC))
    await records.corrected(held.entry_id, ONE)
    assert await extracted(records, ONE) == []
    await records.years_pass(datetime(2030, 4, 2, tzinfo=UTC))
    await records.sweep()
    assert await records.inside("select 1 from log_entry where entry_id = $1 and body is not null", held.entry_id) == []
    assert await extracted(records, ONE) == []


async def test_what_is_about_frozen_information_is_not_there_until_that_is_lifted(records):
    number = records.agency.new_id("Q", records.clock())
    await records.put(ONE, inquiry_number=number)
    await records.put(OTHER)
    bar = Bar(
        bar_id="B", place=Place.PERSON, effect=Effect.FREEZE, cause=Cause.WRONG_LINK, integrated_number=ONE, inquirer=None, information="*",
        data_item="*", state=BarState.STANDING, set_by="staff-1", set_at=records.clock(),
    )  # fmt: skip
    records.agency.bars.hold_to(bar)
    assert [await extracted(records, one) == [] for one in (ONE, OTHER)] == [True, False]
    agency = records.agency
    await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    assert number.encode() in b"".join(one.view for one in await extracted(records))


async def test_an_extract_over_two_fiscal_years_is_checked_with_the_register_alone(records):
    for _ in range(3):
        await records.put(ONE)
        await records.put(OTHER)
        records.clock.now += timedelta(days=100)
    lines = list(extracting.file_lines(records.agency, await extracted(records), records.clock()))
    checked = verify_records("extract", lines, records.trusted(), number=ONE)
    assert (checked.findings, checked.records, checked.opened) == ((), 3, 3)
    assert sum(line.startswith(b'{"checkpoint"') for line in lines) == 2
    names = {one.name for one in verify_records("extract", lines, records.trusted(), number=OTHER).findings}
    assert names == {FindingName.ANOTHER_PERSON}


async def test_in_whose_stead_somebody_asked_and_answered_is_told_and_proven(records):
    """委任: the person sees both names, and so does whoever tells recipients of a wrong link (SC-18, SC-27)."""
    await records.put(ONE, inquirer_for="koiki-rengo", provider_for="tokyo")
    await records.put(ONE)
    since = records.clock() - timedelta(days=1)
    shown = await extracted(records)
    names = [
        {name: json.loads(one.view).get(name) for name in ("inquirer", "inquirer_for", "provider_for")} for one in shown
    ]
    assert names == [
        {"inquirer": "suginami", "inquirer_for": "koiki-rengo", "provider_for": "tokyo"},
        {"inquirer": "suginami", "inquirer_for": None, "provider_for": None},
    ]
    lines = list(extracting.file_lines(records.agency, shown, records.clock()))
    checked = verify_records("extract", lines, records.trusted(), number=ONE)
    assert (checked.findings, checked.records, checked.opened) == ((), 2, 2)
    [told] = await recipients.recipients(
        records.agency, [recipients.RecipientsItem(integrated_number=ONE, since=since)]
    )
    assert [one.get("inquirer_for") for one in told["recipients"]] == ["koiki-rengo", None]


async def test_a_period_bounds_what_is_shown(records):
    first = records.clock()
    for _ in range(3):
        await records.put(ONE)
        records.clock.now += timedelta(days=1)
    shown = await extracted(records, since=first + timedelta(days=1), until=first + timedelta(days=2))
    assert len(shown) == 1


async def test_what_is_marked_later_is_not_there_in_an_extract_of_the_time_before(records):
    """Held on one day, refused as 不開示 on the next: an extract up to that day says nothing of it (番号法23条2項, SC-27)."""
    asked = {"inquiry_number": records.agency.new_id("Q", records.clock())}
    await records.put(ONE, EntryKind.PROVISION_HELD, disposition="held", **asked)
    await records.put(ONE)
    records.clock.now += timedelta(days=1)
    day = records.clock()
    await records.put(ONE, EntryKind.PROVISION_REFUSED, disposition="refused", non_disclosure=True, **asked)
    shown = [json.loads(one.view) for one in await extracted(records, until=day)]
    assert [view["outcome"] for view in shown] == ["given"]
