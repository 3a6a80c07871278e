"""A permit that was taken back is redeemed by nobody; one that was presented cannot be taken back."""

from __future__ import annotations

import asyncio

import pytest

from adapters.jlis_mock.dishonest import permit_claims
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import acquire, permitted

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def revoke(around: Surroundings, permit: str, who: str = "setagaya") -> dict[str, object]:
    item = {"permit_id": permit_claims(permit)["permit_id"]}
    return dict((await around.items(who, f"{around.url}/permits/revoke", [item]))[0])


@pytest.mark.parametrize("who", ["setagaya", "network-staff"])
async def test_a_revoked_permit_is_refused_recorded_and_told_and_the_provider_never_asked(
    around: Surroundings, who: str
) -> None:
    signed, permit = await permitted(around)
    asked = len(around.neighbours.provisions)
    assert await revoke(around, permit, who) == {"revoked": True}
    answer = await around.peer("setagaya").present(permit, signed)
    assert answer == {"refused": {"reason": "permit_revoked"}}
    assert len(around.neighbours.provisions) == asked
    entries = await around.entries(signed.inquiry_number)
    assert [(one["kind"], one["reason"], one["actor"]) for one in entries] == [
        ("permit.issued", None, "setagaya"),
        ("permit.refused", "permit_revoked", who.partition("-")[0]),
        ("permit.refused", "permit_revoked", "setagaya"),
    ]


async def test_the_same_request_gets_no_permit_again_and_a_second_revocation_is_recorded_once(
    around: Surroundings,
) -> None:
    signed, permit = await permitted(around)
    assert await revoke(around, permit) == await revoke(around, permit) == {"revoked": True}
    again = await around.peer("setagaya").ask_permit(signed, await acquire(around, "setagaya", 1))
    assert again == {"refused": {"reason": "permit_revoked"}}
    assert len(await around.entries(signed.inquiry_number)) == 2


async def test_the_code_of_a_revoked_permit_is_forgotten(around: Surroundings) -> None:
    _, permit = await permitted(around)
    await revoke(around, permit)
    [row] = await around.sql(
        "select state, code_sealed from core.permit where permit_id = $1", permit_claims(permit)["permit_id"]
    )
    assert (row["state"], row["code_sealed"]) == ("revoked", None)


async def test_a_permit_that_was_used_or_waits_for_its_provider_stays(around: Surroundings) -> None:
    signed, permit = await permitted(around)
    assert "outcome" in await around.peer("setagaya").present(permit, signed)
    assert await revoke(around, permit) == {"refused": {"reason": "permit_used"}}
    around.neighbours.dispositions.append("retry")
    signed, permit = await permitted(around)
    assert "retry" in await around.peer("setagaya").present(permit, signed)
    assert await revoke(around, permit) == {"refused": {"reason": "permit_used"}}
    assert "outcome" in await around.peer("setagaya").present(permit, signed)


async def test_nobody_revokes_the_permit_of_another(around: Surroundings) -> None:
    signed, permit = await permitted(around)
    assert await revoke(around, permit, "suginami") == {"refused": {"reason": "permit_of_another_party"}}
    assert "outcome" in await around.peer("setagaya").present(permit, signed)
    kinds = [one["kind"] for one in await around.entries(signed.inquiry_number)]
    assert kinds.count("access.refused") == 1


async def test_an_unknown_permit_is_said_to_be_unknown(around: Surroundings) -> None:
    item = {"permit_id": "K01JZZZZZZZ0000000000000000"}
    answers = await around.items("setagaya", f"{around.url}/permits/revoke", [item])
    assert answers == [{"refused": {"reason": "permit_unknown"}}]


async def test_a_permit_presented_while_it_is_revoked_is_either_redeemed_or_revoked(around: Surroundings) -> None:
    for _ in range(10):
        signed, permit = await permitted(around)
        answer, said = await asyncio.gather(around.peer("setagaya").present(permit, signed), revoke(around, permit))
        redeemed = "outcome" in answer
        assert redeemed == (said == {"refused": {"reason": "permit_used"}})
        assert redeemed or answer == {"refused": {"reason": "permit_revoked"}}
