"""What the staff functions of one agency share, and how they record: every entrance, exit, refusal and operation (SC-7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from fido2.server import Fido2Server
from prometheus_client import Counter

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records.exchange_entries import note_about
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.factors import RING, Nobody, nobody, person_indexes, web_server
from gateway.intermediate_server.staff.people import Member, MemberState, Rules
from keys.passphrase import Profile
from keys.ring import Keyring
from storage.committer import Commit, NewEntry, commit_step
from transport.problem import ProblemError
from transport.refusals import Refusals

LOGINS = Counter("sekisho_staff_logins", "Log-ins of staff", ["agency", "outcome"])
OPERATIONS = Counter("sekisho_staff_operations", "Calls of staff", ["agency", "function", "outcome"])
HASHES = Counter("sekisho_staff_hashes", "Passwords measured, right or wrong, of somebody or of nobody", ["agency"])
_HASHES_AT_ONCE = 2
_REFUSED = commit_step("intermediate", "staff.refused")


@dataclass(slots=True, kw_only=True)
class StaffDesk:
    """`hashing` bounds the memory that guessed passwords cost; `refusals` fold what repeats: their `run()` must be running."""

    agency: HostedAgency
    rules: Rules
    web: Fido2Server
    nobody: Nobody
    refusals: Refusals[str]
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HASHES_AT_ONCE))

    @property
    def ring(self) -> Keyring:
        return self.agency.keys.ring

    @property
    def profile(self) -> Profile:
        return self.rules.profile

    def entry(  # the facts are ids, words of ours and counts: nobody's name or number
        self,
        now: datetime,
        kind: EntryKind,
        *,
        actor: str | None = None,
        reason: str | None = None,
        integrated_number: str | None = None,
        **facts: str | int,
    ) -> NewEntry:
        """An entry of the access log; facts that say nothing are left out. `integrated_number`: whom it is about, sealed beside it."""
        said = {name: value for name, value in facts.items() if value != ""}
        return note_about(self.agency, now, kind, integrated_number, said, actor=actor, reason=reason)

    def person_index(self, integrated_number: str) -> bytes:
        """What a person is called in the access log."""
        return person_indexes(self.ring, integrated_number)[0]

    async def record_refusal(
        self, now: datetime, *, actor: str | None, reason: str, count: int = 1, **facts: str | int
    ) -> None:
        entry = self.entry(
            now, EntryKind.STAFF_REFUSED, actor=actor, reason=reason, integrated_number=None, count=count, **facts
        )
        await self.agency.committer.apply(Commit(step=_REFUSED, entries=(entry,)))


async def somebody(desk: StaffDesk, staff_id: str, *, vouched: bool = True) -> Member:
    """A member of staff who has not left. `vouched`: and whose row is as this server wrote it. Raises ProblemError 404, 409."""
    found = await store.member(desk.agency, staff_id)
    if found is None or found.state is MemberState.LEFT:
        raise ProblemError(404, "member_unknown", "There is no such member of staff; list the members again.")
    if vouched and found.state is MemberState.UNVOUCHED:
        raise ProblemError(
            409,
            "not_vouched",
            "This member's row was changed beside this server: see to office and end, then reset them, or let them leave.",
        )
    return found


def open_desk(agency: HostedAgency, rules: Rules) -> StaffDesk:
    """The staff functions of one agency."""
    agency.keys.ensure(RING)

    async def write(reason: str, who: str, count: int) -> None:
        """`who`: `<terminal> <staff id or nothing> <function or nothing>`."""
        terminal, _, rest = who.partition(" ")
        staff_id, _, function = rest.partition(" ")
        await desk.record_refusal(
            agency.clock(), actor=staff_id or None, reason=reason, count=count, terminal=terminal, function=function
        )

    desk = StaffDesk(
        agency=agency,
        rules=rules,
        web=web_server(rules),
        nobody=nobody(rules.profile),
        refusals=Refusals(write, others="others", now=lambda: agency.clock().timestamp()),
    )
    return desk
