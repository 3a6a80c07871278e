"""Grants over the wire: asked for, approved by a second person with both factors anew, revoked at once and checked afterwards (SC-11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.staff import ending, remaining, store
from gateway.intermediate_server.staff.desk import somebody
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.operating import Acting, First
from gateway.intermediate_server.staff.people import OFFICE
from gateway.intermediate_server.staff.rights import (
    EVERYTHING,
    PROVED,
    File,
    Function,
    Grant,
    GrantEvent,
    GrantRefusal,
    Scope,
    requested,
    step,
)
from gateway.intermediate_server.staff.second_person import prove_for
from storage.committer import Commit, Write, commit_step
from transport.problem import ProblemError
from transport.wire import Dated

GRANT_PREFIX: Final = "G"
AFFAIR: Final = re.compile(r"\*|(?!.*[0-9]{10})[0-9A-Za-z.-]{1,60}")
"""An item of the list, or all of them; nothing as long as a number of a person."""
GRANT_ID: Final = re.compile(r"G[0-9A-HJKMNP-TV-Z]{26}")
_CHANGED = commit_step("intermediate", "staff.grant_changed")
_WHY: Final = {
    GrantRefusal.STATE: (409, "The grant is not in a state for that; list the grants again."),
    GrantRefusal.SECOND_PERSON: (
        403,
        "A second person must do this: not whoever asked, not the holder, not with the same card.",
    ),
    GrantRefusal.CONTENT: (409, "The grant is not what you were shown; look at it again."),
    GrantRefusal.PERIOD: (409, "The grant's period is over; ask for a new one."),
}


class ScopeItem(Dated, frozen=True, forbid_unknown_fields=True):
    function: Function
    office: str
    valid_until: datetime
    valid_from: datetime | None = None
    affair: str = EVERYTHING
    information: str = EVERYTHING
    file: str = EVERYTHING


class RequestItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="request"):
    """Item of IF_STF_90036: ask for a new grant. `grant_id`: drawn by the caller, so that asking again asks for the same one."""

    grant_id: str
    staff_id: str
    scope: ScopeItem


class EditItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="edit"):
    grant_id: str
    scope: ScopeItem


class RevokeItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="revoke"):
    """`emergency`: both factors for `emergency/<grant id>`, so that somebody compromised goes although too few are left."""

    grant_id: str
    emergency: Proof | None = None


class ApproveItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="approve"):
    """`content_hash` as shown by IF_STF_90035; the proof answers a challenge for `approve/<grant id>/<content hash>`."""

    grant_id: str
    content_hash: str
    proof: Proof


class RejectItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="reject"):
    grant_id: str
    content_hash: str
    proof: Proof


class CheckItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="event", tag="check"):
    """A revocation looked at by a second person."""

    grant_id: str
    content_hash: str
    proof: Proof


GrantItem = RequestItem | EditItem | RevokeItem | ApproveItem | RejectItem | CheckItem
ASKING_ITEM: msgspec.json.Decoder[RequestItem | EditItem | RevokeItem] = msgspec.json.Decoder(
    RequestItem | EditItem | RevokeItem
)
CHECKING_ITEM: msgspec.json.Decoder[ApproveItem | RejectItem | CheckItem | RevokeItem] = msgspec.json.Decoder(
    ApproveItem | RejectItem | CheckItem | RevokeItem
)


def shown(grant: Grant, agency: str) -> dict[str, Any]:
    """A grant as staff see it; `content_hash` is what an approval is for."""
    scope = grant.scope
    return {
        "grant_id": grant.grant_id,
        "staff_id": grant.staff_id,
        "function": scope.function.value,
        "office": scope.office,
        "affair": scope.affair,
        "information": scope.information,
        "file": scope.file,
        "valid_from": timestamp(scope.valid_from),
        "valid_until": timestamp(scope.valid_until),
        "state": grant.state.value,
        "version": grant.version,
        "requested_by": grant.requested.staff_id,
        "approved_by": grant.approved.staff_id if grant.approved else None,
        "revoked_by": grant.revoked.staff_id if grant.revoked else None,
        "checked_by": grant.checked.staff_id if grant.checked else None,
        "content_hash": grant.digest(agency),
    }


async def listed(acting: Acting) -> list[dict[str, Any]]:
    """IF_STF_90035: every grant with its state."""
    agency = acting.desk.agency
    return [shown(grant, agency.id) for grant in await store.grants(agency)]


async def change(acting: Acting, item: GrantItem) -> dict[str, Any]:
    """IF_STF_90036 and IF_STF_90037: one event of one grant. Raises ProblemError with what to do."""
    desk = acting.desk
    now = desk.agency.clock()
    if isinstance(item, RequestItem):
        return await _request(acting, item, now)
    grant = await store.grant(desk.agency, item.grant_id)
    if grant is None:
        raise ProblemError(404, "grant_unknown", "There is no grant of that id; list the grants again.")
    event = GrantEvent(str(item.__struct_config__.tag))
    seen, signed = "", dict[str, str]()
    if isinstance(item, ApproveItem | RejectItem | CheckItem):
        await prove_for(acting, f"{event.value}/{item.grant_id}/{item.content_hash}", item.proof, now)
        seen, signed = item.content_hash, signed_by_card(item.proof)
    scope = _scope(item.scope, _informations(desk.agency), now) if isinstance(item, EditItem) else None
    after = step(grant, event, acting.actor, now, agency=desk.agency.id, scope=scope, seen=seen)
    if isinstance(after, GrantRefusal):
        await desk.record_refusal(
            now, actor=acting.staff_id, reason=f"{event.value}/{after.value}", grant_id=grant.grant_id
        )
        status, detail = _WHY[after]
        raise ProblemError(status, after.value, detail)
    taking = None
    if event in (GrantEvent.REVOKE, GrantEvent.EDIT):
        proof = item.emergency if isinstance(item, RevokeItem) else None
        taking = await remaining.taking(acting, now, grant_id=grant.grant_id, emergency=proof)
        signed |= taking.facts
        await ending.note(desk.agency, [(ending.GRANT, grant.grant_id)], now)
    first = First(staff_id=grant.requested.staff_id, function=Function.STAFF_ADMINISTER)
    await _commit(
        acting,
        event,
        after,
        store.change_grant(desk.agency, grant, after),
        now,
        signed,
        first if event is GrantEvent.APPROVE else None,
        taking.provided if taking is not None else None,
    )
    return shown(after, desk.agency.id)


async def _request(acting: Acting, item: RequestItem, now: datetime) -> dict[str, Any]:
    desk = acting.desk
    await somebody(desk, item.staff_id)
    if not GRANT_ID.fullmatch(item.grant_id):
        raise ProblemError(400, "malformed_item", "A grant id is G and 26 characters, drawn by whoever asks.")
    known = await store.grant(desk.agency, item.grant_id)
    if known is not None and known.requested.staff_id == acting.staff_id and known.staff_id == item.staff_id:
        return shown(known, desk.agency.id)
    scope = _scope(item.scope, _informations(desk.agency), now)
    grant = requested(item.grant_id, item.staff_id, scope, acting.actor)
    await _commit(acting, None, grant, store.add_grant(desk.agency, grant), now)
    return shown(grant, desk.agency.id)


def _scope(item: ScopeItem, known: frozenset[str], now: datetime) -> Scope:
    """`known`: the kinds of information that there are: nothing that somebody typed freely gets into the log."""
    since = item.valid_from or now
    right = (
        OFFICE.fullmatch(item.office)
        and item.file in {EVERYTHING, *File}
        and AFFAIR.fullmatch(item.affair)
        and item.information in known
        and since.tzinfo is not None
        and item.valid_until.tzinfo is not None
    )
    if not right or item.valid_until <= max(since, now):
        raise ProblemError(
            400,
            "malformed_scope",
            "Office, affair, information, file or period of the grant is not of its form; see /openapi.json.",
        )
    scope = Scope(
        function=item.function,
        office=item.office,
        affair=item.affair,
        information=item.information,
        file=item.file,
        valid_from=since,
        valid_until=item.valid_until,
    )
    if not scope.fits_function:
        raise ProblemError(
            400,
            "malformed_scope",
            "This function is about every affair and kind of information at once: ask for it with * as affair and as information.",
        )
    return scope


def _informations(agency: HostedAgency) -> frozenset[str]:
    return frozenset({EVERYTHING, *(layout.information for layout in agency.layouts)})


async def _commit(
    acting: Acting,
    event: GrantEvent | None,
    grant: Grant,
    guard: Write,
    now: datetime,
    signed: Mapping[str, str] = MappingProxyType({}),
    first: First | None = None,
    provided: Write | None = None,
) -> None:
    scope = grant.scope
    function = Function.STAFF_APPROVE if event in PROVED else Function.STAFF_ADMINISTER
    entry = acting.entry(
        now,
        EntryKind.GRANT_CHANGED,
        function,
        event=event.value if event else "request",
        grant_id=grant.grant_id,
        version=grant.version,
        holder=grant.staff_id,
        state=grant.state.value,
        granted=scope.function.value,
        affair=scope.affair,
        information=scope.information,
        granted_office=scope.office,
        granted_file=scope.file,
        content_hash=grant.digest(acting.desk.agency.id),
        card=acting.session.card_id,
        **signed,
    )
    commit = Commit(step=_CHANGED, provided=provided, guard=guard, entries=(entry,))
    if not await acting.commit(commit, first=first):
        await remaining.look_again(acting, provided)
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; list it again.")
