"""What is kept sealed and was changed in the database is refused with a reason, of that one alone, and stays as it is (SC-6, SC-13)."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from dataclasses import replace
from datetime import date, timedelta

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from gateway.intermediate_server.agency import hour_of
from gateway.intermediate_server.codes import binding, ending, renewing
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.inquiry import driving, reading, registering
from gateway.intermediate_server.inquiry.under_way import Inquiry, KeyStock, result_aad
from gateway.intermediate_server.network.wire import encode_payload
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from tests.gateway.provision.test_ended_codes import code
from tests.gateway.provision.test_who_proposed_a_correction import decided, propose
from tests.support import staff_at_work
from tests.support.copies import QUALIFICATION, qualification, qualified
from tests.support.provider_world import BASIS, INFORMATION, INQUIRER, NOON, ProviderWorld, provider_world
from transport.channel import Channel


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own: what does not open stays, and staff are told of it."""
    async with provider_world(tmp_path, cluster, mark="_kept") as found:
        found.now = NOON
        yield found


async def changed(world: ProviderWorld, table: str, column: str, key: str, of: str, *, at: int = 30) -> None:
    """One bit of what is sealed, as somebody with the rights of the database's owner changes it."""
    await world.execute(
        f"update {table} set {column} = set_byte({column}, {at}, get_byte({column}, {at}) # 1) where {key} = $1",
        of,
    )


def asked(number: str) -> registering.DeskItem:
    return registering.DeskItem(
        message_id=secrets.token_hex(8), system="kokuho", actor="tanto-1", purpose="確認", integrated_number=number, provider=INQUIRER, item="27",
        information=INFORMATION, items=[], basis=BASIS,
    )  # fmt: skip


async def answered(world: ProviderWorld, number: str) -> str:
    """An inquiry whose answer is there to be read; its number."""
    agency, now = world.agency, world.now
    [found] = await registering.register(agency, KeyStock(), [asked(number)], now)
    assert isinstance(found, Inquiry)
    until = now + timedelta(hours=2)
    purpose = f"result/{hour_of(until)}"
    payload = encode_payload("answered", [])
    sealed = agency.keys.ensure(purpose).encrypt(purpose, payload, result_aad(agency, found.number))
    await world.execute(
        "update inquiry set state = 'answered', due_at = null, key_purpose = $2, private_sealed = null, result_sealed = $3, result_until = $4"
        " where inquiry_number = $1",
        found.number, purpose, sealed, until,
    )  # fmt: skip
    return found.number


def refused(reason: str) -> float:
    labels = {"by": "inquirer", "reason": reason, "item": "27"}
    return REGISTRY.get_sample_value("sekisho_refusals_total", labels) or 0.0


async def test_a_stored_result_that_was_changed_is_unreadable_alone_on_record_and_kept(world):
    bad, good = [await answered(world, await world.person()) for _ in range(2)]
    await changed(world, "inquiry", "result_sealed", "inquiry_number", bad)
    [before] = await world.fetch("select * from inquiry where inquiry_number = $1", bad)
    counted = refused("result_unreadable")
    wanted = [reading.ResultItem(inquiry_number=one, system="kokuho", actor="tanto-2") for one in (bad, good)]
    told = await reading.results(world.agency, wanted)
    assert [(one["state"], one["reason"], one["values"]) for one in told] == [
        ("answered", "result_unreadable", None),
        ("answered", None, []),
    ]
    assert refused("result_unreadable") == counted + 1
    [entry] = [one for one in await world.entries(bad) if one["kind"] == "inquiry.result_read"]
    assert (entry["reason"], entry["actor"]) == ("result_unreadable", "kokuho/tanto-2")
    assert (await world.fetch("select * from inquiry where inquiry_number = $1", bad)) == [before]
    await changed(world, "inquiry", "result_sealed", "inquiry_number", bad)
    assert (await reading.results(world.agency, wanted[:1]))[0]["values"] == []


async def test_a_stored_request_that_was_changed_hinders_neither_the_reading_of_its_result_nor_others_under_way(world):
    read = await answered(world, await world.person())
    under_way = []
    for _ in range(2):
        [found] = await registering.register(world.agency, KeyStock(), [asked(await world.person())], world.now)
        assert isinstance(found, Inquiry)
        under_way.append(found.number)
    for one in (read, under_way[0]):
        await changed(world, "inquiry", "request", "inquiry_number", one, at=0)
    [told] = await reading.results(world.agency, [reading.ResultItem(inquiry_number=read, system="kokuho")])
    assert told["values"] == []
    found = {one.number: one.private for one in await reading.due(world.agency, world.now + timedelta(hours=1))}
    assert [found[one] is None for one in under_way] == [True, False]


async def test_a_stored_code_that_was_changed_asks_nothing_and_hinders_nobody_else(world):
    bad, good = await world.person(), await world.person()
    await changed(world, "person_code", "code_sealed", "integrated_number", bad)
    found = await registering.register(world.agency, KeyStock(), [asked(bad), asked(good)], world.now)
    assert isinstance(found[0], str)
    assert isinstance(found[1], Inquiry)
    [row] = await world.fetch("select state, reason from inquiry where inquiry_number = $1", found[0])
    assert tuple(row) == ("refused", "own_code_unreadable")
    assert [one["reason"] for one in await world.entries(found[0])] == ["own_code_unreadable"]


async def test_an_inquiry_under_way_whose_code_was_changed_ends_with_the_reason(world):
    number = await world.person()
    [found] = await registering.register(world.agency, KeyStock(), [asked(number)], world.now)
    assert isinstance(found, Inquiry)
    found.code = None  # taken up again by the sweeper
    await changed(world, "person_code", "code_sealed", "integrated_number", number)
    await driving.drive(world.agency, found)
    [row] = await world.fetch("select state, reason from inquiry where inquiry_number = $1", found.number)
    assert tuple(row) == ("aborted", "own_code_unreadable")


async def renew(request: web.Request) -> web.Response:
    """As the core renews: every code that is asked about gets one of the next epoch."""
    items = (await request.json())["items"]
    return web.json_response({"items": [{"code": b64encode(code(2)).decode()} for _ in items]})


async def test_a_code_that_was_changed_is_not_renewed_and_the_others_are(world, aiohttp_server):
    numbers = [await world.person() for _ in range(3)]
    await changed(world, "person_code", "code_sealed", "integrated_number", numbers[1])
    rows = [(await world.fetch("select * from person_code where integrated_number = $1", one))[0] for one in numbers]
    app = web.Application()
    app.router.add_post("/code-renewals", renew)
    url = (await aiohttp_server(app)).make_url("/code-renewals")
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
        core = Channel(client, str(url), name="code-renewals")
        work = group.create_task(core.run())
        await renewing._renew(replace(world.agency, code_renewals=core), rows, 2)
        work.cancel()
    found = [
        (await world.fetch("select epoch, renewal_refused from person_code where integrated_number = $1", one))[0]
        for one in numbers
    ]
    assert [tuple(row) for row in found] == [(2, None), (0, "own_code_unreadable"), (2, None)]


async def test_an_acquisition_number_that_was_changed_is_given_anew(world):
    number = f"9{secrets.randbelow(10**14):014d}"
    wanted = [binding.NumberItem(integrated_number=number)]
    [first] = await binding.request_numbers(world.agency, wanted, world.now)
    assert await binding.request_numbers(world.agency, wanted, world.now) == [first]
    await changed(world, "person_code", "acquisition_sealed", "integrated_number", number)
    [second] = await binding.request_numbers(world.agency, wanted, world.now)
    assert second["acquisition_number"] not in (None, first["acquisition_number"])
    fresh = binding.CodeItem(acquisition_number=second["acquisition_number"], code=code())
    assert await binding.bind_codes(world.agency, [fresh], world.now) == [{"bound": True}]
    replaced = ending.ReplaceItem(integrated_number=number, message_id="m", reason=Ending.RESIDENT_RECORD_CHANGED)
    assert "acquisition_number" in (await ending.replace_codes(world.agency, [replaced], world.now))[0]


async def test_a_person_key_that_was_changed_refuses_that_persons_copies_alone(world):
    bad, good = await world.person(), await world.person()
    await qualified(world, bad)
    await qualified(world, good)
    await changed(world, "person_key", "wrapped", "integrated_number", bad)
    items = {
        name: {"value": said} if said else {"null_reason": "NotApplicable"} for name, said in qualification().items()
    }
    records = [
        ReplicaItem(
            record_id=f"new-{number}", operation="register", integrated_number=number, information=INFORMATION, data_set=QUALIFICATION,
            version="0001", public_from=date(2020, 4, 1), auto_response="allowed", items=items,
        )
        for number in (bad, good)
    ]  # fmt: skip
    answers = await registration.register(world.agency, records, world.now)
    assert answers[1] == {"registered": True}
    assert answers[0]["refused"]["reason"] == "person_key_unreadable"


async def test_a_right_number_that_was_changed_is_not_approved_and_can_be_rejected(world):
    number, right = await world.person(), await world.person()
    await qualified(world, number)
    question = world.question(number)
    await world.ask(question)
    [entry] = await world.entries(question.asked.inquiry_number)
    await staff_at_work.enter(world.desk, ["proposer"], NOON)
    proposed = await propose(world, entry["id"], correcting.Field.SUBJECT, right)
    await changed(world, "record_correction", "number_sealed", "correction_id", proposed["correction_id"])
    assert await decided(world, proposed, approve=True) == "correction_unreadable"
    assert await decided(world, proposed, approve=False) == "rejected"
