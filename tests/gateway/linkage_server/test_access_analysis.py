"""SC-12 at the linkage server: looks at people outside hours, again and again, unusually many, and refused calls are told to whoever audits."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

import pytest

from codebook.holidays import closed_days
from evidence import access_analysis
from gateway.linkage_server.access import analysis
from transport.clock import JST

STATED = {"affair": "insurance-qualification", "reason": "資格の届出"}
AUDIT = {"staff": "k-1", "affair": "audit", "reason": "定期の点検"}


def person(nth):
    return {
        "addressee_number": str(nth),
        "name": f"架空 {'花' * nth}子",
        "kana": f"カクウ {'ハナ' * nth}コ",
        "sex": "2",
        "birth_date": f"1980-04-{nth:02d}",
        "address": "東京都世田谷区架空町一丁目2-3",
        "resident_kind": "住民",
    }


def working_day():
    """The next day on which offices are open."""
    day = datetime.now(UTC).astimezone(JST).date() + timedelta(days=1)
    while day.weekday() >= 5 or day in closed_days(day.year):
        day += timedelta(days=1)
    return day


@pytest.fixture
async def ward(world):
    await world.register(scopes=("addressees:register", "persons:search"))
    await world.register(
        "kansa", system="kansa", scopes=("access-log:read", "persons:search"), may_use_individual_number=False
    )
    async with world.served() as caller:
        people = [person(nth) for nth in range(1, 4)]
        answer = await caller.post("/v1/addressees", {"items": people}, token=await caller.token(), key="load-1")
        assert [one["outcome"] for one in answer.body["items"]] == ["issued"] * 3
    return world


@asynccontextmanager
async def at(world, day, hour, minute=0, **options):
    """The server, with its clock at that time in Japan."""
    there = datetime.combine(day, time(hour, minute), JST)
    async with world.served(clock_offset_s=(there - datetime.now(UTC)).total_seconds(), **options) as caller:
        yield caller


async def look(caller, nth, staff):
    asked = STATED | {"staff": staff, "addressee_number": str(nth)}
    answer = await caller.post("/v1/persons/search", asked, token=await caller.token())
    assert len(answer.body["items"]) == 1


async def analysed(caller, since, until=None, client="kansa", **asked):
    period = AUDIT | {"since": str(since), "until": str(until or since)} | asked
    return await caller.post("/v1/access-log/analysis", period, token=await caller.token(client))


async def test_looks_at_night_and_at_one_person_again_and_again_are_told_and_others_are_not(ward):
    day = working_day()
    async with at(ward, day, 3) as caller:
        await look(caller, 1, "s-night")
    for hour, minute in ((10, 0), (10, 40), (11, 20)):
        async with at(ward, day, hour, minute) as caller:
            await look(caller, 2, "s-curious")
            await look(caller, 3, f"s-diligent-{minute}")
    async with at(ward, day, 12) as caller:
        answer = await analysed(caller, day)
        (before,) = [(await analysed(caller, day - timedelta(days=9), day - timedelta(days=1))).body["findings"]]
    told = {(one["rule"], one["staff_id"], one["count"]) for one in answer.body["findings"]}
    assert told == {("outside_hours", "kokuho/s-night", 1), ("repeated_person", "kokuho/s-curious", 3)}
    assert before == []
    assert (answer.body["entries"], answer.body["complete"]) == (7, True)
    again = next(one for one in answer.body["findings"] if one["rule"] == "repeated_person")
    looked = await ward.rows("select entry_id from log_entry where kind = 'persons.seen' and body like '%s-curious%'")
    assert (again["day"], again["person"][:7], set(again["handles"])) == (
        str(day),
        "person-",
        {row["entry_id"] for row in looked},
    )


async def test_of_too_many_looks_the_newest_are_read_and_the_report_says_from_when(ward, monkeypatch):
    for module in (access_analysis, analysis):
        monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    day = working_day()
    async with at(ward, day, 10) as caller:
        await look(caller, 1, "s-early")
    async with at(ward, day, 21) as caller:
        for nth in range(1, 4):
            await look(caller, nth, "s-late")
        told = (await analysed(caller, day)).body
    assert (told["entries"], told["complete"]) == (3, False)
    assert datetime.fromisoformat(told["read_since"]) >= datetime.combine(day, time(21), JST)
    assert [(one["rule"], one["staff_id"]) for one in told["findings"]] == [("outside_hours", "kokuho/s-late")]


async def test_many_looks_and_many_refusals_of_a_day_are_told_by_the_hours_that_the_agency_has(ward):
    day = working_day()
    async with at(ward, day, 20, staff_closes="21:00") as caller:
        for _ in range(10):
            await look(caller, 1, "s-busy")
        await look(caller, 2, "s-usual")
        for _ in range(5):
            asked = STATED | {"staff": "s-1", "affair": "no-such-affair", "addressee_number": "1"}
            refused = await caller.post("/v1/persons/search", asked, token=await caller.token())
            assert refused.status == 403
    async with at(ward, day, 20, 30, staff_closes="21:00") as caller:
        answer = await analysed(caller, day)
    told = {(one["rule"], one["staff_id"], one["count"], one["usual"]) for one in answer.body["findings"]}
    assert told == {
        ("more_than_peers", "kokuho/s-busy", 10, 1.0),
        ("refused_entrances", "kokuho", 5, None),
    }


async def test_the_report_is_for_auditors_alone_and_on_record(ward):
    day = datetime.now(UTC).astimezone(JST).date()
    async with ward.served() as caller:
        assert (await analysed(caller, day)).status == 200
        [seen] = await ward.rows(
            "select body from log_entry where kind = 'persons.seen' and body like '%\"analysis\"%'"
        )
        assert b'"staff":"k-1"' in seen["body"]
        scope = await analysed(caller, day, client="kokuho")
        backwards = await analysed(caller, day, day - timedelta(days=1))
        no_day = await analysed(caller, "2026-02-30")
    assert (scope.status, scope.body["reason"]) == (403, "scope_missing")
    assert (backwards.status, backwards.body["reason"]) == (400, "period_malformed")
    assert (no_day.status, no_day.body["reason"]) == (400, "malformed_body")
