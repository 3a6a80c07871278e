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
from tests.support.provider_world import ProviderWorld

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
