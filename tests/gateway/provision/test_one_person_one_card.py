"""An id and a card are one person's for ever, also after a restore, and whatever the card is (IS-9, SC-10)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from gateway.intermediate_server.staff import enrolling
from gateway.intermediate_server.staff.rights import Function
from keys.signing import Signer, generate_seed
from tests.support.provider_world import ProviderWorld
from tests.support.staff_in_person import OFFICE, InPerson, at_work
from transport.problem import ProblemError


async def add(world: ProviderWorld, administrator: InPerson, staff_id: str, card: Signer) -> None:
    item = enrolling.AddItem(
        staff_id=staff_id, office=OFFICE, valid_until=world.now + timedelta(days=99), password=secrets.token_urlsafe(18), card_key=card.public_key
    )  # fmt: skip
    await enrolling.change(await administrator.let_in(Function.STAFF_ADMINISTER), item)


async def leave(administrator: InPerson, staff_id: str) -> None:
    acting = await administrator.let_in(Function.STAFF_ADMINISTER)
    await enrolling.change(acting, enrolling.LeaveItem(staff_id=staff_id))


async def restored_to_before(world: ProviderWorld, staff_id: str) -> None:
    """A backup of before they came is there again; the journal beside the keys is what it was."""
    for table in ("staff_card", "staff_member"):
        await world.execute(f"delete from {table} where staff_id = $1", staff_id)


async def test_is_9_whoever_came_and_left_after_the_backup_leaves_id_and_card_to_nobody(world):
    administrator = await at_work(world.desk, Function.STAFF_ADMINISTER)
    one, other = f"s{secrets.token_hex(6)}", f"s{secrets.token_hex(6)}"
    card, another = Signer(generate_seed()), Signer(generate_seed())
    await add(world, administrator, one, card)
    await leave(administrator, one)
    await restored_to_before(world, one)
    with pytest.raises(ProblemError, match="staff_id_taken"):
        await add(world, administrator, one, another)
    with pytest.raises(ProblemError, match="card_taken"):
        await add(world, administrator, other, card)
    await add(world, administrator, other, another)
