"""Who asked other agencies about whom, and what for: told by the analysis (SC-12), and in clear nowhere (SC-7, SC-20)."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from evidence import access_analysis
from evidence.access_analysis import Rule
from evidence.canonical import timestamp
from gateway.intermediate_server.covering import EVERYTHING
from gateway.intermediate_server.inquiry import reading, registering
from gateway.intermediate_server.inquiry.under_way import KeyStock
from gateway.intermediate_server.records import searching
from gateway.intermediate_server.staff import barring, enrolling, reporting
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, commit_step
from tests.gateway.provision.test_bars_of_merged import merged
from tests.support.provider_world import BASIS, INFORMATION, INQUIRER, NOON, ProviderWorld, provider_world

RELATED = commit_step("test", "who-asked.related")
WHAT_FOR = "架空 太郎の過誤納金の還付"


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: what others have asked about would be analysed too."""
    async with provider_world(tmp_path, cluster, mark="_asked") as found:
        found.now = NOON
        yield found


async def ask(world: ProviderWorld, actor: str, number: str, system: str = "kokuho") -> str:
    """Somebody at a business system of the ward asks 杉並 about a person; the inquiry number."""
    item = registering.DeskItem(
        message_id=secrets.token_hex(8), system=system, actor=actor, purpose=WHAT_FOR, integrated_number=number, provider=INQUIRER, item="27",
        information=INFORMATION, items=[], basis=BASIS,
    )  # fmt: skip
    [found] = await registering.register(world.agency, KeyStock(), [item], world.now)
    return found if isinstance(found, str) else found.number  # type: ignore[union-attr]


async def relate(world: ProviderWorld, staff_id: str, number: str, relation: str) -> None:
    await world.execute(
        "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by)"
        " values ($1, 'kokuho', 'active', '$argon2id$', false, $2, $2, 1, 'admin-1') on conflict do nothing",
        staff_id,
        NOON,
    )
    item = enrolling.RelateItem(staff_id=staff_id, relation=relation, integrated_number=number)
    await world.agency.committer.apply(Commit(step=RELATED, follow=enrolling.related(world.desk, item)))


async def test_whoever_asks_about_their_own_a_colleague_or_one_person_again_and_again_is_told(world):
    own, family, other, nobody = [await world.person() for _ in range(4)]
    await relate(world, "staff-7", own, "self")
    await relate(world, "staff-7", family, "household")
    asked = [await ask(world, *said) for said in (("staff-7", own), ("staff-7", family, "terminal"), ("staff-8", own))]
    for _ in range(3):
        asked.append(await ask(world, "staff-9", other))
        world.now += timedelta(hours=1)
    await ask(world, "staff-9", nobody)
    world.now += timedelta(hours=6)  # ten in the evening
    await ask(world, "staff-9", nobody)
    item = reporting.AnalysisItem(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    assert (report["entries"], report["complete"]) == (8, True)
    assert {(one["rule"], one["staff_id"], one["count"]) for one in report["findings"]} == {
        (Rule.OWN_RECORD, "kokuho/staff-7", 1),
        (Rule.HOUSEHOLD, "terminal/staff-7", 1),
        (Rule.COLLEAGUE, "kokuho/staff-8", 1),
        (Rule.REPEATED_PERSON, "kokuho/staff-9", 3),
        (Rule.OUTSIDE_HOURS, "kokuho/staff-9", 1),
    }
    told = {number for one in report["findings"] for number in one["handles"]}
    assert set(asked) <= told
    assert not [number for number in (own, family, other) if number in str(report)]


async def test_sc_12_whoever_looks_at_themselves_or_their_household_under_the_number_that_lives_on_is_told(world):
    """A search by whoever lives on shows the records of the merged number too (docs/adr/0115)."""
    world.now = start = NOON + timedelta(days=4)
    own, family, between, lives_on, other = [await world.person() for _ in range(5)]
    await relate(world, "staff-1", own, "self")
    await relate(world, "staff-1", family, "household")
    await ask(world, "staff-1", own)
    for number, into in ((own, between), (between, lives_on), (family, other)):
        await merged(world, number, into)
    world.desk.ring.rotate("staff")
    acting = world.staff("staff-1", Function.BARS_VIEW)
    await barring.view(acting, barring.ViewItem(integrated_number=lives_on), world.now)
    await ask(world, "staff-1", lives_on)
    await ask(world, "staff-1", other)
    item = reporting.AnalysisItem(since=start, until=start + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    assert {(one["rule"], one["staff_id"], one["count"]) for one in report["findings"]} == {
        (Rule.OWN_RECORD, "kokuho/staff-1", 2),
        (Rule.OWN_RECORD, "staff-1", 1),
        (Rule.HOUSEHOLD, "kokuho/staff-1", 1),
    }


async def read(world: ProviderWorld, number: str, by: str | None) -> None:
    """What came back is read at a business system, as IF_SKI_90013 does it (docs/adr/0077)."""
    row, now = (await world.fetch("select * from inquiry where inquiry_number = $1", number))[0], world.now
    wanted = reading.ResultItem(inquiry_number=number, system=row["system"], actor=by)
    entry = reading._read_by(world.agency, wanted, row, now)
    await world.agency.committer.apply(Commit(step=RELATED, entries=(entry,)))


async def test_whoever_reads_results_is_told_as_whoever_asks_is(world):
    """SC-12: one clerk asks, and others look at what came back."""
    world.now = start = NOON + timedelta(days=2)
    own, other = await world.person(), await world.person()
    await relate(world, "staff-7", own, "self")
    mine, theirs = await ask(world, "staff-1", own), await ask(world, "staff-1", other)
    await read(world, mine, "staff-7")
    await read(world, mine, "staff-8")
    for _ in range(3):
        world.now += timedelta(hours=1)
        await read(world, theirs, "staff-9")
    world.now += timedelta(hours=6)
    for _ in range(12):
        await read(world, theirs, "staff-2")
    await read(world, theirs, "staff-3")
    await relate(world, "kokuho", other, "self")
    await read(world, theirs, None)  # the business system itself, which is not the member of staff of that name
    item = reporting.AnalysisItem(since=start, until=start + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    assert report["entries"] == 21
    assert {(one["rule"], one["staff_id"], one["count"]) for one in report["findings"]} == {
        (Rule.OWN_RECORD, "kokuho/staff-7", 1),
        (Rule.COLLEAGUE, "kokuho/staff-8", 1),
        (Rule.REPEATED_PERSON, "kokuho/staff-9", 3),
        (Rule.OUTSIDE_HOURS, "kokuho/staff-2", 12),
        (Rule.MORE_THAN_PEERS, "kokuho/staff-2", 12),
        (Rule.OUTSIDE_HOURS, "kokuho/staff-3", 1),
        (Rule.OUTSIDE_HOURS, "kokuho/", 1),
        *((Rule.COLLEAGUE, f"kokuho/staff-{nth}", count) for nth, count in ((1, 1), (9, 3), (2, 12), (3, 1))),
        (Rule.COLLEAGUE, "kokuho/", 1),
    }
    assert {number for one in report["findings"] for number in one["handles"]} == {mine, theirs}


async def test_of_too_many_records_the_newest_are_read_and_the_report_says_from_when(world, monkeypatch):
    for module in (reporting, access_analysis):
        monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    number = await world.person()
    world.now += timedelta(days=28)
    await ask(world, "staff-1", number)
    world.now += timedelta(hours=10)  # in the evening
    since = world.now
    for who in ("staff-2", "staff-3", "staff-4"):
        await ask(world, who, number)
    item = reporting.AnalysisItem(since=since - timedelta(days=1), until=since + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    assert (report["entries"], report["complete"], report["read_since"]) == (3, False, timestamp(since))
    assert {one["staff_id"] for one in report["findings"]} == {f"kokuho/staff-{nth}" for nth in (2, 3, 4)}


async def test_what_an_inquiry_was_for_is_told_with_its_record_and_stands_in_no_row(world):
    number = await world.person()
    asked = await ask(world, "staff-7", number)
    found = await searching.search(world.agency, searching.SearchItem(person=number), EVERYTHING, world.now)
    assert [(one["inquiry_number"], one["purpose_text"]) for one in found["records"]] == [(asked, WHAT_FOR)]
    tables = await world.fetch("select tablename from pg_tables where schemaname = $1", world.agency.tenant)
    rows = [dict(row) for (table,) in tables for row in await world.fetch(f"select * from {table}")]
    assert asked in str(rows)
    in_clear = [
        row
        for row in rows
        if any(WHAT_FOR in str(value) or WHAT_FOR.encode() in _bytes(value) for value in row.values())
    ]
    assert in_clear == []


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


async def told_again_and_again(world: ProviderWorld) -> set[tuple[str, str, int]]:
    item = reporting.AnalysisItem(since=world.now - timedelta(days=30), until=world.now + timedelta(days=1))
    report = await reporting.report(world.desk, item, world.now)
    return {(one["rule"], one["staff_id"], one["count"]) for one in report["findings"]}


@pytest.mark.parametrize(
    "days", [("2023-02-01", "2023-02-02", "2023-02-03"), ("2024-03-28", "2024-03-29", "2024-04-01")]
)
async def test_sc_12_one_person_again_and_again_is_told_across_1_april(world, days):
    """Records find a person by an index of their fiscal year alone."""
    number = await world.person()
    for day in days:
        world.now = datetime.fromisoformat(f"{day}T03:00:00+00:00")
        await ask(world, "staff-9", number)
    assert await told_again_and_again(world) == {(Rule.REPEATED_PERSON, "kokuho/staff-9", 3)}


async def test_sc_12_one_person_again_and_again_is_told_across_rotations(world):
    world.now = datetime(2025, 6, 2, 3, tzinfo=UTC)
    number = await world.person()
    for purpose in ("personal/2025", "staff", None):
        await ask(world, "staff-9", number)
        world.now += timedelta(hours=1)
        if purpose is not None:
            with world.agency.keys.changing() as ring:
                ring.rotate(purpose)
    assert await told_again_and_again(world) == {(Rule.REPEATED_PERSON, "kokuho/staff-9", 3)}
