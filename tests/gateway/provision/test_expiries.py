"""Clocks at every edge of what codes, results and years live by: a second before, on it and after it; leap day, 1 April, Japan and UTC."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta

import pytest

from evidence.erasure import ends
from gateway.intermediate_server.agency import hour_of
from gateway.intermediate_server.codes import binding, ending
from gateway.intermediate_server.codes.states import Ending
from permission_lists.versions import legal_day
from storage.committer import fiscal_year
from storage.log_keeping import last_year_due
from tests.support.copies import qualified
from tests.support.provider_world import LIMITS, ProviderWorld

SECOND = timedelta(seconds=1)
AROUND = [(-SECOND, True), (timedelta(0), False), (SECOND, False)]
"""How late, and whether it still counts."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def code() -> bytes:
    return bytes([1, 1]) + secrets.token_bytes(binding.CODE_SIZE - 2)


async def bound(world: ProviderWorld, acquisition: str, fresh: bytes) -> dict:
    item = binding.CodeItem(acquisition_number=acquisition, code=fresh)
    return (await binding.bind_codes(world.agency, [item], world.now))[0]


@pytest.mark.parametrize(("late", "counts"), AROUND)
async def test_an_acquisition_number_is_good_inside_its_window(world, late, counts):
    wanted = [binding.NumberItem(integrated_number=f"91{secrets.randbelow(10**13):013d}")]
    first = (await binding.request_numbers(world.agency, wanted, world.now))[0]["acquisition_number"]
    world.now += LIMITS.acquisition_within + late
    again = (await binding.request_numbers(world.agency, wanted, world.now))[0]["acquisition_number"]
    assert (again == first) is counts
    told = await bound(world, first, code())
    assert told == ({"bound": True} if counts else {"refused": {"reason": "acquisition_number_unknown"}})


@pytest.mark.parametrize(("late", "counts"), AROUND)
async def test_a_request_is_forgotten_behind_its_window_and_what_comes_then_is_told_so(world, late, counts):
    wanted = [binding.NumberItem(integrated_number=f"92{secrets.randbelow(10**13):013d}")]
    number = (await binding.request_numbers(world.agency, wanted, world.now))[0]["acquisition_number"]
    world.now += LIMITS.acquisition_within + late
    await ending.expire_requests(world.agency, world.now)
    told = await bound(world, number, code())
    assert told == ({"bound": True} if counts else {"refused": {"reason": "acquisition_number_expired"}})


@pytest.mark.parametrize(("late", "counts"), AROUND)
async def test_a_replaced_code_is_answered_to_for_its_time(world, late, counts):
    number = await world.person()
    await qualified(world, number)
    item = ending.ReplaceItem(integrated_number=number, message_id="m", reason=Ending.RESIDENT_RECORD_CHANGED)
    acquisition = (await ending.replace_codes(world.agency, [item], world.now))[0]["acquisition_number"]
    assert await bound(world, acquisition, code()) == {"bound": True}
    world.now += LIMITS.replaced_code_for + late
    answer = await world.ask(world.question(number))
    assert (answer.disposition, answer.reason) == (("provided", None) if counts else ("refused", "code_replaced"))


@pytest.mark.parametrize(
    ("at", "day", "year"),
    [
        ("2027-03-31T14:59:59", date(2027, 3, 31), 2026),
        ("2027-03-31T15:00:00", date(2027, 4, 1), 2027),
        ("2027-03-31T23:59:59", date(2027, 4, 1), 2027),
        ("2027-04-01T00:00:00", date(2027, 4, 1), 2027),
        ("2028-02-28T14:59:59", date(2028, 2, 28), 2027),
        ("2028-02-28T15:00:00", date(2028, 2, 29), 2027),
        ("2028-02-29T14:59:59", date(2028, 2, 29), 2027),
        ("2028-02-29T15:00:00", date(2028, 3, 1), 2027),
        ("2100-02-28T15:00:00", date(2100, 3, 1), 2099),
        ("2026-12-31T15:00:00", date(2027, 1, 1), 2026),
    ],
)
def test_days_and_fiscal_years_are_those_of_japan(at, day, year):
    assert (legal_day(utc(at)), fiscal_year(utc(at))) == (day, year)


@pytest.mark.parametrize(
    ("at", "year"),
    [
        ("2034-03-31T14:59:59", 2025),
        ("2034-03-31T15:00:00", 2026),
        ("2036-02-28T15:00:00", 2027),  # 29 February in Japan
        ("2036-03-31T14:59:59", 2027),
        ("2036-03-31T15:00:00", 2028),
    ],
)
def test_a_year_is_due_seven_years_after_its_end_in_japan_and_not_a_second_sooner(at, year):
    assert last_year_due(utc(at)) == year
    assert (
        ends(year).replace(year=ends(year).year + 7) <= utc(at) < ends(year + 1).replace(year=ends(year + 1).year + 7)
    )


@pytest.mark.parametrize(
    ("until", "hour"),
    [
        ("2028-02-29T02:59:59", "2028-02-29T03"),
        ("2028-02-29T03:00:00", "2028-02-29T04"),
        ("2028-02-29T23:00:01", "2028-03-01T00"),
        ("2027-03-31T23:59:59", "2027-04-01T00"),
    ],
)
def test_the_key_of_a_result_is_of_an_hour_that_begins_behind_its_time(until, hour):
    assert hour_of(utc(until)) == hour
    assert utc(until) < datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC) <= utc(until) + timedelta(hours=1)
