"""One inquiry from beginning to end: permit, presentation, what to do while the network says `retry`, what comes late, what to believe (IS-2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from keys.errors import SealBroken
from partner.asking import Asker, DoubtedError, check_outcome, read_answer
from partner.mailbox import Mailbox
from partner.messages import MessageBrokenError, Question, SignedRequest, hexdigest, permit_claims
from transport.channel import ChannelError
from transport.clock import Clock
from transport.register import Register

_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an inquiry ended here: `answered` (with its payload), `refused`, `aborted` (an answer that is not believed), or `held` until now."""

    inquiry_number: str
    state: str
    reason: str | None = None
    payload: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """`patience_s`: for how long the same bytes are sent again, and a late outcome is awaited. A server keeps what it awaits in its database instead."""

    asker: Asker
    register: Callable[[], Register]
    mailbox: Mailbox
    clock: Clock
    patience_s: float = 20.0

    async def inquire(self, question: Question, code: bytes) -> Ended:
        """Ask, and ask again with the same bytes for as long as nothing is known. Raises TimeoutError."""
        signed = self.asker.build(question, self.clock())
        async with asyncio.timeout(self.patience_s):
            answer = await _insisting(lambda: self.asker.ask_permit(signed, code))
        permit = answer.get("permit")
        if permit is None:
            return Ended(inquiry_number=signed.inquiry_number, state="refused", reason=_reason(answer))
        if not self._is_for(permit, signed):
            return Ended(inquiry_number=signed.inquiry_number, state="aborted", reason="permit_not_believed")
        permit_id = self.mailbox.await_outcome(permit, signed)
        async with asyncio.timeout(self.patience_s):
            answer = await _insisting(lambda: self.asker.present(permit, signed))
        if "refused" in answer:
            return Ended(inquiry_number=signed.inquiry_number, state="refused", reason=_reason(answer))
        return await self._read(permit_id, permit, signed, answer)

    async def _read(self, permit_id: str, permit: str, signed: SignedRequest, answer: dict[str, Any]) -> Ended:
        number = signed.inquiry_number
        try:
            said = check_outcome(self.register(), answer, permit, signed, self.clock())
            if said["disposition"] == "held":
                late = await self.mailbox.outcome(permit_id, timeout_s=self.patience_s)
                if late is None:
                    return Ended(inquiry_number=number, state="held")
                answer, said = dict(late), check_outcome(self.register(), late, permit, signed, self.clock())
            if said["disposition"] == "refused":
                return Ended(inquiry_number=number, state="refused", reason=said["reason"])
            payload = read_answer(self.register(), answer, permit, signed, self.clock())
        except DoubtedError as doubted:
            return Ended(inquiry_number=number, state="aborted", reason=doubted.reason)
        except SealBroken:
            return Ended(inquiry_number=number, state="aborted", reason="payload_does_not_open")
        return Ended(inquiry_number=number, state="answered", payload=payload)

    def _is_for(self, permit: str, signed: SignedRequest) -> bool:
        """Whether the core signed it, for exactly these bytes."""
        try:
            claims = permit_claims(permit, self.register().permit_keys.accepted(self.clock()))
        except MessageBrokenError:
            return False
        return bool(claims["request_digest"] == hexdigest(signed.request))


async def _insisting(call: Callable[[], Any]) -> dict[str, Any]:
    """The first answer that is not `retry`; an answer that did not come may have been lost on its way."""
    while True:
        try:
            answer: dict[str, Any] = await call()
            if "retry" not in answer:
                return answer
        except ChannelError:
            pass
        await asyncio.sleep(_AGAIN_S)


def _reason(answer: dict[str, Any]) -> str | None:
    found = answer.get("refused")
    return str(found["reason"]) if isinstance(found, dict) and "reason" in found else None


def ends_line(ended: Ended) -> str:
    """A line of the file that `sekisho conformance --ends` reads."""
    return json.dumps({"inquiry_number": ended.inquiry_number, "state": ended.state}) + "\n"
