"""Who proposed a correction and has left, or lost the right, since is none of the two who make it (SC-11, IS-5)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.staff.rights import Function
from tests.support import staff_at_work
from tests.support.copies import qualified
from tests.support.provider_world import NOON, ProviderWorld
from tests.support.staff_in_person import at_work
from transport.problem import ProblemError


async def decided(world: ProviderWorld, proposed: dict, *, approve: bool) -> str:
    """What came of it when somebody else decides."""
    by, event = await at_work(world.desk, Function.RECORDS_CORRECT), "correct" if approve else "reject"
    correction_id, content_hash = proposed["correction_id"], proposed["content_hash"]
    item = correcting.DecideItem(
        correction_id=correction_id, content_hash=content_hash, approve=approve,
        proof=by.proof(f"{event}/{correction_id}/{content_hash}"),
    )  # fmt: skip
    try:
        return (await correcting.decide(await by.let_in(Function.RECORDS_CORRECT), item, world.now))["state"]
    except ProblemError as problem:
        return problem.reason


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
    proposed, other = [
        await propose(world, entry["id"], correcting.Field.DISPOSITION, "not_provided") for _ in range(2)
    ]
    assert await decided(world, other, approve=True) == "approved"
    await staff_at_work.revoke(world.desk, "proposer", Function.RECORDS_CORRECT, NOON)
    assert await decided(world, proposed, approve=True) == "asker_may_not"
    assert await decided(world, proposed, approve=False) == "rejected"
