"""What statistics tell of a month does not hang on who is registered or listed when somebody asks (SC-23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from evidence.entry import EntryKind
from gateway.intermediate_server.operations import statistics
from gateway.intermediate_server.operations.disclosure import DEFAULT_THRESHOLD, publish
from gateway.setting_up.list_versions import sign_shipped
from keys.publisher import PublisherKeys
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from permission_lists import versions
from tests.gateway.records.test_counted_anew import again
from tests.support.records_world import AGENCY, Records
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


async def of_a_newcomer(records: Records) -> None:
    """杉並 has few (9) and is told together with 渋谷 (12), 川崎 with a text of somebody's own (6) as unlisted."""
    for partner, times in (("kawasaki", 50), ("a-text-of-my-own", 6), ("suginami", 9), ("shibuya", 12)):
        for _ in range(times):
            await records.put(
                None, EntryKind.INQUIRY_REFUSED, inquirer=AGENCY, provider=partner, reason="use_suspended"
            )
    assert await statistics.count(records.agency)


async def test_sc_23_a_month_is_told_as_before_when_an_agency_has_come_since(records):
    """With 川崎 by its name the text would be told together with 杉並, and 渋谷 alone: of the 21 of before, the nine of 杉並 are the difference."""
    await of_a_newcomer(records)
    before = await told(records, "suginami", "shibuya")
    assert sorted(one.exchanges for one in before) == [21, 56]
    assert await told(records, "suginami", "shibuya", "kawasaki") == before


async def test_sc_23_a_month_is_told_as_before_when_it_is_counted_anew(records):
    await of_a_newcomer(records)
    before = await told(records, "suginami", "shibuya")
    await again(records)
    assert await statistics.count(records.agency)
    assert await told(records, "suginami", "shibuya", "kawasaki") == before


async def test_sc_23_a_month_is_told_as_before_when_its_affair_comes_on_the_list(records):
    for item, times in (("27", 12), ("42", 3), ("58", 20)):
        for _ in range(times):
            await records.put(None, item=item)
    assert await statistics.count(records.agency)
    before = await told(records, "suginami")
    publisher = Signer(generate_seed())
    for signed in sign_shipped(publisher):
        head = versions.check(signed, records.agency.lists.heads, PublisherKeys.of(publisher.public_key))
        assert isinstance(head, versions.Head)
        records.agency.lists.hold(head, signed)
    assert await told(records, "suginami") == before
