"""権限 (grants): what a member of staff may do, and how a grant comes into force and ends (IS-9, SC-11, SC-24). Pure.

A grant is inert until a second person with their own two factors has approved exactly its content; an edit voids that approval; a
revocation works at once and is checked afterwards. `TRANSITIONS` is the whole state machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta

from evidence.canonical import timestamp
from keys.binding import bind

EVERYTHING: Final = "*"
"""As affair, information or file of a grant: all of them."""
AffairText = Annotated[str, Meta(pattern=r"^(?!.*[0-9]{10})[0-9A-Za-z][0-9A-Za-z-]{0,59}\Z")]
"""What a call says of its affair: item of the list, or an affair of the linkage server; nothing as long as a number of a person, since it is recorded."""


class Function(StrEnum):
    """What staff do at an intermediate server."""

    HELD_VIEW = "held.view"
    HELD_DECIDE = "held.decide"
    REPLICAS_VIEW = "replicas.view"
    """See the copies held of one person (IS-6)."""
    BARS_VIEW = "bars.view"
    BARS_CHANGE = "bars.change"
    LOG_SEARCH = "log.search"
    LOG_EXPORT = "log.export"
    RECORDS_SEARCH = "records.search"
    RECORDS_CORRECT = "records.correct"
    RECORDS_EXTRACT = "records.extract"
    ERASURES_CONFIRM = "erasures.confirm"
    DESK_INQUIRE = "desk.inquire"
    """Ask for information at a terminal (LS-3.1); `affair` is the list's item, `information` what is asked for."""
    DESK_SEARCH = "desk.search"
    """Look for people of the linkage server at a terminal (LS-1.4); `affair` is the linkage server's."""
    DESK_REVIEW = "desk.review"
    """Decide about holds and links of people at a terminal (LS-1.3); `affair` is the linkage server's."""
    DESK_BUSINESS_VIEW = "desk.business.view"
    """See one person's business information of the linkage server at a terminal (LS-2.3); `affair` is the linkage server's."""
    DESK_BUSINESS_CHANGE = "desk.business.change"
    """Enter, change and delete it there (LS-2.3)."""
    OPERATIONS = "operations"
    """Whatever a staff route does that names no function of its own."""
    STATISTICS = "statistics"
    BACKUP = "backup"
    """Backups and what a restore takes (SC-15): of administrators alone."""
    KEYS_DESTROY = "keys.destroy"
    """Have a version of a key destroyed, of any server of the agency: two people together (SC-20)."""
    STAFF_ADMINISTER = "staff.administer"
    STAFF_APPROVE = "staff.approve"
    STAFF_ANALYSE = "staff.analyse"


class File(StrEnum):
    """The files that staff of an intermediate server work on, those of the agency's linkage server together (SC-24).

    `ledgers`: of its business system, of which they order backups.
    """

    REPLICAS = "replicas"
    EXCHANGE_RECORDS = "exchange_records"
    STAFF_RECORDS = "staff_records"
    ADDRESSEES = "addressees"
    LEDGERS = "ledgers"
    SYSTEM = "system"


FILE_OF: Final[Mapping[Function, File]] = {
    Function.HELD_VIEW: File.REPLICAS,
    Function.HELD_DECIDE: File.REPLICAS,
    Function.REPLICAS_VIEW: File.REPLICAS,
    Function.BARS_VIEW: File.REPLICAS,
    Function.BARS_CHANGE: File.REPLICAS,
    Function.LOG_SEARCH: File.EXCHANGE_RECORDS,
    Function.LOG_EXPORT: File.EXCHANGE_RECORDS,
    Function.RECORDS_SEARCH: File.EXCHANGE_RECORDS,
    Function.RECORDS_CORRECT: File.EXCHANGE_RECORDS,
    Function.RECORDS_EXTRACT: File.EXCHANGE_RECORDS,
    Function.ERASURES_CONFIRM: File.EXCHANGE_RECORDS,
    Function.DESK_INQUIRE: File.ADDRESSEES,
    Function.DESK_SEARCH: File.ADDRESSEES,
    Function.DESK_REVIEW: File.ADDRESSEES,
    Function.DESK_BUSINESS_VIEW: File.ADDRESSEES,
    Function.DESK_BUSINESS_CHANGE: File.ADDRESSEES,
    Function.OPERATIONS: File.SYSTEM,
    Function.STATISTICS: File.EXCHANGE_RECORDS,
    Function.BACKUP: File.SYSTEM,
    Function.KEYS_DESTROY: File.SYSTEM,
    Function.STAFF_ADMINISTER: File.STAFF_RECORDS,
    Function.STAFF_APPROVE: File.STAFF_RECORDS,
    Function.STAFF_ANALYSE: File.STAFF_RECORDS,
}


FURTHER_FILES: Final[Mapping[Function, frozenset[File]]] = {Function.BACKUP: frozenset({File.ADDRESSEES, File.LEDGERS})}
"""Files that a grant may name beside the function's own: then it is good for that one alone."""
WITHOUT_LIMITS: Final = frozenset(
    {
        Function.LOG_EXPORT,
        Function.RECORDS_EXTRACT,
        Function.ERASURES_CONFIRM,
        Function.OPERATIONS,
        Function.BACKUP,
        Function.KEYS_DESTROY,
        Function.STAFF_ADMINISTER,
        Function.STAFF_APPROVE,
        Function.STAFF_ANALYSE,
    }
)
"""Functions that are about every affair and every kind of information at once: no grant of them is limited to one (SC-24)."""


class GrantState(StrEnum):
    REQUESTED = "requested"
    EFFECTIVE = "effective"
    REJECTED = "rejected"
    REVOKED = "revoked"
    """Without effect; a second person has still to look at the revocation."""
    CLOSED = "closed"
    UNVOUCHED = "unvouched"
    """Effective or asked for in a row that this server did not write so (staff.vouching): without effect, and good for nothing but being revoked."""


class GrantEvent(StrEnum):
    EDIT = "edit"
    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"
    CHECK = "check"


PROVED: Final = frozenset({GrantEvent.APPROVE, GrantEvent.REJECT, GrantEvent.CHECK})
"""What needs both factors at that moment, for exactly that content: an open terminal must not be enough."""
TRANSITIONS: Final[Mapping[tuple[GrantState, GrantEvent], GrantState]] = {
    (GrantState.REQUESTED, GrantEvent.EDIT): GrantState.REQUESTED,
    (GrantState.REQUESTED, GrantEvent.APPROVE): GrantState.EFFECTIVE,
    (GrantState.REQUESTED, GrantEvent.REJECT): GrantState.REJECTED,
    (GrantState.REQUESTED, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.EFFECTIVE, GrantEvent.EDIT): GrantState.REQUESTED,
    (GrantState.EFFECTIVE, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.UNVOUCHED, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.REVOKED, GrantEvent.CHECK): GrantState.CLOSED,
}
"""Every step that there is; a request makes a grant in `requested`."""


class GrantRefusal(StrEnum):
    STATE = "grant_state"
    SECOND_PERSON = "second_person_needed"
    CONTENT = "content_changed"
    PERIOD = "period_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a grant gives. `affair`: item of the list; `information`: its kind; both and `file` may be EVERYTHING."""

    function: Function
    office: str
    affair: str
    information: str
    file: str
    valid_from: datetime
    valid_until: datetime

    @property
    def fits_function(self) -> bool:
        """Whether its function looks at the limits that are set."""
        return self.function not in WITHOUT_LIMITS or self.affair == self.information == EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and the card that they have shown."""

    staff_id: str
    card_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """権限の付与. `version` counts edits; `approved_digest` is the content that the second person has seen."""

    grant_id: str
    staff_id: str
    scope: Scope
    state: GrantState
    version: int
    requested: Actor
    approved: Actor | None = None
    approved_digest: str | None = None
    revoked: Actor | None = None
    checked: Actor | None = None

    def digest(self, agency: str) -> str:
        """Hex SHA-256 of what an approval is for: every edit gives another one."""
        scope = self.scope
        return sha256(
            bind(
                agency,
                self.grant_id,
                self.staff_id,
                self.version,
                scope.function.value,
                scope.office,
                scope.affair,
                scope.information,
                scope.file,
                timestamp(scope.valid_from),
                timestamp(scope.valid_until),
            )
        ).hexdigest()

    def works(self, office: str, now: datetime) -> bool:
        """Whether its holder, who works in `office`, may use it now."""
        return (
            self.state is GrantState.EFFECTIVE
            and self.scope.office == office
            and self.scope.valid_from <= now < self.scope.valid_until
        )

    def names(self, function: Function, file: File) -> bool:
        """Whether it is for this function on this file; one whose limits the function does not look at is for nothing."""
        scope = self.scope
        return scope.function is function and scope.fits_function and scope.file in (EVERYTHING, file.value)

    def covers(self, function: Function, affair: str = EVERYTHING, information: str = EVERYTHING) -> bool:
        scope = self.scope
        return (
            scope.function is function
            and scope.affair in (EVERYTHING, affair)
            and scope.information in (EVERYTHING, information)
            and scope.file in (EVERYTHING, FILE_OF[function].value)
        )


def requested(grant_id: str, staff_id: str, scope: Scope, by: Actor) -> Grant:
    """A new grant: inert."""
    return Grant(grant_id=grant_id, staff_id=staff_id, scope=scope, state=GrantState.REQUESTED, version=1, requested=by)


def step(
    grant: Grant,
    event: GrantEvent,
    by: Actor,
    now: datetime,
    *,
    agency: str,
    scope: Scope | None = None,
    seen: str = "",
) -> Grant | GrantRefusal:
    """The grant after an event, or why not. `scope`: of an edit; `seen`: digest of what whoever decides was shown."""
    state = TRANSITIONS.get((grant.state, event))
    if state is None:
        return GrantRefusal.STATE
    refused = _refusal_of(grant, event, by, now, grant.digest(agency) == seen)
    if refused is not None:
        return refused
    after = replace(grant, state=state)
    match event:
        case GrantEvent.APPROVE:
            after = replace(after, approved=by, approved_digest=seen)
        case GrantEvent.EDIT:
            after = edited(grant, by, scope or grant.scope)
        case GrantEvent.REVOKE:
            after = replace(after, revoked=by)
        case GrantEvent.CHECK:
            after = replace(after, checked=by)
        case GrantEvent.REJECT:
            pass
    return after


def _refusal_of(
    grant: Grant,
    event: GrantEvent,
    by: Actor,
    now: datetime,
    seen: bool,  # noqa: FBT001 (one fact)
) -> GrantRefusal | None:
    """1. An approval is another person's and another card's than the request's, the check of a revocation than the revocation's, and neither
    is the holder's (SC-11); 2. they and a rejection are for the content as it stands; 3. an approval for a period that is not over.
    """
    firsts = {GrantEvent.APPROVE: grant.requested, GrantEvent.CHECK: grant.revoked}
    if event in firsts:
        first = firsts[event]
        if first is None or by.staff_id in (first.staff_id, grant.staff_id) or by.card_id == first.card_id:
            return GrantRefusal.SECOND_PERSON
    if event in PROVED and not seen:
        return GrantRefusal.CONTENT
    if event is GrantEvent.APPROVE and now >= grant.scope.valid_until:
        return GrantRefusal.PERIOD
    return None


def edited(grant: Grant, by: Actor, scope: Scope) -> Grant:
    """The grant with another content, or of somebody with new credentials: whoever changed it asks for it anew."""
    return Grant(
        grant_id=grant.grant_id,
        staff_id=grant.staff_id,
        scope=scope,
        state=GrantState.REQUESTED,
        version=grant.version + 1,
        requested=by,
    )


def working(grants: Iterable[Grant], office: str, now: datetime) -> list[Grant]:
    return [grant for grant in grants if grant.works(office, now)]
