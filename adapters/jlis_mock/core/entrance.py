"""Who comes in at the core and the interface system: registered certificates of the right use (SC-2).

A refusal is recorded before it is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from adapters.jlis_mock.core import records
from evidence.entry import EntryKind
from storage.committer import Commit, Committer, commit_step
from transport.clock import Clock
from transport.listener import PEER, fingerprint
from transport.problem import ProblemError
from transport.refusals import Refusals
from transport.register import Peer, Use
from transport.wire import Envelope, read_envelope, write_envelope

REFUSED: Final = commit_step("core", "access.refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Who was turned away where: certificate (hex digest), the route's own name, and the agency when the certificate is registered."""

    certificate: str | None = None
    path: str | None = None
    agency: str | None = None


OTHERS: Final = Stranger(certificate="others")


def refusals_of(committer: Committer, clock: Clock) -> Refusals[Stranger]:
    """The core's refusals; their `run()` must be running."""

    async def write(reason: str, who: Stranger, count: int) -> None:
        facts = {"certificate": who.certificate, "path": who.path, "count": count}
        entry = records.other(EntryKind.ACCESS_REFUSED, now=clock(), actor=who.agency, reason=reason, facts=facts)
        await committer.apply(Commit(step=REFUSED, entries=(entry,)))

    return Refusals(write, others=OTHERS, now=lambda: clock().timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """`keep_note` takes the checkpoint that came with a message; the committer has our own."""

    committer: Committer
    clock: Clock
    keep_note: Callable[[str], None]
    refusals: Refusals[Stranger]

    async def turned_away(self, request: web.Request, reason: str) -> None:
        """Record a call that is not let in. The caller's path is not repeated: only a route of ours is named."""
        found = fingerprint(request)
        resource = request.match_info.route.resource
        peer: Peer | None = request.get(PEER)
        who = Stranger(
            certificate=found.hex() if found else None,
            path=resource.canonical if resource is not None else None,
            agency=peer.agency if peer else None,
        )
        await self.refusals.record(reason, who)

    async def admit(self, request: web.Request, use: Use, agency: str | None = None) -> Peer:
        """The caller, if its certificate is for this use (and agency). Raises ProblemError 403 after recording it."""
        peer: Peer = request[PEER]
        if peer.use is not use or agency not in {None, peer.agency}:
            await self.turned_away(request, "certificate_for_another_use")
            raise ProblemError(
                403, "certificate_for_another_use", "This certificate may not call this function; use the right one."
            )
        return peer

    async def read(self, request: web.Request) -> Envelope:
        """The message, its sender's checkpoint kept."""
        envelope = read_envelope(await request.read())
        if envelope.checkpoint is not None:
            self.keep_note(envelope.checkpoint)
        return envelope

    def answer(self, items: list[dict[str, Any]]) -> web.Response:
        """Answer items with our latest checkpoint."""
        return web.Response(body=write_envelope(items, self.committer.note), content_type="application/json")
