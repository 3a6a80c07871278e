"""インターフェイスシステム: permits presented by A go to B with B's code; outcomes come back sealed (SKI, TKY).

The network never reads a payload. What it passes on is recorded first; the same bytes again go to the provider again
and are recorded once, other bytes under a used permit are refused and recorded (DESIGN §4 steps 4 to 6; SC-4).

A permit must be presented by `redeem_by`; what was presented in time may be sent again until `answer_by`. A presentation
is remembered when its provider gave no usable answer, for only then will it come again; a crash between asking and
remembering is an outage of the network, whose time does not count (`PermitStore.keep_time`). So the way of an inquiry
that is answered at once has no commit more.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.list_shelf import ListShelf
from adapters.jlis_mock.core.messages import (
    InquiryAsk,
    LateOutcome,
    Outcome,
    Refusal,
    digest,
    read_outcome,
    read_taken,
    reason_code,
    refused,
    retry,
)
from adapters.jlis_mock.core.metrics import NO_ITEM, relayed, turned_away
from adapters.jlis_mock.core.permit_desk import CODE_PURPOSE, NONCE_SIZE
from adapters.jlis_mock.core.permit_token import permit_id_of
from adapters.jlis_mock.core.store import PermitStore, StoredPermit, relaying, remembering
from adapters.jlis_mock.faults import FaultBoard, Switch
from adapters.jlis_mock.interface.tampering import Tampering
from adapters.jlis_mock.ways import Ways
from evidence.entry import EntryKind
from keys import labels
from keys.binding import bind
from keys.ring import Keyring
from storage.committer import Commit, Committer, Lost, commit_step
from storage.database import StorageUnavailableError
from transport.channel import TIMEOUT_S, Channel, ChannelError, RefusedByPeerError
from transport.clock import JST, Clock
from transport.register import Register

PERMIT_REVOKED: Final = "permit_revoked"
REMEMBERED: Final = commit_step("core", "presentation.remembered")
RELAYED: Final = commit_step("core", "provision.relayed")
TURNED_AWAY: Final = commit_step("core", "presentation.refused")
PATIENCE_S: Final = TIMEOUT_S / 2
"""So long an agency that does not answer is waited for; whoever asks is told then, before they take the network for away (IS-7)."""
_MOST_FORGERIES: Final = 8
"""On record for one permit: a provider that forges more of them is known well enough."""


class ProviderAnswer(Struct):
    """B's answer item, or A's answer to an outcome: one of the three forms."""

    outcome: bytes | None = None
    signature: bytes | None = None
    sealed: bytes | None = None
    refused: Refusal | None = None
    retry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """`provisions` and `outcomes`: agency → the channel to its intermediate server. `redeem_s`: as in PermitDesk."""

    register: Callable[[], Register]
    ring: Keyring
    store: PermitStore
    committer: Committer
    faults: FaultBoard
    tampering: Tampering
    provisions: Ways
    outcomes: Ways
    redeem_s: int
    lists: ListShelf
    clock: Clock
    under_way: dict[str, str] = field(default_factory=dict)
    withdrawn: dict[str, datetime] = field(default_factory=dict)
    forged: dict[str, tuple[datetime, frozenset[str]]] = field(default_factory=dict)

    def withdraw(self, permit: StoredPermit, now: datetime) -> bool:
        """From now on nobody presents this permit; False when somebody is at it. Remembered until its `answer_by`."""
        for permit_id in [name for name, until in self.withdrawn.items() if until < now]:
            del self.withdrawn[permit_id]
        if permit.permit_id in self.under_way:
            return False
        self.withdrawn[permit.permit_id] = permit.answer_by
        return True

    def restore(self, permit: StoredPermit) -> None:
        """It was not revoked after all."""
        self.withdrawn.pop(permit.permit_id, None)

    async def inquire(self, caller: str, asks: Sequence[InquiryAsk], now: datetime) -> list[dict[str, Any]]:
        """Answers in order (IF_SKI_90002). Raises StorageUnavailableError."""
        names = [permit_id_of(ask.permit) for ask in asks]
        permits = await self.store.by_id(name for name in names if name is not None)
        found = [permits.get(name) if name is not None else None for name in names]
        return list(
            await asyncio.gather(
                *(self._present(caller, ask, permit, now) for ask, permit in zip(asks, found, strict=True))
            )
        )

    async def _present(
        self, caller: str, ask: InquiryAsk, permit: StoredPermit | None, now: datetime
    ) -> dict[str, Any]:
        if (
            permit is None
            or permit.permit is None
            or not hmac.compare_digest(permit.permit.encode(), ask.permit.encode())
        ):
            return await self._unknown(caller, ask, now)
        presented = digest(bind(ask.permit, ask.public_key, ask.request, ask.signature))
        if now >= permit.presentable_until():
            permit = await self._after_outage(permit, now)
        reason = self._refusal(caller, ask, permit, presented, now)
        if reason is not None:
            turned_away(reason, self._label(permit, now))
            await self._turn_away(permit, caller, reason, now)
            return refused(reason)
        answer = await self._forward(ask, permit, presented)
        if "retry" in answer:
            relayed("retry", self._label(permit, now))
            await self._remember(ask, permit, presented, now)
        return answer

    async def _forward(self, ask: InquiryAsk, permit: StoredPermit, presented: str) -> dict[str, Any]:
        channel = self.provisions.get(permit.provider)
        if channel is None or self.faults.take(Switch.PROVIDER_DOWN, permit.permit_id):
            return retry("provider_unreachable")
        mine = self.under_way.setdefault(permit.permit_id, presented) == presented
        try:
            answer = await self._ask_provider(channel, ask, permit)
        finally:
            if mine:
                self.under_way.pop(permit.permit_id, None)
        return await self._pass_on(permit, presented, answer)

    async def _after_outage(self, permit: StoredPermit, now: datetime) -> StoredPermit:
        """The permit with the time that it has if the network was away since."""
        await self.store.keep_time(now, self.redeem_s)
        return (await self.store.by_id([permit.permit_id])).get(permit.permit_id, permit)

    async def _remember(self, ask: InquiryAsk, permit: StoredPermit, presented: str, now: datetime) -> None:
        """A presentation that will come again: it was in time, and so are the same bytes until `answer_by`."""
        if permit.relayed_request_digest is None and digest(ask.request) == permit.request_digest:
            guard = remembering(permit.permit_id, request_digest=presented, now=now)
            await self.committer.apply(Commit(step=REMEMBERED, guard=guard))

    def _label(self, permit: StoredPermit, now: datetime) -> str:
        return self.lists.item_label(permit.basis, permit.item, now.astimezone(JST).date())

    async def _unknown(self, caller: str, ask: InquiryAsk, now: datetime) -> dict[str, Any]:
        turned_away("permit_unknown", NO_ITEM)
        entry = records.other(
            EntryKind.ACCESS_REFUSED,
            now=now,
            actor=caller,
            reason="permit_unknown",
            facts={"digest": digest(ask.permit.encode())},
        )
        await self.committer.apply(Commit(step=TURNED_AWAY, entries=(entry,)))
        return refused("permit_unknown")

    def _refusal(self, caller: str, ask: InquiryAsk, permit: StoredPermit, presented: str, now: datetime) -> str | None:
        """1. whose permit, and not taken back  2. for which request  3. used before  4. in time."""
        # 1
        if caller != permit.inquirer and not self.faults.take(Switch.ANY_CALLER, presented):
            return "permit_of_another_party"
        if permit.revoked or permit.permit_id in self.withdrawn:
            return PERMIT_REVOKED
        reason = None
        used = permit.relayed_request_digest or self.under_way.get(permit.permit_id)
        if digest(ask.request) != permit.request_digest:  # 2
            reason = "request_differs_from_permit"
        elif used not in {None, presented}:  # 3
            reason = "permit_replayed"
        elif now >= permit.presentable_until():  # 4
            reason = "permit_expired"
        if reason is not None and self.faults.take(Switch.REPLAY_ALLOWED, presented):
            reason = None
        return "permit_expired" if permit.code_sealed is None else reason

    async def _ask_provider(self, channel: Channel, ask: InquiryAsk, permit: StoredPermit) -> ProviderAnswer:
        opened = self.ring.decrypt(CODE_PURPOSE, permit.code_sealed or b"", bind(labels.LINKAGE_CODE, permit.permit_id))
        nonce, code = opened[:NONCE_SIZE], opened[NONCE_SIZE:]
        item = {
            "permit": ask.permit,
            "public_key": _text(self.tampering.public_key(ask.public_key, permit.permit_id)),
            "request": _text(ask.request),
            "signature": _text(ask.signature),
            "code": _text(self.tampering.code(code, permit.provider, permit.permit_id)),
            "nonce": _text(nonce),
        }
        return await _ask(channel, item)

    async def _pass_on(self, permit: StoredPermit, presented: str, answer: ProviderAnswer) -> dict[str, Any]:
        """Record what B said, at the time at which it has said it, then hand it on. An answer that is no answer leaves nothing behind: ask again."""
        if answer.retry is not None:
            return retry(reason_code(answer.retry))
        now = self.clock()
        if answer.refused is not None:
            reason = reason_code(answer.refused.reason)
            await self._record_refusal(permit, presented, reason, now)
            return refused(reason)
        outcome = self._checked(permit, answer.outcome, answer.signature, answer.sealed, now)
        if outcome is None or answer.outcome is None or answer.signature is None:
            await self._record_forgery(permit, "provider_answer_malformed", answer.outcome, answer.signature, now)
            return retry("provider_answer_malformed")
        if not await self._record(permit, presented, outcome, answer.outcome, now):
            return refused("outcome_conflict")
        return {
            "outcome": _text(self.tampering.outcome(answer.outcome, permit.permit_id)),
            "signature": _text(answer.signature),
            "sealed": None if answer.sealed is None else _text(self.tampering.sealed(answer.sealed, permit.permit_id)),
        }

    async def late_outcomes(self, caller: str, lates: Sequence[LateOutcome], now: datetime) -> list[dict[str, Any]]:
        """Answers in order (IF_TKY_90004 → 90005). Raises StorageUnavailableError."""
        permits = await self.store.by_id(late.permit_id for late in lates)
        return list(
            await asyncio.gather(*(self._late(caller, late, permits.get(late.permit_id), now) for late in lates))
        )

    async def _late(self, caller: str, late: LateOutcome, permit: StoredPermit | None, now: datetime) -> dict[str, Any]:
        if permit is None or permit.permit is None:
            return refused("permit_unknown")
        if caller != permit.provider or permit.revoked:
            reason = PERMIT_REVOKED if caller == permit.provider else "permit_of_another_party"
            turned_away(reason, self._label(permit, now))
            await self._turn_away(permit, caller, reason, now)
            return refused(reason)
        outcome = self._checked(permit, late.outcome, late.signature, late.sealed, now)
        if outcome is None:
            await self._record_forgery(permit, "outcome_malformed", late.outcome, late.signature, now)
            return refused("outcome_malformed")
        channel = self.outcomes.get(permit.inquirer)
        if channel is None:
            return retry("inquirer_unreachable")
        if not await self._record(permit, None, outcome, late.outcome, now):
            return refused("outcome_conflict")
        return await self._push(channel, late)

    async def _push(self, channel: Channel, late: LateOutcome) -> dict[str, Any]:
        """Hand a recorded outcome to A (IF_SKI_90005); when A is away, B asks again with the same bytes."""
        item = {
            "permit_id": late.permit_id,
            "outcome": _text(late.outcome),
            "signature": _text(late.signature),
            "sealed": None if late.sealed is None else _text(self.tampering.sealed(late.sealed, late.permit_id)),
        }
        try:
            async with asyncio.timeout(PATIENCE_S):
                return read_taken(await channel.ask(item), "received")
        except (ChannelError, TimeoutError):
            return retry("inquirer_unreachable")

    def _checked(
        self, permit: StoredPermit, data: bytes | None, signature: bytes | None, sealed: bytes | None, now: datetime
    ) -> Outcome | None:
        """B's outcome, if it is B's, of this permit, and fits the sealed bytes: the record must say what B said."""
        outcome = read_outcome(data) if data is not None else None
        provider = self.register().agencies.get(permit.provider)
        if outcome is None or provider is None or data is None or signature is None:
            return None
        named = (outcome.permit_id, outcome.inquiry_number, outcome.inquirer, outcome.provider)
        if named != (permit.permit_id, permit.inquiry_number, permit.inquirer, permit.provider):
            return None
        if outcome.sealed_digest != (None if sealed is None else digest(sealed)):
            return None
        return outcome if provider.signing_keys.verify(labels.OUTCOME, data, signature, now=now) else None

    async def _record(
        self, permit: StoredPermit, presented: str | None, outcome: Outcome, data: bytes, now: datetime
    ) -> bool:
        """Record an outcome once. False when another final outcome was passed on before: that is recorded too.

        What B says to a replay that got through is an event of its own: it changes nothing of the permit's outcome.
        """
        outcome_digest = digest(data)
        if permit.outcome_digest == outcome_digest:
            return True
        if _is_replay(permit, presented):
            await self._turn_away(permit, permit.provider, outcome.reason or outcome.disposition, now)
            return True
        guard = relaying(
            permit.permit_id,
            request_digest=presented,
            disposition=outcome.disposition,
            outcome_digest=outcome_digest,
            sealed_digest=outcome.sealed_digest,
        )
        entry = records.presented(
            EntryKind.PROVISION_RELAYED,
            permit,
            now=now,
            actor=permit.provider,
            disposition=outcome.disposition,
            sealed_digest=outcome.sealed_digest,
            reason=outcome.reason,
            marked=outcome.non_disclosure is True,
        )
        applied = await self.committer.apply(Commit(step=RELAYED, guard=guard, entries=(entry,)))
        if not isinstance(applied, Lost):
            relayed(outcome.disposition, self._label(permit, now))
            return True
        current = (await self.store.by_id([permit.permit_id])).get(permit.permit_id)
        if current is not None and current.outcome_digest == outcome_digest:
            return True
        await self._turn_away(permit, permit.provider, "outcome_conflict", now)
        return False

    async def _record_refusal(self, permit: StoredPermit, presented: str, reason: str, now: datetime) -> None:
        """B's bare no, without an outcome: the first one closes the permit."""
        if permit.outcome_digest == digest(reason.encode()):
            return
        if permit.state != "issued":
            await self._turn_away(permit, permit.provider, reason, now)
            return
        guard = relaying(
            permit.permit_id,
            request_digest=presented,
            disposition="refused",
            outcome_digest=digest(reason.encode()),
            sealed_digest=None,
        )
        entry = records.presented(
            EntryKind.PROVISION_RELAYED, permit, now=now, actor=permit.provider, disposition="refused", reason=reason
        )
        if not isinstance(await self.committer.apply(Commit(step=RELAYED, guard=guard, entries=(entry,))), Lost):
            relayed("refused", self._label(permit, now))

    async def _record_forgery(
        self, permit: StoredPermit, reason: str, outcome: bytes | None, signature: bytes | None, now: datetime
    ) -> None:
        """Record what its provider sent as an outcome and is none: the same bytes once (once more after a restart), and no more than `_MOST_FORGERIES`."""
        for permit_id in [name for name, (until, _) in self.forged.items() if until < now]:
            del self.forged[permit_id]
        sent = digest(bind(outcome or b"", signature or b""))
        _, known = self.forged.get(permit.permit_id, (now, frozenset[str]()))
        if sent in known or len(known) >= _MOST_FORGERIES:
            return
        self.forged[permit.permit_id] = (max(permit.answer_by, now), known | {sent})
        try:
            await self._turn_away(permit, permit.provider, reason, now)
        except StorageUnavailableError:
            self.forged[permit.permit_id] = (
                permit.answer_by,
                known,
            )  # the same bytes are recorded when they come again
            raise

    async def _turn_away(self, permit: StoredPermit, actor: str, reason: str, now: datetime) -> None:
        """Record that a permit once issued was refused, or that something under it was."""
        entry = records.presented(EntryKind.PERMIT_REFUSED, permit, now=now, actor=actor, reason=reason)
        await self.committer.apply(Commit(step=TURNED_AWAY, entries=(entry,)))


def _is_replay(permit: StoredPermit, presented: str | None) -> bool:
    return presented is not None and permit.relayed_request_digest not in {None, presented}


async def _ask(channel: Channel, item: dict[str, Any]) -> ProviderAnswer:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return msgspec.convert(await channel.ask(item), ProviderAnswer)
    except RefusedByPeerError as problem:
        return ProviderAnswer(retry=problem.reason)
    except (ChannelError, TimeoutError):
        return ProviderAnswer(retry="provider_unreachable")
    except (msgspec.ValidationError, RecursionError):
        return ProviderAnswer(retry="provider_answer_malformed")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
