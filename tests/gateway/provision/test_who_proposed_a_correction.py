"""Who proposed a correction and has left, or lost the right, since is none of the two who make it (SC-11, IS-5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import EVERYTHING, Actor, Function, Grant, GrantState, Scope
from storage.committer import Commit, commit_step
from tests.support.copies import qualified
from tests.support.provider_world import NOON, ProviderWorld
from transport.problem import ProblemError

STEP = commit_step("test", "grants")


def at_a_card_of_their_own(world: ProviderWorld, staff_id: str) -> Acting:
    acting = world.staff(staff_id)
    return replace(acting, session=replace(acting.session, card_id=staff_id))


async def employed(world: ProviderWorld, staff_id: str, item: str) -> None:
    """A member of staff who may correct records of one affair."""
    for one in (staff_id, f"{staff_id}-1", f"{staff_id}-2"):
        await world.execute(
            "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by)"
            " values ($1, 'kokuho', 'active', '$argon2id$', false, $2, $2, 1, 'founding')",
            one, NOON + timedelta(days=900),
        )  # fmt: skip
        await world.execute(
            "insert into staff_card (card_id, staff_id, kind, public_key, sign_count, valid_until, state) values ($1, $1, 'key', $1::text::bytea, 0, $2, 'active')",
            one, NOON + timedelta(days=900),
        )  # fmt: skip
    scope = Scope(
        function=Function.RECORDS_CORRECT, office="kokuho", affair=item, information=EVERYTHING, file=EVERYTHING, valid_from=NOON,
        valid_until=NOON + timedelta(days=900),
    )  # fmt: skip
    one, other = (Actor(staff_id=f"{staff_id}-{place}", card_id=f"{staff_id}-{place}") for place in (1, 2))
    grant = Grant(
        grant_id=world._id("G"), staff_id=staff_id, scope=scope, state=GrantState.EFFECTIVE, version=1, requested=one,
        approved=other, approved_digest="0" * 64,
    )  # fmt: skip
    await world.agency.committer.apply(Commit(step=STEP, guard=store.add_grant(grant)))


async def decided(world: ProviderWorld, proposed: dict, *, approve: bool) -> str:
    """Why somebody else cannot decide it: their proof is none, which is what they are told once everything before it holds."""
    item = correcting.DecideItem(
        correction_id=proposed["correction_id"], content_hash=proposed["content_hash"], approve=approve,
        proof=Proof(password="none", challenge=b"", signature=b""),
    )  # fmt: skip
    with pytest.raises(ProblemError) as refused:
        await correcting.decide(at_a_card_of_their_own(world, "staff-9"), item, world.now)
    return refused.value.reason


async def propose(world: ProviderWorld, entry_id: str, field: correcting.Field, value: str) -> dict:
    item = correcting.ProposeItem(
        correction_id=world._id("C"),
        entry_id=entry_id,
        field=field,
        value=value,
        reason=correcting.Reason.FOUND_BY_STAFF,
    )
    return await correcting.propose(at_a_card_of_their_own(world, "proposer"), item, world.now)


async def test_sc_11_who_proposed_a_correction_may_still_do_so_when_it_is_approved(world):
    number = await world.person()
    await qualified(world, number)
    question = world.question(number)
    await world.ask(question)
    [entry] = await world.entries(question.asked.inquiry_number)
    await employed(world, "proposer", question.asked.item)
    proposed = await propose(world, entry["id"], correcting.Field.DISPOSITION, "not_provided")
    assert await decided(world, proposed, approve=True) == "login_refused"
    await world.execute(
        "update staff_grant set state = 'revoked', revoked_by = requested_by, revoked_card = requested_card where staff_id = 'proposer'"
    )
    assert await decided(world, proposed, approve=True) == "asker_may_not"
    assert await decided(world, proposed, approve=False) == "login_refused"
    for right in ("koiki-rengo", ""):  # in whose stead it was asked; in nobody's
        assert (await propose(world, entry["id"], correcting.Field.INQUIRER_FOR, right))["value"] == right
    with pytest.raises(ProblemError, match="malformed_item"):
        await propose(world, entry["id"], correcting.Field.PROVIDER_FOR, "山田太郎")
