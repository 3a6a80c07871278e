"""Who is under support measures is told by no copy of the database: why a provision is held lies sealed, and goes (SC-20; docs/adr/0106)."""

from __future__ import annotations

import itertools

import pytest

from gateway.intermediate_server.provision import grounds
from gateway.intermediate_server.resealing.job import STAFF
from permission_lists.barring import HoldGround
from tests.gateway.provision.test_rotated_indexes import destroy, made_anew, marks, rotate
from tests.support.copies import qualified
from tests.support.provider_world import NOON, provider_world

_MARKS = itertools.count(1)
WORDS = [ground.value for ground in HoldGround]


@pytest.fixture
async def world(tmp_path, cluster):
    """A provider of its own, whose rows open under its own ring."""
    async with provider_world(tmp_path, cluster, mark=f"_why{next(_MARKS)}") as found:
        found.now = NOON
        yield found


async def held(world):
    """A provision about somebody who is barred."""
    number = await world.person()
    await qualified(world, number)
    await world.bar(integrated_number=number)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    return question


async def in_clear(world) -> list[str]:
    """Words for why something is held that stand in rows and in the log."""
    rows = [str(dict(row)) for row in await world.fetch("select * from provision")]
    return [word for word in WORDS for told in (*rows, str(await world.entries())) if word in told]


async def test_sc_20_no_row_and_no_record_says_why_it_is_held_and_staff_are_told(world):
    question = await held(world)
    assert await in_clear(world) == []
    [entry] = [one for one in await world.entries(question.asked.inquiry_number) if one["kind"] == "provision.held"]
    assert entry["reason"] == "held"
    assert (await world.held(question.permit_id))["ground"] == "person_barred"
    await world.decide(question.permit_id)
    [row] = await world.fetch("select ground, ground_sealed from provision")
    assert tuple(row) == (None, None)


async def test_what_was_held_before_there_were_seals_is_sealed(world):
    question = await held(world)
    await world.execute("update provision set ground = 'person_barred', ground_sealed = null")
    agency = world.agency
    await grounds.seal_those_in_clear(agency.database, agency.tenant, agency.keys.ring, agency.id)
    assert await in_clear(world) == []
    assert (await world.held(question.permit_id))["ground"] == "person_barred"


async def test_is_8_why_it_is_held_is_sealed_anew_and_is_told_no_more_when_its_key_is_gone(world):
    question = await held(world)
    rotate(world, STAFF)
    assert await made_anew(world, STAFF) == 2 + await marks(world)
    destroy(world, STAFF)
    assert (await world.held(question.permit_id))["ground"] == "person_barred"
    rotate(world, STAFF)
    destroy(world, STAFF, 2)
    assert (await world.held(question.permit_id))["ground"] is None
