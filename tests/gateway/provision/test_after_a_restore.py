"""What a restore must not bring back at a provider: a code that was another person's, and what was held under a permit of before (SC-15, IS-1)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from gateway.intermediate_server.codes import binding, ending
from gateway.intermediate_server.codes.states import Ending
from gateway.intermediate_server.operations import backing_up
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.staff.rights import Function
from tests.support.copies import qualified
from tests.support.staff_in_person import at_work
from transport.problem import ProblemError


@pytest.mark.parametrize(
    ("reason", "left_out"), [(Ending.NUMBER_CHANGED, True), (Ending.RESIDENT_RECORD_CHANGED, False)]
)
async def test_is_1_a_code_that_was_another_persons_is_left_out_of_a_restore(world, reason, left_out):
    """One that was replaced is this person's still: whoever has not replaced it yet asks under it."""
    number = f"93{secrets.randbelow(10**13):013d}"
    first = (await binding.request_numbers(world.agency, [binding.NumberItem(integrated_number=number)], world.now))[0]
    await bound(world, first)
    [row] = await world.fetch("select acquisition_index from person_code where integrated_number = $1", number)
    world.now += timedelta(hours=1)
    snapshot = world.now
    world.now += timedelta(hours=1)
    item = ending.ReplaceItem(integrated_number=number, message_id="m", reason=reason)
    await bound(world, (await ending.replace_codes(world.agency, [item], world.now))[0])
    named = world.agency.erasures.digests("person_code", row["acquisition_index"])
    assert world.agency.erasures.erased_since(snapshot, "B").isdisjoint(named) is not left_out


async def bound(world, given) -> None:
    code = bytes([1, 1]) + secrets.token_bytes(binding.CODE_SIZE - 2)
    item = binding.CodeItem(acquisition_number=given["acquisition_number"], code=code)
    assert await binding.bind_codes(world.agency, [item], world.now) == [{"bound": True}]


async def test_sc_4_what_is_held_under_a_permit_of_before_the_log_was_opened_anew_is_refused_and_never_released(world):
    """It may have been refused since the backup, and its inquirer told so."""
    number = await world.person()
    await qualified(world, number, auto_response="barred")
    question = world.question(number)
    assert (await world.ask(question)).disposition == "held"
    world.now += timedelta(hours=1)
    world.agency.standing.opened_at = world.now
    try:
        world.now += timedelta(minutes=1)
        shown = await world.held(question.permit_id)
        with pytest.raises(ProblemError, match="permit_older_than_log"):
            await world.decide(question.permit_id, shown["content_hash"])
        assert await world.decide(question.permit_id) == {"refused": True}
    finally:
        world.agency.standing.opened_at = None


async def test_sc_15_what_is_erased_after_a_backup_stays_so_when_the_clock_was_ahead(world):
    """The machine's clock was three hours ahead while the backup was made, and was set right before a copy was over."""
    number = await world.person()
    last = world.agency.today(world.now)
    record_id = await qualified(world, number, public_to=last)
    world.now += timedelta(days=1, hours=3)
    who = await at_work(world.desk, Function.BACKUP)
    item, acting = backing_up.BackupItem(proof=who.proof(backing_up.PURPOSE)), await who.let_in(Function.BACKUP)
    async with backing_up.begun(acting, item, world.now) as writer:
        snapshot = world.now
    world.now -= timedelta(hours=3)
    await registration.expire(world.agency, world.now)
    assert not await world.fetch("select from replica where record_id = $1", record_id)
    named = world.agency.erasures.digests("replica", record_id)
    assert not world.agency.erasures.erased_since(snapshot, writer.backup_id).isdisjoint(named)
