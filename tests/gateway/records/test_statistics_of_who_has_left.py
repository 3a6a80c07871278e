"""What statistics tell of a month does not hang on who is registered when somebody asks (SC-23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from evidence.entry import EntryKind
from gateway.intermediate_server.operations import statistics
from gateway.intermediate_server.operations.disclosure import DEFAULT_THRESHOLD, publish
from keys.windows import PublicKeys
from tests.support.records_world import Records
from transport.register import Register

OCTOBER = date(2022, 10, 1)


async def told(records: Records, *registered: str) -> list[Any]:
    named: Any = dict.fromkeys(registered)
    register = Register(agencies=named, peers={}, logs={}, permit_keys=PublicKeys.of(bytes(32)))
    [counts] = (await statistics._counts(replace(records.agency, register=lambda: register), OCTOBER, OCTOBER)).values()
    return sorted(publish(counts, DEFAULT_THRESHOLD), key=str)


async def test_a_month_is_told_as_before_when_agencies_have_left_since(records):
    """杉並 and 協会けんぽ are told together, since three are few. Were two who leave told together, the three would follow."""
    for partner, times in (("suginami", 12), ("kyokai-kenpo", 3), ("shibuya", 20)):
        for _ in range(times):
            await records.put(None, inquirer=partner)
    assert await statistics.count(records.agency)
    before = await told(records, "suginami", "kyokai-kenpo", "shibuya")
    assert sorted(one.exchanges for one in before) == [15, 20]
    assert await told(records, "suginami") == before


async def test_whom_nothing_was_exchanged_with_is_still_nobody_of_their_own_name(records):
    for _ in range(12):
        await records.put(None, EntryKind.INQUIRY_REFUSED, provider="a-text-of-my-own", reason="agency_unknown")
    assert await statistics.count(records.agency)
    [one] = await told(records)
    assert one.parties == (statistics.UNLISTED, "", "")
