"""A call of a member of staff: a live session on its own terminal, the right for the function, a record before anything is done (SC-7, SC-24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from evidence.entry import EntryKind
from gateway.intermediate_server.covering import Covered
from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.desk import OPERATIONS, StaffDesk
from gateway.intermediate_server.staff.entering import REFERENCE, token_hash
from gateway.intermediate_server.staff.people import CardState, Member, MemberState, Purpose, Session, session_works
from gateway.intermediate_server.staff.rights import (
    EVERYTHING,
    FILE_OF,
    FURTHER_FILES,
    Actor,
    File,
    Function,
    Grant,
    working,
)
from storage.committer import Applied, Commit, NewEntry, Write, commit_step
from transport.problem import ProblemError

_OPERATED = commit_step("intermediate", "staff.operated")
_LOOKS: Final = 3
Item = TypeVar("Item")
_SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A member of staff at work: who, on which terminal, with which rights, why."""

    desk: StaffDesk
    session: Session
    member: Member
    grants: tuple[Grant, ...]
    reason: str
    reference: str

    @property
    def staff_id(self) -> str:
        return self.member.staff_id

    @property
    def actor(self) -> Actor:
        return Actor(staff_id=self.member.staff_id, card_id=self.session.card_id)

    def may(self, function: Function, affair: str = EVERYTHING, information: str = EVERYTHING) -> bool:
        """Whether a grant covers this function for this affair and kind of information (SC-24)."""
        return any(grant.covers(function, affair, information) for grant in self.grants)

    def covered(self, function: Function) -> Covered:
        """The same for every affair and kind of information, as a query takes it."""
        return Covered.of(
            (grant.scope.affair, grant.scope.information)
            for grant in self.grants
            if grant.covers(function, grant.scope.affair, grant.scope.information)
        )

    def may_on(self, function: Function, file: File) -> bool:
        """Whether a grant names this file, of a function that is on several."""
        return any(grant.names(function, file) for grant in self.grants)

    def entry(
        self,
        now: datetime,
        kind: EntryKind,
        function: Function | None,
        *,
        integrated_number: str | None = None,
        **facts: str | int,
    ) -> NewEntry:
        """An entry of the access log: who, what, when, why (SC-7); about whom, sealed beside it."""
        return self.desk.entry(
            now,
            kind,
            integrated_number=integrated_number,
            actor=self.staff_id,
            reason=self.reason,
            reference=self.reference,
            office=self.member.office,
            terminal=self.session.certificate.hex(),
            **{"function": function.value, "file": FILE_OF[function].value} if function else {},
            **facts,
        )

    async def record(self, function: Function, facts: list[dict[str, str | int]], now: datetime) -> None:
        """One entry for each thing that is about to be shown or done; the session must still live. Raises ProblemError 401."""
        entries = tuple(
            self.entry(now, EntryKind.STAFF_OPERATED, function, integrated_number=None, **one) for one in facts
        )
        if entries and not await self._use(entries, now):
            raise _ended()

    async def _use(self, entries: tuple[NewEntry, ...], now: datetime) -> bool:
        """Commit what is done under this session and these grants; False when one of them has ended meanwhile."""
        relied = " ".join(sorted(grant.grant_id for grant in self.grants))
        guard = Write(store.USE_SESSION, (self.session.token_hash, now, relied))
        applied = await self.desk.agency.committer.apply(Commit(step=_OPERATED, guard=guard, entries=entries))
        return isinstance(applied, Applied)


def _ended() -> ProblemError:
    return ProblemError(401, "session_ended", "No session is open under this token on this terminal; log in.")


async def admit(
    desk: StaffDesk, headers: Mapping[str, str], certificate: bytes, function: Function | None, **facts: str | int
) -> Acting:
    """Let a call in and record it. `function` None: what everybody may do with their own account. Raises ProblemError 401, 403, 400.

    1. a session token; 2. its session lives, on this terminal (SC-10); 3. its person and card are still in force; 4. the password is
    its holder's own; 5. a grant that works now, for this function (SC-11, SC-24); 6. the record is written, and none of it has ended
    until then.
    """
    now = desk.agency.clock()
    scheme, token = headers.get("Authorization", "")[: len(_SCHEME)], headers.get("Authorization", "")[len(_SCHEME) :]
    if scheme != _SCHEME or not token:
        await _refuse(desk, "session_missing", certificate)
        raise ProblemError(
            401, "session_missing", "Staff log in first; send the session in the header Authorization: Bearer."
        )
    for _ in range(_LOOKS):
        acting = await _look(desk, headers, token, certificate, function, now)
        entry = acting.entry(now, EntryKind.STAFF_OPERATED, function, integrated_number=None, **facts)
        if function is None or await acting._use((entry,), now):  # noqa: SLF001 (one act in two places)
            OPERATIONS.labels(desk.agency.id, function.value if function else "own", "admitted").inc()
            return acting
    raise _ended()


async def _look(
    desk: StaffDesk,
    headers: Mapping[str, str],
    token: str,
    certificate: bytes,
    function: Function | None,
    now: datetime,
) -> Acting:
    """Steps 2 to 5, on what the database says now."""
    session = await store.session(desk.agency, token_hash(token))
    if session is None or not session_works(session, certificate, now, desk.rules.idle):
        await _refuse(desk, "session_ended", certificate, session.staff_id if session else "")
        raise _ended()
    member = await store.member(desk.agency, session.staff_id)
    card = next(
        (card for card in await store.cards(desk.agency, session.staff_id) if card.card_id == session.card_id), None
    )
    if (
        member is None
        or member.state is not MemberState.ACTIVE
        or now >= member.valid_until
        or card is None
        or card.state is not CardState.ACTIVE
        or now >= card.valid_until
    ):
        await _refuse(desk, "session_ended", certificate, session.staff_id)
        raise _ended()
    reason, reference = _why(headers, session)
    if function is None:
        grants: tuple[Grant, ...] = ()
    else:
        if session.restricted:
            await _refuse(desk, "password_change_needed", certificate, session.staff_id, function)
            raise ProblemError(
                403, "password_change_needed", "Set a password of your own first: sekisho staff password."
            )
        held = working(await store.grants(desk.agency, session.staff_id), member.office, now)
        grants = tuple(grant for grant in held if grant.scope.function is function)
        files = {FILE_OF[function], *FURTHER_FILES.get(function, ())}
        if not any(grant.names(function, file) for grant in grants for file in files):
            await _refuse(desk, "right_missing", certificate, session.staff_id, function)
            raise ProblemError(
                403, "right_missing", "You hold no right for this function; two administrators can grant it."
            )
    return Acting(desk=desk, session=session, member=member, grants=grants, reason=reason, reference=reference)


def _why(headers: Mapping[str, str], session: Session) -> tuple[str, str]:
    """Why this call is made: as said at log-in, or in the headers Sekisho-Reason and Sekisho-Reference of the call."""
    reason = headers.get("Sekisho-Reason", session.reason)
    reference = headers.get("Sekisho-Reference", session.reference)
    if reason not in set(Purpose) or (reference and not REFERENCE.fullmatch(reference)):
        raise ProblemError(
            400, "malformed_header", "Sekisho-Reason or Sekisho-Reference does not have its form; see /openapi.json."
        )
    return reason, reference


async def _refuse(
    desk: StaffDesk, reason: str, certificate: bytes, staff_id: str = "", function: Function | None = None
) -> None:
    """Record at once, and then once a minute with a count: nobody grows the log by calling."""
    OPERATIONS.labels(desk.agency.id, function.value if function else "own", reason).inc()
    await desk.refusals.record(reason, f"{certificate.hex()} {staff_id} {function.value if function else ''}")


async def still_may(desk: StaffDesk, function: Function, staff_id: str, affair: str, information: str) -> bool:
    """Whether somebody who approved or asked before could do so now."""
    now = desk.agency.clock()
    member = await store.member(desk.agency, staff_id)
    if member is None or member.state is not MemberState.ACTIVE or now >= member.valid_until:
        return False
    grants = working(await store.grants(desk.agency, staff_id), member.office, now)
    return any(grant.covers(function, affair, information) for grant in grants)


def only(items: list[Item]) -> Item:
    """The one item of a function that takes exactly one. Raises ProblemError 400."""
    if len(items) != 1:
        raise ProblemError(400, "one_at_a_time", "This function takes exactly one item.")
    return items[0]
