"""取消: which change a cancellation takes back, and when it may not (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import msgspec

from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, Judged, judged_as
from gateway.linkage_server.people.state import Kind, may_be_taken_back
from gateway.linkage_server.people.store import KnownEvent
from gateway.linkage_server.people.whose_numbers import Someone


def cancels_wrongly(cancelled: str, someone: Someone, whose: int | Someone | None) -> ChangeReason | None:
    """Why `someone`'s change of this event key is not taken back. `whose`: for whom it stands, held or in this list; None: for nobody yet."""
    for one in someone.events:
        if one.event_key == cancelled and not may_be_taken_back(one):
            is_cancellation = one.kind is Kind.CANCELLATION
            return ChangeReason.CANCELS_A_CANCELLATION if is_cancellation else ChangeReason.CANCELS_THE_REGISTRATION
    return ChangeReason.CANCELS_ANOTHER_PERSONS if whose not in (None, someone, someone.number) else None


@dataclass(slots=True, kw_only=True, repr=False)
class Withdrawals:
    """Cancellations of a move-in or birth that waits for its day. Until then nobody is registered, so they count at once, and nobody will be."""

    known: Mapping[str, KnownEvent]
    key_of: Callable[[str], str]
    today: date
    done: set[str] = field(default_factory=set)

    def judge(self, change: Change, key: str, here: dict[str, Judged]) -> Judged | None:
        """None: it takes back something else. `here`: what the list has judged so far; what is withdrawn is known in it from now on."""
        cancelled = self.key_of(change.cancels) if change.cancels else ""
        known = self.known.get(cancelled)
        if cancelled not in self.done and not (known is not None and known.withdrawn):
            before = here.get(cancelled)
            to_come, digest = (known.to_come, known.digest) if known is not None else (None, b"")
            if before is not None and before.outcome is ChangeOutcome.WAITING and before.someone is None:
                to_come, digest = before.change, before.digest
            if to_come is None:
                return None
            if (wrong := self._wrong(change, to_come)) is not None:
                return judged_as(change, key, ChangeOutcome.REJECTED, wrong)
            self.done.add(cancelled)
            withdrawn = judged_as(to_come, cancelled, ChangeOutcome.APPLIED)
            here[cancelled] = msgspec.structs.replace(withdrawn, digest=digest)
        return msgspec.structs.replace(judged_as(change, key, ChangeOutcome.APPLIED), withdraws=cancelled)

    def _wrong(self, change: Change, to_come: Change) -> ChangeReason | None:
        """Once somebody is registered, the record is taken out instead."""
        if change.addressee_number != to_come.addressee_number:
            return ChangeReason.CANCELS_ANOTHER_PERSONS
        late = change.effective_on > max(self.today, to_come.effective_on)
        return ChangeReason.CANCELS_THE_REGISTRATION if late else None
