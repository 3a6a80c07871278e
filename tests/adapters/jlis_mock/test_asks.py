"""The resident network knows afterwards who asked for how much, and lets nobody ask for everybody at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.jlis_mock.resident_network.asks import AskLimit
from tests.adapters.jlis_mock.people import individual_number
from tests.adapters.jlis_mock.surroundings import ASKS_PER_MINUTE, Surroundings
from tests.adapters.jlis_mock.wishes import acquire
from transport.channel import RefusedByPeerError

NOW = datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)
ASK = {"individual_number": individual_number(1)}


async def counted(around: Surroundings, agency: str) -> dict[str, tuple[int, int]]:
    rows: list[Any] = await around.sql(
        "select function, sum(asked)::int as asked, sum(turned_away)::int as turned_away"
        " from resident_network.agency_asks where agency = $1 group by function",
        agency,
    )
    return {row["function"]: (row["asked"], row["turned_away"]) for row in rows}


def test_the_limit_is_of_each_agency_and_each_minute() -> None:
    limit = AskLimit(most=10)
    assert limit.take("setagaya", 10, NOW)
    assert not limit.take("setagaya", 1, NOW + timedelta(seconds=30))
    assert limit.take("suginami", 10, NOW)
    assert limit.take("setagaya", 10, NOW + timedelta(minutes=1))


def test_what_is_refused_does_not_use_up_the_limit() -> None:
    limit = AskLimit(most=10)
    assert not limit.take("setagaya", 11, NOW)
    assert limit.take("setagaya", 10, NOW)


@pytest.mark.asyncio(loop_scope="session")
async def test_what_an_agency_asks_for_is_counted_by_function(around: Surroundings) -> None:
    before = await counted(around, "suginami")
    await around.items("suginami-linkage", f"{around.resident_url}/four-items", [ASK, ASK, ASK])
    await acquire(around, "suginami", 41)
    after = await counted(around, "suginami")
    gained = {name: after[name][0] - before.get(name, (0, 0))[0] for name in after}
    assert gained == {"four-items": 3, "code-requests": 1}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", ["four-items", "code-requests"])
async def test_asking_for_more_than_the_limit_is_refused_and_counted(around: Surroundings, path: str) -> None:
    item = {**ASK, "acquisition_number": "P" + "0" * 26} if path == "code-requests" else ASK
    with pytest.raises(RefusedByPeerError) as refusal:
        await around.items("unassessed-linkage", f"{around.resident_url}/{path}", [item] * (ASKS_PER_MINUTE + 1))
    assert refusal.value.reason == "too_many_asks"
    assert (await counted(around, "unassessed"))[path] == (0, ASKS_PER_MINUTE + 1)
