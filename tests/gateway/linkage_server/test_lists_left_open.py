"""SC-7: a list that was taken before the server died is on record once it is there again, as it was sent."""

from __future__ import annotations

import asyncio
import json
import signal

import aiohttp
import pytest

from gateway.linkage_server.personal_keys import PersonalKeys
from tests.support.change_files import STATED, as_of, change, day, loaded, send, with_juki
from tests.support.linkage_world import Caller, start_process, write_role
from tests.support.resident_files import person
from tests.support.review_world import until

DAY_S = 86_400


@pytest.fixture
async def ward(world):
    return await with_juki(world)


async def entries(ward):
    return await ward.rows(
        "select entry_id, body, personal from log_entry where kind = 'addressees.loaded' order by idx"
    )


async def open_intakes(ward):
    return await ward.rows("select from intake where state = 'open' or said_sealed is not null")


async def killed_at(ward, fault, call) -> None:
    """The server dies at its first commit of a list."""
    write_role(ward, {})
    process = await start_process(ward, fault)
    dying = asyncio.ensure_future(process.wait())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ward.context())) as client:
        caller = Caller(ward, client)
        await caller.wait_until_there(dying)
        with pytest.raises(aiohttp.ClientError):
            await call(caller)
    assert await asyncio.wait_for(dying, 60) == -signal.SIGKILL


async def test_a_change_whose_day_has_come_is_on_record_also_after_a_kill(ward):
    async with ward.served(clock_offset_s=-DAY_S) as caller:
        await loaded(ward, 1)
        to_come = [change("e1", 1, "address_change", day(), address="架空県１番")]
        [sent] = (await send(caller, to_come, key="k1")).body["items"]
        assert sent["outcome"] == "waiting"
    before = len(await entries(ward))
    write_role(ward, {})
    killed = await start_process(ward, "linkage.commit.people.changed.before")
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert len(await open_intakes(ward)) == 1
    async with ward.served() as caller:
        assert await until(lambda: open_intakes(ward), lambda left: not left) == []
        assert (await as_of(caller, 1, day()))["address"] == "架空県１番"
    assert len(await entries(ward)) == before + 1


async def test_a_list_of_a_call_that_nobody_repeats_is_on_record_with_who_sent_it_and_why(ward):
    async with ward.served():
        await loaded(ward, 1)
    change_it = [change("e1", 1, "address_change", day(), address="架空県１番")]
    await killed_at(ward, "linkage.commit.people.changed.before", lambda caller: send(caller, change_it, key="k1"))
    async with ward.served() as caller:
        assert await until(lambda: open_intakes(ward), lambda left: not left) == []
        assert (await send(caller, change_it, key="k1")).body["items"][0]["outcome"] == "applied"
    *_, entry = await entries(ward)
    body = json.loads(entry["body"])
    facts = body["facts"]
    assert (body["actor"], facts["staff"], facts["affair"]) == ("juki", STATED["staff"], STATED["affair"])
    assert (facts["lines"], facts["applied"]) == (1, 1)
    assert len([one for one in await entries(ward) if one["body"] == entry["body"]]) == 1
    keys = PersonalKeys(ward.config.open_keys("setagaya").ring)
    assert keys.open_access_reason(entry["personal"], entry["entry_id"]) == STATED["reason"]


async def test_a_registration_by_call_that_nobody_repeats_is_on_record(ward):
    people = {"items": [{name: text for name, text in person(1).items() if name != "system"}]}

    async def register(caller):
        return await caller.post("/v1/addressees", people, token=await caller.token("juki"), key="k1")

    await killed_at(ward, "linkage.commit.addressees.loaded.before", register)
    async with ward.served():
        assert await until(lambda: open_intakes(ward), lambda left: not left) == []
    [entry] = await entries(ward)
    assert json.loads(entry["body"])["facts"]["issued"] == 1
