"""Carries out approved decisions in the background: what a kill interrupted, what waits for a peer, what another decision held up."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from gateway.linkage_server.review import refolding, store
from gateway.linkage_server.review.carrying_out import advance
from gateway.linkage_server.supervision import tell_broken
from gateway.linkage_server.tenant import Agency
from gateway.linkage_server.waiting_work import Work
from storage.database import StorageUnavailableError
from transport.channel import ChannelError

_LOG = structlog.get_logger()
_AGAIN_S: Final = 1.0


class Reviews:
    """`run()` must be running."""

    def __init__(self, agency: Agency) -> None:
        self.agency = agency

    async def run(self) -> None:
        folded = False
        while True:
            try:
                if not folded:
                    await refolding.catch_up(self.agency)
                    folded = True
                async with self.agency.database.inside(self.agency.tenant) as connection:
                    waiting = await store.to_do(connection)
            except StorageUnavailableError:
                waiting = []
            for decision_id in waiting:
                await self._advance(decision_id)
            if waiting:
                await asyncio.sleep(_AGAIN_S)
            else:
                await self.agency.work.rest(Work.REVIEWS)

    async def _advance(self, decision_id: str) -> None:
        """One decision that cannot go on must not hold up the others."""
        try:
            await advance(self.agency, decision_id)
        except (ChannelError, StorageUnavailableError) as failure:
            reason = getattr(failure, "reason", "storage_unavailable")
            _LOG.warning("review:waits", agency=self.agency.id, reason=reason)
        except Exception as failure:  # noqa: BLE001 (logged and counted; the decision stays where it is)
            tell_broken("reviews", self.agency.id, failure)
