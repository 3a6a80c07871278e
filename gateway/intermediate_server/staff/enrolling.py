"""Members of staff, their passwords and cards: who comes, moves and leaves (IS-9, SC-10, SC-11).

Leaving and moving to another office end every grant and session at once. When somebody else has set a person's credentials, their
grants are as new: a second person approves them again, so no administrator can become somebody else on their own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import ending, factors, remaining, store
from gateway.intermediate_server.staff.desk import StaffDesk, somebody
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.extending import end_too_far
from gateway.intermediate_server.staff.extensions import longest
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import (
    OFFICE,
    RESERVED,
    STAFF_ID,
    Card,
    CardKind,
    CardState,
    Member,
    MemberState,
    too_weak,
)
from gateway.intermediate_server.staff.remaining import Taking
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, Write, commit_step
from transport.problem import ProblemError
from transport.wire import Dated

_CHANGED = commit_step("intermediate", "staff.member_changed")
_KEY_SIZE: Final = 32


class AddItem(Dated, frozen=True, forbid_unknown_fields=True, tag_field="operation", tag="add"):
    """Item of IF_STF_90034. `password`: for the first log-in alone; `card_key`: the card's Ed25519 public key."""

    staff_id: str
    office: str
    valid_until: datetime
    password: str
    card_key: bytes


class LeaveItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="leave"):
    """`emergency`: both factors for `emergency/<staff id>`, so that somebody compromised goes although too few are left."""

    staff_id: str
    emergency: Proof | None = None


class TransferItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="transfer"):
    staff_id: str
    office: str


class UnlockItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="unlock"):
    staff_id: str


class ResetItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="reset"):
    """Another first password and another card for somebody who has lost theirs."""

    staff_id: str
    password: str
    card_key: bytes


class RelateItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="relate"):
    """Whose look-ups the analysis shall notice: the person's own number or one of their household, kept sealed."""

    staff_id: str
    relation: str
    integrated_number: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{15}\Z")]


MemberItem = AddItem | LeaveItem | TransferItem | UnlockItem | ResetItem | RelateItem
MEMBER_ITEM: msgspec.json.Decoder[MemberItem] = msgspec.json.Decoder(MemberItem)


async def listed(desk: StaffDesk) -> list[dict[str, Any]]:
    """IF_STF_90033: members with their cards."""
    now = desk.agency.clock()
    locked = await store.locked_people(desk.agency, now)
    cards = await store.cards(desk.agency)
    return [
        {
            "staff_id": member.staff_id,
            "office": member.office,
            "state": member.state.value,
            "valid_until": timestamp(member.valid_until),
            "password_until": timestamp(member.password_until),
            "password_initial": member.password_initial,
            "locked_until": timestamp(locked[member.staff_id]) if member.staff_id in locked else None,
            "cards": [
                {
                    "card_id": card.card_id,
                    "kind": card.kind.value,
                    "state": card.state.value,
                    "valid_until": timestamp(card.valid_until),
                }
                for card in cards
                if card.staff_id == member.staff_id
            ],
        }
        for member in await store.members(desk.agency)
    ]


async def change(acting: Acting, item: MemberItem) -> dict[str, Any]:
    """IF_STF_90034. Raises ProblemError with what to do."""
    desk = acting.desk
    now = desk.agency.clock()
    if isinstance(item, AddItem):
        return await _add(acting, item, now)
    member = await somebody(desk, item.staff_id, vouched=not isinstance(item, LeaveItem | ResetItem))
    after, follow = await _after(acting, member, item, now)
    proof = item.emergency if isinstance(item, LeaveItem) else None
    taking = await remaining.taking(acting, now, staff_id=item.staff_id, emergency=proof) if _ends(item) else None
    await ending.note(desk.agency, await _ended(acting, item), now)
    guard = store.change_member(desk.agency, member, after, acting.staff_id)
    await _commit(acting, item, after, guard, follow, now, taking)
    return {"staff_id": member.staff_id, "state": after.state.value, "office": after.office}


def _ends(item: MemberItem) -> bool:
    """Whether somebody's rights do not work any more as they did."""
    return isinstance(item, LeaveItem | TransferItem | ResetItem)


async def _ended(acting: Acting, item: MemberItem) -> list[tuple[str, str]]:
    """What of somebody's rights no restore may bring back."""
    agency, who = acting.desk.agency, item.staff_id
    match item:
        case LeaveItem():
            return [
                (ending.MEMBER, who),
                *await ending.cards_of(agency, who),
                *await ending.grants_of(agency, who),
            ]
        case TransferItem():
            return await ending.grants_of(agency, who)
        case ResetItem():
            return [
                (ending.PASSWORD, who),
                *await ending.cards_of(agency, who),
                *await ending.grants_of(agency, who),
            ]
    return []


async def _after(acting: Acting, member: Member, item: MemberItem, now: datetime) -> tuple[Member, tuple[Write, ...]]:
    """The member as it will be, and what goes with that at once."""
    who, by = member.staff_id, acting.actor
    ended = Write(store.END_SESSIONS_OF, (who, now))
    revoked = Write(store.REVOKE_GRANTS_OF, (who, by.staff_id, by.card_id))
    match item:
        case LeaveItem():
            return replace(member, state=MemberState.LEFT, password_hash=""), (
                ended,
                revoked,
                Write(store.REVOKE_CARDS_OF, (who,)),
                Write(store.NOTE_LEAVING, (who, now)),
            )
        case TransferItem(office=office):
            _check_form(bool(OFFICE.fullmatch(office)) and office != member.office)
            return replace(member, office=office), (ended, revoked)
        case UnlockItem():
            return member, (Write(store.FORGET_ATTEMPTS, (f"person/{who}",)),)
        case ResetItem():
            if who == by.staff_id:
                raise ProblemError(403, "second_person_needed", "Another administrator must reset your credentials.")
            fresh = await _fresh(acting.desk, who, item.password, item.card_key, now)
            held = await store.grants(acting.desk.agency, who)
            void = store.void_grants(acting.desk.agency, held, who, by)
            card = store.add_card(acting.desk.agency, await _key_card(acting.desk, who, item.card_key, now))
            others = Write(store.REVOKE_CARDS_OF, (who,))
            return replace(member, state=MemberState.ACTIVE, **fresh), (ended, void, others, card)
        case RelateItem():
            _check_form(item.relation in ("self", "household"))
            indexes = factors.person_indexes(acting.desk.ring, item.integrated_number)
            if item.relation == "self" and await store.others_of(acting.desk.agency, who, indexes):
                raise ProblemError(
                    409, "person_has_an_id", "This person has another id that is in force: a person has one."
                )
            return member, related(acting.desk, item)
    raise TypeError("an operation without an end")


def related(desk: StaffDesk, item: RelateItem) -> tuple[Write, ...]:
    """In the place of what is found by an earlier key, or has no number beside it."""
    who, number = item.staff_id, item.integrated_number
    earlier = (
        Write(store.FORGET_RELATION, (who, item.relation, index)) for index in factors.person_indexes(desk.ring, number)
    )
    kept = factors.kept_relation(desk.ring, desk.agency.id, who, number)
    return (*earlier, Write(store.ADD_RELATION, (who, item.relation, *kept)))


async def _add(acting: Acting, item: AddItem, now: datetime) -> dict[str, Any]:
    """A new id with a first password and a card; it may do nothing until grants are approved."""
    desk = acting.desk
    named = STAFF_ID.fullmatch(item.staff_id) and item.staff_id not in RESERVED
    right = named and OFFICE.fullmatch(item.office) and item.valid_until.tzinfo is not None
    _check_form(bool(right) and item.valid_until > now)
    if item.valid_until > (latest := longest(desk.rules, now, with_cards=False)):
        raise end_too_far(latest)
    known = await store.member(desk.agency, item.staff_id)
    if known is not None or await ending.is_noted(desk.agency, ending.MEMBER, item.staff_id):
        raise ProblemError(
            409, "staff_id_taken", "This id is somebody's, or was: an id is never given to another person."
        )
    fresh = await _fresh(desk, item.staff_id, item.password, item.card_key, now)
    card = await _key_card(desk, item.staff_id, item.card_key, now)
    member = Member(
        staff_id=item.staff_id,
        office=item.office,
        state=MemberState.ACTIVE,
        valid_until=item.valid_until,
        version=1,
        **fresh,
    )
    guard = store.add_member(desk.agency, member, acting.staff_id)
    await _commit(acting, item, member, guard, (store.add_card(desk.agency, card),), now)
    return {"staff_id": item.staff_id, "state": MemberState.ACTIVE.value, "office": item.office}


def _check_form(right: bool) -> None:  # noqa: FBT001 (one fact)
    if not right:
        raise ProblemError(
            400, "malformed_item", "An id, an office, a period or a number does not have its form; see /openapi.json."
        )


async def _fresh(desk: StaffDesk, staff_id: str, password: str, card_key: bytes, now: datetime) -> dict[str, Any]:
    """A password set by somebody else: good for being changed, and not for long."""
    _check_form(len(card_key) == _KEY_SIZE)
    return {
        "password_hash": await hashed(desk, staff_id, password),
        "password_initial": True,
        "password_until": now + desk.rules.initial_for,
    }


async def hashed(desk: StaffDesk, staff_id: str, password: str) -> str:
    if too_weak(password, staff_id):
        raise ProblemError(
            400,
            "password_too_weak",
            "A password has 12 to 128 characters, not few different ones, and not the id in it.",
        )
    async with desk.hashing:
        return await asyncio.to_thread(factors.hash_password, password, desk.profile)


async def _key_card(desk: StaffDesk, staff_id: str, public: bytes, now: datetime) -> Card:
    """Raises ProblemError 409 for a card that is or was somebody's."""
    card_id = factors.card_id_of(public)
    known = any(card.card_id == card_id for card in await store.cards(desk.agency))
    if known or await ending.is_noted(desk.agency, ending.CARD, card_id):
        raise ProblemError(409, "card_taken", "This card is somebody's, or was: a card is one person's.")
    return Card(
        card_id=card_id,
        staff_id=staff_id,
        kind=CardKind.KEY,
        public_key=public,
        credential=None,
        sign_count=0,
        valid_until=now + desk.rules.card_for,
        state=CardState.ACTIVE,
    )


async def _commit(
    acting: Acting,
    item: MemberItem,
    member: Member,
    guard: Write,
    follow: tuple[Write, ...],
    now: datetime,
    taking: Taking | None = None,
) -> None:
    said = taking.facts if taking is not None else {}
    entry = acting.entry(
        now,
        EntryKind.STAFF_CHANGED,
        Function.STAFF_ADMINISTER,
        operation=str(item.__struct_config__.tag),
        holder=member.staff_id,
        state=member.state.value,
        holder_office=member.office,
        relation=item.relation if isinstance(item, RelateItem) else "",
        **said,
    )
    provided = taking.provided if taking is not None else None
    commit = Commit(step=_CHANGED, provided=provided, guard=guard, follow=follow, entries=(entry,))
    if not await acting.commit(commit):
        await remaining.look_again(acting, provided)
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; list it again.")
