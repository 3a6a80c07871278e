"""A partner finds the list that counts by itself, and believes no version that the publisher has not signed or that leaves one out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from partner.lists import list_in_force
from partner.messages import MessageBrokenError, text
from tests.permission_lists.test_versions import ANOTHER, KEYS, head_of, version

FIRST = version(1, date(2026, 4, 1), None)
SECOND = version(2, date(2026, 12, 1), FIRST)
MIDNIGHT = datetime(2026, 11, 30, 15, tzinfo=UTC)
"""Of 1 December in Japan."""


def found(*versions, now=MIDNIGHT) -> str:
    wire = [{name: text(getattr(one, name)) for name in ("head", "signature", "content")} for one in versions]
    return list_in_force(wire, KEYS, now).digest


def test_the_newest_list_whose_day_has_come_in_japan_counts():
    assert found(FIRST, SECOND) == head_of(SECOND).content_digest
    assert found(FIRST, SECOND, now=MIDNIGHT - timedelta(seconds=1)) == head_of(FIRST).content_digest
    with pytest.raises(MessageBrokenError, match="in force"):
        found(FIRST, now=datetime(2026, 3, 31, 14, tzinfo=UTC))


def test_a_version_that_is_not_the_publishers_next_one_is_not_believed():
    forged = version(1, date(2026, 4, 1), None, signer=ANOTHER)
    other = replace(FIRST, content=SECOND.content)
    for wrong in (
        (forged,),
        (SECOND,),
        (FIRST, FIRST),
        (other,),
        (replace(FIRST, content=b"x"),),
        (replace(FIRST, head=b"{}"),),
    ):
        with pytest.raises(MessageBrokenError):
            found(*wrong)
