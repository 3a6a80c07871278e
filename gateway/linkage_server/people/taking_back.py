"""取消: which change a cancellation takes back, and when it may not (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import msgspec

from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, Judged, judged_as
from gateway.linkage_server.people.snapshot import Snapshot
from gateway.linkage_server.people.state import REGISTERING, Kind, may_be_taken_back
from gateway.linkage_server.people.whose_numbers import Someone


@dataclass(slots=True, kw_only=True, repr=False)
class TakingBack:
    """`whose`: the person of an addressee number as the list leaves it so far; `withdrawn`: move-ins and births that the list has taken back, with digests."""

    snapshot: Snapshot
    key_of: Callable[[str], str]
    digest_of: Callable[[Change], bytes]
    whose: Callable[[str], Someone | None]
    today: date
    withdrawn: dict[str, bytes] = field(default_factory=dict)

    def wrongly(self, change: Change, someone: Someone, here: dict[str, Judged]) -> ChangeReason | None:
        """Why a cancellation does not take back what it names of `someone`. `here`: what the list has judged so far."""
        if not change.cancels:
            return None
        cancelled = self.key_of(change.cancels)
        for one in someone.events:
            if one.event_key == cancelled and not may_be_taken_back(one):
                is_cancellation = one.kind is Kind.CANCELLATION
                return ChangeReason.CANCELS_A_CANCELLATION if is_cancellation else ChangeReason.CANCELS_THE_REGISTRATION
        held = self._held(cancelled, here)
        before, known = here.get(cancelled), self.snapshot.events.get(cancelled)
        if held is not None:
            is_anothers = self.whose(held[0].addressee_number) is not someone.alive
        elif before is not None:
            is_anothers = before.someone not in (None, someone)
        else:
            is_anothers = known is not None and known.integrated_number not in (None, someone.number)
        return ChangeReason.CANCELS_ANOTHER_PERSONS if is_anothers else None

    def of_others(self, change: Change, someone: Someone) -> ChangeReason | None:
        """One business system takes out the record of somebody whom others hold too: for all of them, with codes and copies."""
        is_held_by_others = someone.number in self.snapshot.held_by_others
        return ChangeReason.HELD_BY_OTHER_SYSTEMS if change.takes_out and is_held_by_others else None

    def withdraw(self, change: Change, key: str, here: dict[str, Judged]) -> Judged | None:
        """The cancellation of a move-in or birth that waits for its day, or is held: nobody is registered, so it counts at once, and nobody will be.

        None: it takes back something else. What is withdrawn is known in `here` from now on.
        """
        cancelled = self.key_of(change.cancels) if change.cancels else ""
        known = self.snapshot.events.get(cancelled)
        digest = known.digest if known is not None and known.withdrawn else self.withdrawn.get(cancelled)
        if digest is None:
            found = self._to_come(cancelled, here) or self._held_registration(change, cancelled, here)
            if found is None:
                return None
            registration, digest = found
            if (wrong := self._not_withdrawn(change, registration)) is not None:
                return judged_as(change, key, ChangeOutcome.REJECTED, wrong)
            self.withdrawn[cancelled] = digest
            withdrawn = judged_as(registration, cancelled, ChangeOutcome.APPLIED)
            here[cancelled] = msgspec.structs.replace(withdrawn, digest=digest)
        return msgspec.structs.replace(
            judged_as(change, key, ChangeOutcome.APPLIED), withdraws=cancelled, withdrawn_digest=digest
        )

    def _not_withdrawn(self, change: Change, registration: Change) -> ChangeReason | None:
        """Once somebody is registered, the record is taken out instead."""
        if change.addressee_number != registration.addressee_number:
            return ChangeReason.CANCELS_ANOTHER_PERSONS
        late = change.effective_on > max(self.today, registration.effective_on)
        return ChangeReason.CANCELS_THE_REGISTRATION if late else None

    def _to_come(self, key: str, here: dict[str, Judged]) -> tuple[Change, bytes] | None:
        """A move-in or birth that waits for its day, with its digest."""
        before, known = here.get(key), self.snapshot.events.get(key)
        if before is not None:
            waits = before.outcome is ChangeOutcome.WAITING and before.someone is None
            return (before.change, before.digest) if waits and before.change is not None else None
        return (known.to_come, known.digest) if known is not None and known.to_come is not None else None

    def _held_registration(
        self, change: Change, cancelled: str, here: dict[str, Judged]
    ) -> tuple[Change, bytes] | None:
        held = self._held(cancelled, here)
        registers = held is not None and held[0].kind in REGISTERING
        return held if registers and self.whose(change.addressee_number) is None else None

    def _held(self, key: str, here: dict[str, Judged]) -> tuple[Change, bytes] | None:
        """A change that is held, with its digest."""
        before, hold = here.get(key), self.snapshot.holds.get(key)
        if before is not None:
            is_held = before.outcome is ChangeOutcome.HELD
            return (before.change, before.digest) if is_held and before.change is not None else None
        if hold is None or hold.state != "open" or hold.change is None:
            return None
        return hold.change, self.digest_of(hold.change)
