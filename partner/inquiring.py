"""One inquiry from beginning to end: permit, presentation, what to do while the network says `retry`, what comes late, what to believe (IS-2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from evidence import canonical
from evidence.entry import EntryKind
from keys.errors import SealBroken
from partner.asking import Asker, DoubtedError, check_outcome, read_answer
from partner.calling import insisting
from partner.mailbox import Mailbox
from partner.messages import MessageBrokenError, Question, SignedRequest, hexdigest, permit_claims
from partner.recording import Record
from transport.clock import Clock
from transport.register import Register

_ENDS: Final = {
    "provided": EntryKind.INQUIRY_ANSWERED,
    "not_provided": EntryKind.INQUIRY_NOT_PROVIDED,
    "refused": EntryKind.INQUIRY_REFUSED_BY_PROVIDER,
    "held": EntryKind.INQUIRY_HELD,
}
_STATES: Final = {
    EntryKind.INQUIRY_ANSWERED: "answered",
    EntryKind.INQUIRY_NOT_PROVIDED: "answered",
    EntryKind.INQUIRY_HELD: "held",
    EntryKind.INQUIRY_ABORTED: "aborted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an inquiry ended here, as its record says it; `disposition`, `sealed_digest`: what the provider signed, when that is believed."""

    inquiry_number: str
    kind: EntryKind
    disposition: str | None = None
    reason: str | None = None
    sealed_digest: str | None = None
    payload: dict[str, Any] | None = None

    @property
    def state(self) -> str:
        """`answered`, `refused`, `aborted` (an answer that is not believed), or `held` until now."""
        return _STATES.get(self.kind, "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """`patience_s`: for how long the same bytes are sent again, and a late outcome is awaited. A server keeps what it awaits in its database instead."""

    asker: Asker
    register: Callable[[], Register]
    mailbox: Mailbox
    clock: Clock
    record: Record
    patience_s: float = 20.0

    async def inquire(self, question: Question, code: bytes, *, wanted: Callable[[], bool] = lambda: True) -> Ended:
        """Ask, and ask again with the same bytes for as long as nothing is known; every step is on record. Raises NotYetError.

        `wanted`: looked at once there is a permit; when nobody wants the answer any more, the permit is taken back in place of being presented.
        """
        signed = self.asker.build(question, self.clock())
        asked, digest = canonical.decode(signed.request), hexdigest(signed.request)
        self.record.note(EntryKind.INQUIRY_REGISTERED, self.clock(), asked, request_digest=digest)
        answer = await insisting(lambda: self.asker.ask_permit(signed, code), self.patience_s)
        permit, permit_id = answer.get("permit"), None
        if permit is None:
            ended = _no(signed, EntryKind.INQUIRY_DENIED, answer)
        elif not self._is_for(permit, signed):
            kind = EntryKind.INQUIRY_ABORTED
            ended = Ended(inquiry_number=signed.inquiry_number, kind=kind, reason="permit_not_believed")
        else:
            permit_id = self.mailbox.await_outcome(permit, signed)
            self.record.note(
                EntryKind.INQUIRY_PERMITTED, self.clock(), asked, request_digest=digest, permit_id=permit_id
            )
            ended = await (self._present(permit_id, permit, signed) if wanted() else self._take_back(permit_id, signed))
        more = {name: getattr(ended, name) for name in ("disposition", "reason", "sealed_digest")}
        self.record.note(ended.kind, self.clock(), asked, request_digest=digest, permit_id=permit_id, **more)
        return ended

    async def _present(self, permit_id: str, permit: str, signed: SignedRequest) -> Ended:
        answer = await insisting(lambda: self.asker.present(permit, signed), self.patience_s)
        if "refused" in answer:
            return _no(signed, EntryKind.INQUIRY_REFUSED_BY_NETWORK, answer)
        try:
            said = check_outcome(self.register(), answer, permit, signed, self.clock())
            if said["disposition"] == "held":
                late = await self.mailbox.outcome(permit_id, timeout_s=self.patience_s)
                answer = answer if late is None else dict(late)
                said = check_outcome(self.register(), answer, permit, signed, self.clock())
            sealed = answer.get("sealed") is not None
            payload = read_answer(self.register(), answer, permit, signed, self.clock()) if sealed else None
        except DoubtedError as doubted:
            kind = EntryKind.INQUIRY_ABORTED
            return Ended(inquiry_number=signed.inquiry_number, kind=kind, reason=doubted.reason)
        except SealBroken:
            kind = EntryKind.INQUIRY_ABORTED
            return Ended(inquiry_number=signed.inquiry_number, kind=kind, reason="payload_does_not_open")
        return Ended(
            inquiry_number=signed.inquiry_number,
            kind=_ENDS[said["disposition"]],
            payload=payload,
            **{name: said[name] for name in ("disposition", "reason", "sealed_digest")},
        )

    async def _take_back(self, permit_id: str, signed: SignedRequest) -> Ended:
        """IF_SKI_90045: from now on nobody redeems it."""

        async def once() -> dict[str, Any]:
            return (await self.asker.revoke_permits([permit_id]))[0]

        await insisting(once, self.patience_s)
        kind = EntryKind.INQUIRY_ABORTED
        return Ended(inquiry_number=signed.inquiry_number, kind=kind, reason="not_wanted_any_more")

    def _is_for(self, permit: str, signed: SignedRequest) -> bool:
        """Whether the core signed it, for exactly these bytes."""
        try:
            claims = permit_claims(permit, self.register().permit_keys.accepted(self.clock()))
        except MessageBrokenError:
            return False
        return bool(claims["request_digest"] == hexdigest(signed.request))


def _no(signed: SignedRequest, kind: EntryKind, answer: dict[str, Any]) -> Ended:
    """The network's no, with its reason."""
    found = answer.get("refused")
    reason = str(found["reason"]) if isinstance(found, dict) and "reason" in found else None
    return Ended(inquiry_number=signed.inquiry_number, kind=kind, disposition="refused", reason=reason)


def ends_line(ended: Ended) -> str:
    """A line of the file that `sekisho conformance --ends` reads."""
    return json.dumps({"inquiry_number": ended.inquiry_number, "state": ended.state}) + "\n"
