"""Acts about permits that are taken back."""

from __future__ import annotations

from typing import Any

from adapters.jlis_mock.dishonest import permit_claims
from gateway.demonstration.another_vendor import vendor
from tests.fault.acts import Act, Trial, permitted, used_permit
from tests.support.running_system import entries, insisting


async def _unused_permit(trial: Trial) -> tuple[Any, str, dict[str, str]]:
    async with vendor(trial.system.stage) as playing:
        signed, permit = await permitted(trial.system, playing)
    return signed, permit, {"permit_id": permit_claims(permit)["permit_id"]}


async def a_permit_is_revoked(trial: Trial) -> Act:
    signed, permit, item = await _unused_permit(trial)

    async def act(_: Trial) -> None:
        async with trial.system.stage.staff("network", "network") as staff:
            answers = await insisting(lambda: staff.items("/permits/revoke", [item]))
        assert answers == [{"revoked": True}]
        async with vendor(trial.system.stage) as again:
            refused = await insisting(lambda: again.peer.present(permit, signed))
        assert refused == {"refused": {"reason": "permit_revoked"}}
        records = entries(await trial.system.export("network"), number=signed.inquiry_number)
        revoked = [one for one in records if one["actor"] == "network" and one["reason"] == "permit_revoked"]
        assert len(revoked) == 1

    return act


async def a_used_permit_is_not_revoked(trial: Trial) -> Act:
    async with vendor(trial.system.stage) as playing:
        _, permit = await used_permit(trial, playing)
    item = {"permit_id": permit_claims(permit)["permit_id"]}

    async def act(_: Trial) -> None:
        async with trial.system.stage.staff("network", "network") as staff:
            answers = await insisting(lambda: staff.items("/permits/revoke", [item]))
        assert answers == [{"refused": {"reason": "permit_used"}}]

    return act


PERMIT_ACTS = {
    "core.commit.permit.revoked": a_permit_is_revoked,
    "core.commit.revocation.refused": a_used_permit_is_not_revoked,
}
