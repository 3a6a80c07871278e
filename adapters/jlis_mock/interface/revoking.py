"""Revocation (IF_SKI_90045): a permit that was never presented is taken back, by its inquirer or by the network's staff.

A permit that is presented at the same time is either redeemed or revoked, never both: the relay knows what it has under way, and
what was revoked since this process started, before either is in the database. The right to revoke is a matter of the caller's certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.messages import Revocation, refused
from adapters.jlis_mock.core.store import PermitStore, StoredPermit, revoking
from adapters.jlis_mock.interface.relay import PERMIT_REVOKED, Relay
from evidence.entry import EntryKind
from storage.committer import Commit, Committer, Lost, commit_step

REVOKED: Final = commit_step("core", "permit.revoked")
REFUSED: Final = commit_step("core", "revocation.refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationDesk:
    store: PermitStore
    committer: Committer
    relay: Relay

    async def revoke(self, caller: str | None, asks: Sequence[Revocation], now: datetime) -> list[dict[str, Any]]:
        """Answers in order: `revoked: true`, again too, or `refused`. `caller`: the inquirer, or None for the network's staff.

        Raises StorageUnavailableError: then ask again.
        """
        permits = await self.store.by_id(ask.permit_id for ask in asks)
        return [await self._revoke(caller, permits.get(ask.permit_id), now) for ask in asks]

    async def _revoke(self, caller: str | None, permit: StoredPermit | None, now: datetime) -> dict[str, Any]:
        if permit is None or permit.permit is None:
            return refused("permit_unknown")
        if caller not in {None, permit.inquirer}:
            return await self._refuse(permit, caller, "permit_of_another_party", now)
        if permit.revoked:
            return {"revoked": True}
        if not self.relay.withdraw(permit, now):
            return await self._refuse(permit, caller, "permit_used", now)
        try:
            done = await self._commit(permit, caller, now)
        except BaseException:
            self.relay.restore(permit)
            raise
        if not done:
            self.relay.restore(permit)
            return await self._refuse(permit, caller, "permit_used", now)
        return {"revoked": True}

    async def _commit(self, permit: StoredPermit, caller: str | None, now: datetime) -> bool:
        """False when it was used, also by another process; true when somebody revoked it first."""
        entry = records.presented(
            EntryKind.PERMIT_REFUSED, permit, now=now, actor=caller or "network", reason=PERMIT_REVOKED
        )
        applied = await self.committer.apply(Commit(step=REVOKED, guard=revoking(permit.permit_id), entries=(entry,)))
        if not isinstance(applied, Lost):
            return True
        current = (await self.store.by_id([permit.permit_id])).get(permit.permit_id)
        return current is not None and current.revoked

    async def _refuse(self, permit: StoredPermit, caller: str | None, reason: str, now: datetime) -> dict[str, Any]:
        entry = records.other(
            EntryKind.ACCESS_REFUSED,
            now=now,
            actor=caller or "network",
            reason=reason,
            facts={"permit_id": permit.permit_id},
            inquiry_number=permit.inquiry_number,
        )
        await self.committer.apply(Commit(step=REFUSED, entries=(entry,)))
        return refused(reason)
