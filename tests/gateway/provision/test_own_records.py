"""情報提供等記録 that somebody asks for at the portal: refused where a bar stands, and nobody learns of the bar by that (SC-4, SC-27, IS-5)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.intermediate_server.bars.standing import FREE, Barred
from gateway.intermediate_server.provision import answering
from gateway.intermediate_server.provision.answering import Person
from gateway.intermediate_server.records import disclosing
from permission_lists.barring import AutoResponse
from permission_lists.permit import read_permit
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, Answered, ProviderWorld

RECORDS = [{"data_set": "開示", "version": "0001", "items": {disclosing.FILE: {"value": "{}"}}}]
BARS = [
    Barred(person=AutoResponse.BARRED),
    Barred(inquirer=AutoResponse.BARRED),
    Barred(data_items=frozenset({"*"})),
    Barred(frozen=True),
]


async def asked(world: ProviderWorld, barred: Barred, disclosed: list | None) -> answering.Answer:
    """What the provider decides about somebody's own records."""
    number = await world.person()
    item = world.question(number).item
    permit = read_permit(item.permit, world.core.public_key)
    person = Person(integrated_number=number, replicas=[], disclosed=disclosed, barred=barred)
    return answering.answer(
        world.agency,
        replace(permit, information=disclosing.INFORMATION),
        sha256(item.request).digest(),
        item.public_key,
        person,
        world.now,
    )


async def test_own_records_are_provided_when_nothing_stands_against_it(world):
    assert (await asked(world, FREE, RECORDS)).disposition == answering.PROVIDED


@pytest.mark.parametrize("barred", BARS)
async def test_sc_4_the_refusal_of_own_records_tells_no_bar_from_records_that_are_too_large(world, barred):
    too_large, refused = await asked(world, FREE, None), await asked(world, barred, RECORDS)
    assert (refused.disposition, refused.reason) == (too_large.disposition, too_large.reason)
    assert refused.disposition == answering.REFUSED
    assert b"barred" not in refused.outcome
    assert b"frozen" not in refused.outcome


async def at_the_portal(world: ProviderWorld, number: str) -> Answered:
    return await world.ask(
        world.question(number, inquirer="portal", item="4", basis="own-information", information=disclosing.INFORMATION)
    )


@pytest.mark.parametrize("effect", ["hold", "freeze"])
async def test_sc_4_own_records_are_not_disclosed_where_a_bar_stands_at_one_kind_of_information(world, effect):
    """Those who asked about what is kept back are among them: where somebody who fled gets medical care, and since when."""
    number = await world.person()
    await qualified(world, number)
    assert (await world.ask(world.question(number))).disposition == "provided"
    seen = await at_the_portal(world, number)
    assert seen.payload is not None
    assert INFORMATION in str(seen.payload)
    bar = await world.bar(integrated_number=number, information=INFORMATION, effect=effect)
    refused = await at_the_portal(world, number)
    assert (refused.disposition, refused.reason) == ("refused", answering.AT_THE_COUNTER)
    await world.change_bar(bar["bar_id"], "lift")
    assert (await at_the_portal(world, number)).disposition == "provided"


async def test_sc_27_own_records_are_disclosed_without_those_that_are_marked_at_one_kind_of_information(world):
    """不開示 is said of each exchange: nothing is refused by it, and nothing tells that it is there."""
    number = await world.person()
    await world.bar(integrated_number=number, information=INFORMATION, effect="non_disclosure")
    await qualified(world, number)
    await world.ask(world.question(number))
    seen = await at_the_portal(world, number)
    assert seen.disposition == "provided"
    assert INFORMATION not in str(seen.payload)
