"""Who proposed a correction and has left, or lost the right, since is none of the two who make it (SC-11, IS-5)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.rights import Function
from tests.support import staff_at_work
from tests.support.copies import qualified
from tests.support.provider_world import NOON, ProviderWorld
from transport.problem import ProblemError


async def decided(world: ProviderWorld, proposed: dict, *, approve: bool) -> str:
    """Why somebody else cannot decide it: their proof is none, which is what they are told once everything before it holds."""
    item = correcting.DecideItem(
        correction_id=proposed["correction_id"], content_hash=proposed["content_hash"], approve=approve,
        proof=Proof(password="none", challenge=b"", signature=b""),
    )  # fmt: skip
    with pytest.raises(ProblemError) as refused:
        await correcting.decide(world.staff("staff-9", Function.RECORDS_CORRECT), item, world.now)
    return refused.value.reason


async def propose(world: ProviderWorld, entry_id: str, field: correcting.Field, value: str) -> dict:
    item = correcting.ProposeItem(
        correction_id=world._id("C"),
        entry_id=entry_id,
        field=field,
        value=value,
        reason=correcting.Reason.FOUND_BY_STAFF,
    )
    return await correcting.propose(world.staff("proposer", Function.RECORDS_CORRECT), item, world.now)


async def test_sc_11_who_proposed_a_correction_may_still_do_so_when_it_is_approved(world):
    number = await world.person()
    await qualified(world, number)
    question = world.question(number)
    await world.ask(question)
    [entry] = await world.entries(question.asked.inquiry_number)
    await staff_at_work.enter(world.desk, ["proposer"], NOON)
    for right in ("koiki-rengo", ""):  # in whose stead it was asked; in nobody's
        assert (await propose(world, entry["id"], correcting.Field.INQUIRER_FOR, right))["value"] == right
    with pytest.raises(ProblemError, match="malformed_item"):
        await propose(world, entry["id"], correcting.Field.PROVIDER_FOR, "山田太郎")
    proposed = await propose(world, entry["id"], correcting.Field.DISPOSITION, "not_provided")
    assert await decided(world, proposed, approve=True) == "login_refused"
    await staff_at_work.revoke(world.desk, "proposer", Function.RECORDS_CORRECT, NOON)
    assert await decided(world, proposed, approve=True) == "asker_may_not"
    assert await decided(world, proposed, approve=False) == "login_refused"
