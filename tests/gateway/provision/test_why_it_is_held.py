"""Who is under support measures is told by no copy of the database: why a provision is held lies sealed, and goes (SC-20; docs/adr/0106). The seal
is of its row: of one that was changed nothing leaves (docs/adr/0123).
"""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest

from gateway.intermediate_server.covering import EVERYTHING
from gateway.intermediate_server.provision import grounds
from gateway.intermediate_server.provision.held import PageItem, page
from gateway.intermediate_server.resealing.job import STAFF
from keys import labels
from keys.binding import bind
from permission_lists.barring import HoldGround
from tests.gateway.provision.test_rotated_indexes import destroy, made_anew, marks, rotate
from tests.support.copies import qualified
from tests.support.provider_world import NOON, Question, provider_world
from transport.problem import ProblemError

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


async def opened(world) -> None:
    """As the server opens the agency."""
    agency = world.agency
    await grounds.seal_those_of_before(agency.database, agency.tenant, agency.keys, agency.id)


async def in_words(world, _permit_id: str) -> None:
    await world.execute("update provision set ground = 'person_barred', ground_sealed = null")


async def sealed_alone(world, permit_id: str) -> None:
    bound = bind(labels.HOLD_GROUND_ALONE, world.agency.id, permit_id)
    sealed = world.agency.keys.ring.encrypt(STAFF, b"person_barred", bound)
    await world.execute("update provision set ground_sealed = $2 where permit_id = $1", permit_id, sealed)


@pytest.mark.parametrize("before", [in_words, sealed_alone])
async def test_sc_20_what_was_held_before_it_was_sealed_with_its_row_is_sealed_so_once(world, before):
    question = await held(world)
    await before(world, question.permit_id)
    assert (await world.held(question.permit_id))["ground"] is None
    await opened(world)
    assert await in_clear(world) == []
    assert (await world.held(question.permit_id))["ground"] == "person_barred"
    await before(world, question.permit_id)
    await opened(world)
    assert (await world.held(question.permit_id))["ground"] is None, "it was put in afterwards"


async def of_whom(world, question: Question) -> dict[str, bool]:
    """Kind of a record → whether it is about somebody."""
    query = "select body, personal is not null as about from log_entry where inquiry_number = $1"
    rows = [
        (json.loads(row["body"])["kind"], row["about"])
        for row in await world.fetch(query, question.asked.inquiry_number)
    ]
    return {kind: about for kind, about in rows if kind.startswith("provision.")}


async def changed(world, column: str) -> tuple[Question, str]:
    """A held provision, and the hash of what was shown; somebody who writes the database has put what another one says into its row."""
    question, other = await held(world), await held(world)
    shown = (await world.held(question.permit_id))["content_hash"]
    await world.execute(
        f"update provision p set {column} = o.{column} from provision o where p.permit_id = $1 and o.permit_id = $2",
        question.permit_id, other.permit_id,
    )  # fmt: skip
    return question, shown


@pytest.mark.parametrize("column", ["integrated_number", "permit", "public_key"])
async def test_sc_20_of_a_held_row_that_was_changed_nothing_is_shown_or_released(world, column):
    question, shown = await changed(world, column)
    seen = await world.held(question.permit_id)
    assert (seen["ground"], seen["would_leave"], seen["content_hash"]) == (None, None, None)
    listed = (await page(world.agency, PageItem(), EVERYTHING))["held"]
    assert {one["permit_id"]: one["ground"] for one in listed}[question.permit_id] is None
    with pytest.raises(ProblemError, match="held_unreadable"):
        await world.decide(question.permit_id, shown)
    assert (await world.later(question)).disposition == "held"


async def test_sc_20_a_held_row_that_was_changed_is_refused_by_staff_about_nobody(world):
    question, _ = await changed(world, "integrated_number")
    assert await world.decide(question.permit_id) == {"refused": True}
    assert (await world.later(question)).reason == "refused_by_staff"
    assert await of_whom(world, question) == {"provision.held": True, "provision.refused": False}


async def test_sc_20_a_held_row_that_was_changed_expires_about_nobody(world):
    question, _ = await changed(world, "integrated_number")
    world.now += timedelta(days=4)
    await world.time_passes()
    assert (await world.later(question)).reason == "held_past_deadline"
    assert await of_whom(world, question) == {"provision.held": True, "provision.expired": False}


async def test_is_8_why_it_is_held_is_sealed_anew_and_is_told_no_more_when_its_key_is_gone(world):
    question = await held(world)
    rotate(world, STAFF)
    assert await made_anew(world, STAFF) == 2 + await marks(world)
    destroy(world, STAFF)
    assert (await world.held(question.permit_id))["ground"] == "person_barred"
    rotate(world, STAFF)
    destroy(world, STAFF, 2)
    assert (await world.held(question.permit_id))["ground"] is None
