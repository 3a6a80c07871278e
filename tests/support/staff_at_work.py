"""Members of staff with every right, logged in: their rows as the server writes them, and they as a flow meets them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.intermediate_server.staff import store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import Card, CardKind, CardState, Member, MemberState, Session
from gateway.intermediate_server.staff.rights import EVERYTHING, Actor, Function, Grant, GrantState, Scope
from storage.committer import Commit, Write, commit_step

_STEP = commit_step("test", "staff_at_work")
_ADMINISTRATORS = ("admin-1", "admin-2")
_FOR = timedelta(days=365 * 30)


def _member(staff_id: str, since: datetime) -> Member:
    return Member(
        staff_id=staff_id, office="o1", state=MemberState.ACTIVE, password_hash="$argon2id$none", password_initial=False,
        password_until=since + _FOR, valid_until=since + _FOR, version=1,
    )  # fmt: skip


def _card(staff_id: str, since: datetime) -> Card:
    return Card(
        card_id=f"card-{staff_id}", staff_id=staff_id, kind=CardKind.KEY, public_key=sha256(staff_id.encode()).digest(), credential=None,
        sign_count=0, valid_until=since + _FOR, state=CardState.ACTIVE,
    )  # fmt: skip


def _session(staff_id: str, since: datetime) -> Session:
    return Session(
        token_hash=sha256(staff_id.encode()).hexdigest(), staff_id=staff_id, card_id=f"card-{staff_id}", certificate=b"", opened_at=since,
        seen_at=since, until=since + _FOR, restricted=False, reason="held_review", reference="", ended_at=None,
    )  # fmt: skip


def _grant(staff_id: str, function: Function, since: datetime, affair: str = EVERYTHING) -> Grant:
    first, second = (Actor(staff_id=one, card_id=f"card-{one}") for one in _ADMINISTRATORS)
    scope = Scope(
        function=function, office="o1", affair=affair, information=EVERYTHING, file=EVERYTHING, valid_from=since, valid_until=since + _FOR
    )  # fmt: skip
    return Grant(
        grant_id=f"{staff_id}.{function.value}.{affair}", staff_id=staff_id, scope=scope, state=GrantState.EFFECTIVE, version=1,
        requested=first, approved=second, approved_digest="seen",
    )  # fmt: skip


def acting(
    desk: StaffDesk,
    staff_id: str,
    since: datetime,
    function: Function | None = None,
    affairs: Iterable[str] = (EVERYTHING,),
) -> Acting:
    """Somebody of those who have entered, with every right (None), or at one function for these affairs."""
    functions = Function if function is None else (function,)
    return Acting(
        desk=desk, function=function, session=_session(staff_id, since), member=_member(staff_id, since),
        grants=tuple(_grant(staff_id, one, since, affair) for one in functions for affair in affairs), reason="held_review", reference="",
    )  # fmt: skip


async def mark_anew(desk: StaffDesk) -> None:
    """Whatever a test has written beside the server is as if the server had written it."""
    for mark in await store.marks_of_before(desk.agency):
        await desk.agency.committer.apply(Commit(step=_STEP, guard=mark))


async def enter(desk: StaffDesk, staff_ids: Iterable[str], since: datetime) -> None:
    """Enrol these, with every right, and log them in; those who are there already, marked by the ring of a world before this one, are marked by this."""
    await mark_anew(desk)
    for staff_id in (*_ADMINISTRATORS, *staff_ids):
        if await store.member(desk.agency, staff_id) is not None:
            continue
        member, session = _member(staff_id, since), _session(staff_id, since)
        rights = (
            [store.add_grant(desk.agency, _grant(staff_id, one, since)) for one in Function]
            if staff_id not in _ADMINISTRATORS
            else []
        )
        writes = [
            store.add_member(desk.agency, member, "test"),
            store.add_card(desk.agency, _card(staff_id, since)),
            *rights,
            store.open_session(desk.agency, session, member.version),
        ]
        for one in writes:
            await desk.agency.committer.apply(Commit(step=_STEP, guard=one))


async def end_session(desk: StaffDesk, staff_id: str, at: datetime) -> None:
    await desk.agency.committer.apply(
        Commit(step=_STEP, guard=Write(store.END_SESSION, (_session(staff_id, at).token_hash, at)))
    )


async def grant(desk: StaffDesk, staff_id: str, function: Function, since: datetime, affair: str) -> None:
    made = store.add_grant(desk.agency, _grant(staff_id, function, since, affair))
    await desk.agency.committer.apply(Commit(step=_STEP, guard=made))


async def revoke(desk: StaffDesk, staff_id: str, function: Function, since: datetime, affair: str = EVERYTHING) -> None:
    before = _grant(staff_id, function, since, affair)
    after = replace(before, state=GrantState.REVOKED, revoked=before.requested)
    await desk.agency.committer.apply(Commit(step=_STEP, guard=store.change_grant(desk.agency, before, after)))
