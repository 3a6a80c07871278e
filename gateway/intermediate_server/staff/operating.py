"""A call of a member of staff: a live session on its own terminal, the right for the function, a record before anything is done (SC-7, SC-24).

Whatever they do then is committed under that session and right, in one transaction: one that has ended meanwhile, half-way through a list
too, does nothing any more. So is what the second of two does under the right of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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
    GrantState,
    working,
)
from storage.committer import Applied, Commit, Lost, NewEntry, Write, commit_step
from transport.problem import ProblemError

_OPERATED = commit_step("intermediate", "staff.operated")
_LOOKS: Final = 3
LOOK_AGAIN_S: Final = 1.0
Item = TypeVar("Item")
_SCHEME: Final = "Bearer "
Right = Callable[[Grant], bool]
"""Whether a grant is a right to what is done."""


class NotActingError(ProblemError):
    """No session, or no right to the function at all: nothing can be done, or nothing more."""


class FirstMayNotError(ProblemError):
    """Whoever asked or approved first has left or has no right for it any more: they are none of two people (SC-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """Whoever asked for, or approved before, what somebody else does now: the first of two people."""

    staff_id: str
    function: Function
    affair: str = EVERYTHING
    information: str = EVERYTHING


def any_right(_: Grant) -> bool:
    """Of what every grant of the function is a right to."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A member of staff at work: who, on which terminal, why, and with which rights to the function (None: to their own account alone)."""

    desk: StaffDesk
    function: Function | None
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
        """One entry for each thing that is about to be shown or done; session and rights must all still hold. Raises as `commit`."""
        entries = tuple(
            self.entry(now, EntryKind.STAFF_OPERATED, function, integrated_number=None, **one) for one in facts
        )
        if not entries:
            return
        if not isinstance(await self._under(Commit(step=_OPERATED, entries=entries), self.grants, now), Applied):
            raise await self._no_more()

    async def commit(self, commit: Commit, right: Right = any_right, first: First | None = None) -> bool:
        """Do something under this session and a grant that is a `right` to it: all of it or nothing. False when the commit's own guard lost.
        `first`: of what takes two people, under their right as well.

        Raises NotActingError (401, 403), ProblemError 403 when other rights are left, on record, or FirstMayNotError (409).
        """
        acting = self
        for _ in range(_LOOKS):
            relied = next(filter(right, acting.grants), None)
            if relied is None and self.function is not None:
                raise await self._no_more()
            theirs = None if first is None else await _right_of(self.desk, first)
            done = await acting._under(commit, (relied,) if relied else (), self.desk.agency.clock(), theirs)
            if isinstance(done, Applied):
                return True
            if done.by is not None and done.by in (commit.provided, commit.guard):
                return False
            acting = await self._anew()
        raise _ended()

    async def _under(
        self, commit: Commit, grants: Iterable[Grant], now: datetime, theirs: Grant | None = None
    ) -> Applied | Lost:
        relied = " ".join(sorted(grant.grant_id for grant in grants))
        under = Write(store.USE_SESSION, (self.session.token_hash, now, relied, theirs.grant_id if theirs else None))
        return await self.desk.agency.committer.apply(replace(commit, under=under))

    async def _anew(self) -> Acting:
        """Who acts, with the rights that are left. Raises NotActingError."""
        now = self.desk.agency.clock()
        session, member, grants = await _look(
            self.desk, self.session.token_hash, self.session.certificate, self.function, now
        )
        return replace(self, session=session, member=member, grants=grants)

    async def _no_more(self) -> ProblemError:
        """A right that counts here has ended, and others have not. Raises NotActingError when the session or all of them have."""
        await self._anew()
        await _refuse(self.desk, "right_missing", self.session.certificate, self.staff_id, self.function)
        return ProblemError(
            403, "right_missing", "A right that you had when you called has ended; nothing more is done under it."
        )


def _ended() -> NotActingError:
    return NotActingError(401, "session_ended", "No session is open under this token on this terminal; log in.")


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
        raise NotActingError(
            401, "session_missing", "Staff log in first; send the session in the header Authorization: Bearer."
        )
    for _ in range(_LOOKS):
        session, member, grants = await _look(desk, token_hash(token), certificate, function, now)
        reason, reference = _why(headers, session)
        acting = Acting(
            desk=desk, function=function, session=session, member=member, grants=grants, reason=reason, reference=reference
        )  # fmt: skip
        entry = acting.entry(now, EntryKind.STAFF_OPERATED, function, integrated_number=None, **facts)
        recorded = Commit(step=_OPERATED, entries=(entry,))
        if function is None or isinstance(await acting._under(recorded, grants, now), Applied):  # noqa: SLF001 (one act in two places)
            OPERATIONS.labels(desk.agency.id, function.value if function else "own", "admitted").inc()
            return acting
    raise _ended()


async def _look(
    desk: StaffDesk, session_hash: str, certificate: bytes, function: Function | None, now: datetime
) -> tuple[Session, Member, tuple[Grant, ...]]:
    """Steps 2 to 5, on what the database says now. Raises NotActingError."""
    session = await store.session(desk.agency, session_hash)
    if session is None or not session_works(session, certificate, now, desk.rules.idle):
        reason = "session_ended" if session is None or session.vouched else "session_unvouched"
        await _refuse(desk, reason, certificate, session.staff_id if session else "")
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
        states = {member.state if member else None, card.state if card else None}
        changed = not states.isdisjoint({MemberState.UNVOUCHED, CardState.UNVOUCHED})
        await _refuse(desk, "session_unvouched" if changed else "session_ended", certificate, session.staff_id)
        raise _ended()
    if function is None:
        return session, member, ()
    if session.restricted:
        await _refuse(desk, "password_change_needed", certificate, session.staff_id, function)
        raise NotActingError(403, "password_change_needed", "Set a password of your own first: sekisho staff password.")
    theirs = await store.grants(desk.agency, session.staff_id)
    held = working(theirs, member.office, now)
    files = {FILE_OF[function], *FURTHER_FILES.get(function, ())}
    grants = tuple(grant for grant in held if any(grant.names(function, file) for file in files))
    if not grants:
        changed = any(one.state is GrantState.UNVOUCHED and one.scope.function is function for one in theirs)
        reason = "right_unvouched" if changed else "right_missing"
        await _refuse(desk, reason, certificate, session.staff_id, function)
        raise NotActingError(
            403, "right_missing", "You hold no right for this function; two administrators can grant it."
        )
    return session, member, grants


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


async def still_may(desk: StaffDesk, first: First) -> Grant | None:
    """The grant under which somebody who approved or asked before could do so now; None when they could not."""
    now = desk.agency.clock()
    member = await store.member(desk.agency, first.staff_id)
    if member is None or member.state is not MemberState.ACTIVE or now >= member.valid_until:
        return None
    grants = working(await store.grants(desk.agency, first.staff_id), member.office, now)
    return next((grant for grant in grants if grant.covers(first.function, first.affair, first.information)), None)


async def _right_of(desk: StaffDesk, first: First) -> Grant:
    """Raises FirstMayNotError."""
    found = await still_may(desk, first)
    if found is None:
        raise FirstMayNotError(409, "asker_may_not", "Whoever asked for this has no right for it any more; ask anew.")
    return found


class Lasting:
    """Session and rights of somebody for whom something long leaves: they are looked at again every `LOOK_AGAIN_S`, which keeps the session in use."""

    def __init__(self, acting: Acting) -> None:
        self._acting = acting
        self._looked = asyncio.get_running_loop().time()

    async def look(self) -> None:
        """Before each part. Raises as `Acting.commit`."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_AGAIN_S:
            self._looked = now
            await self._acting.commit(Commit(step=_OPERATED))


async def lasting(acting: Acting, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts, while somebody may have them. Raises as `Acting.commit`."""
    watched = Lasting(acting)
    async for part in parts:
        await watched.look()
        yield part


def only(items: list[Item]) -> Item:
    """The one item of a function that takes exactly one. Raises ProblemError 400."""
    if len(items) != 1:
        raise ProblemError(400, "one_at_a_time", "This function takes exactly one item.")
    return items[0]
