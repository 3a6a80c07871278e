"""Where a follower of the log goes on: never past an entry, also when the fiscal year changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.intermediate_server.inquiry.endings import following_place
from gateway.intermediate_server.records.places import Place

NEW_YEAR = datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
"""Midnight in Japan."""


@pytest.mark.parametrize(
    ("sizes", "end", "minute", "place"),
    [
        ({2025: 70}, 50, 0, (2025, 50)),
        ({2025: 70}, 70, 30, (2025, 70)),
        ({2025: 70, 2026: 3}, 70, 5, (2025, 70)),
        ({2025: 70, 2026: 3}, 60, 30, (2025, 60)),
        ({2025: 70, 2026: 3}, 70, 30, (2026, 0)),
        ({2026: 3}, 40, 30, (2026, 0)),
        ({}, 40, 30, (2025, 40)),
    ],
)
def test_the_next_year_begins_when_the_old_one_is_through_and_takes_no_more(sizes, end, minute, place):
    now = NEW_YEAR.replace(minute=minute)
    following = following_place(sizes, Place(year=2025, index=40), end, now)
    assert (following.year, following.index) == place
