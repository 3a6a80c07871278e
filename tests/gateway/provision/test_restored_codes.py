"""That a code was cancelled, and may have been another person's, is known after a restore too (SC-15, SC-18; docs/adr/0113)."""

from __future__ import annotations

from datetime import timedelta

from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.inquiry import driving, reading
from gateway.intermediate_server.operations import restoring
from tests.gateway.provision.test_ended_codes import asked_of, cancelled, somebody
from tests.gateway.provision.test_inquiry_machine import standing
from tests.support.provider_world import LIMITS

SECOND = timedelta(seconds=1)


async def restored(world, number: str, row) -> None:
    """The database as a backup of before the cancellation has it, and what a restore does to it."""
    await world.execute("delete from former_code where integrated_number = $1", number)
    await world.execute(
        "insert into person_code (acquisition_index, integrated_number, expires_at, code_index, code_sealed, bound_at) values ($1, $2, $3, $4, $5, $3)",
        row["acquisition_index"], number, row["bound_at"], row["code_index"], row["code_sealed"],
    )  # fmt: skip
    await world.execute(restoring._SQL["leave_out_of_person_code"], [row["acquisition_index"]], world.now)


async def test_sc_15_a_lost_answer_under_a_code_that_was_another_persons_does_not_leave_after_a_restore(world):
    number, _ = await somebody(world)
    [row] = await world.fetch("select * from person_code where integrated_number = $1", number)
    question = world.question(number)
    assert (await world.ask(question)).disposition == "provided"
    world.now += SECOND
    await cancelled(world, number, Ending.LINK_UNDONE)
    assert await world.told(question) == {"retry": "not_yet"}
    await restored(world, number, row)
    assert await world.told(question) == {"retry": "not_yet"}


async def test_sc_15_no_answer_is_taken_in_about_whom_a_wrong_code_named_after_a_restore(world):
    number, _ = await somebody(world)
    [row] = await world.fetch("select * from person_code where integrated_number = $1", number)
    async with standing(world) as (agency, network):
        found = await asked_of(world, agency, number, network, ("permits", "away"))
        world.now += SECOND
        await cancelled(world, number, Ending.LINK_UNDONE)
        await restored(world, number, row)
        network.mood = ("permits", "answers")
        world.now += LIMITS.resend_after
        [again] = [one for one in await reading.due(agency, world.now) if one.number == found.number]
        await driving.drive(agency, again)
    [kept] = await world.fetch("select state, reason from inquiry where inquiry_number = $1", found.number)
    assert (kept["state"], kept["reason"]) == ("aborted", "code_cancelled")
