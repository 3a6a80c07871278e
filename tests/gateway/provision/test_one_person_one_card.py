"""An id and a card are one person's for ever, also after a restore, and whatever the card is (IS-9, SC-10)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from fido2.utils import websafe_decode

from gateway.intermediate_server.staff import enrolling, own_account
from gateway.intermediate_server.staff.rights import Function
from keys.signing import Signer, generate_seed
from tests.support.provider_world import ProviderWorld
from tests.support.soft_authenticator import SoftAuthenticator
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


async def test_is_9_a_person_has_one_id_in_force(world):
    administrator, number, other = (
        await at_work(world.desk, Function.STAFF_ADMINISTER),
        await world.person(),
        await world.person(),
    )
    one, two = [f"s{secrets.token_hex(6)}" for _ in range(2)]
    for staff_id in (one, two):
        await add(world, administrator, staff_id, Signer(generate_seed()))

    async def relate(staff_id: str, relation: str, whose: str) -> None:
        acting = await administrator.let_in(Function.STAFF_ADMINISTER)
        item = enrolling.RelateItem(staff_id=staff_id, relation=relation, integrated_number=whose)
        await enrolling.change(acting, item)

    await relate(one, "self", number)
    await relate(one, "self", number)
    await relate(two, "household", number)
    with pytest.raises(ProblemError, match="person_has_an_id"):
        await relate(two, "self", number)
    await relate(two, "self", other)
    await leave(administrator, one)
    await relate(two, "self", number)


async def registered(person: InPerson, card: SoftAuthenticator, challenge: str) -> None:
    item = own_account.CardItem(
        proof=person.proof(own_account.REGISTER), registration=card.register(websafe_decode(challenge))
    )
    await own_account.register_card(await person.let_in(None), item)


async def options(person: InPerson) -> dict[str, Any]:
    found = await own_account.register_card(await person.let_in(None), own_account.CardItem())
    told: dict[str, Any] = found["options"]["publicKey"]
    return told


async def excluded(person: InPerson) -> set[bytes]:
    return {websafe_decode(one["id"]) for one in (await options(person)).get("excludeCredentials") or ()}


async def test_sc_10_a_browsers_card_that_is_somebodys_or_was_makes_no_second_credential(world):
    """The browser asks the card whether it holds one of those that are excluded (WebAuthn §5.4)."""
    one, two = [await at_work(world.desk) for _ in range(2)]
    administrator = await at_work(world.desk, Function.STAFF_ADMINISTER)
    card = SoftAuthenticator(origin=next(iter(world.desk.rules.origins)))
    await registered(one, card, (await options(one))["challenge"])
    assert card.credential_id in await excluded(one)
    assert card.credential_id in await excluded(two)
    await leave(administrator, one.staff_id)
    assert card.credential_id in await excluded(two)
