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
from fido2.webauthn import (
    AttestedCredentialData,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
)

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import ending, factors, store
from gateway.intermediate_server.staff.desk import StaffDesk, somebody
from gateway.intermediate_server.staff.entering import Proof, prove
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import (
    OFFICE,
    STAFF_ID,
    Card,
    CardKind,
    CardState,
    Member,
    MemberState,
    too_weak,
)
from gateway.intermediate_server.staff.rights import Function
from storage.committer import Commit, Write, commit_step
from transport.problem import ProblemError
from transport.wire import Dated

PASSWORD: Final = "password"  # noqa: S105 (a purpose's name)
REGISTER: Final = "register"
_CHANGED = commit_step("intermediate", "staff.member_changed")
_OWN = commit_step("intermediate", "staff.own_changed")
_KEY_SIZE: Final = 32


class AddItem(Dated, frozen=True, forbid_unknown_fields=True, tag_field="operation", tag="add"):
    """Item of IF_STF_90034. `password`: for the first log-in alone; `card_key`: the card's Ed25519 public key."""

    staff_id: str
    office: str
    valid_until: datetime
    password: str
    card_key: bytes


class LeaveItem(msgspec.Struct, forbid_unknown_fields=True, tag_field="operation", tag="leave"):
    staff_id: str


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


class PasswordItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90038; the proof answers a challenge for `password`."""

    proof: Proof
    new_password: str


class CardItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90039: without `registration` it asks for options. The proof answers a challenge for `register`."""

    proof: Proof | None = None
    registration: dict[str, Any] | None = None


PASSWORD_ITEM = msgspec.json.Decoder(PasswordItem)
CARD_ITEM = msgspec.json.Decoder(CardItem)


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
    await ending.note(desk.agency, await _ended(acting, item), now)
    guard = store.change_member(desk.agency, member, after, acting.staff_id)
    await _commit(acting, item, after, guard, follow, now)
    return {"staff_id": member.staff_id, "state": after.state.value, "office": after.office}


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
            void = Write(store.VOID_GRANTS_OF, (who, by.staff_id, by.card_id))
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
    right = STAFF_ID.fullmatch(item.staff_id) and OFFICE.fullmatch(item.office) and item.valid_until.tzinfo is not None
    _check_form(bool(right) and item.valid_until > now)
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
    hashed = await _hashed(desk, staff_id, password)
    return {
        "password_hash": hashed,
        "password_initial": True,
        "password_until": now + desk.rules.initial_for,
    }


async def _hashed(desk: StaffDesk, staff_id: str, password: str) -> str:
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
    acting: Acting, item: MemberItem, member: Member, guard: Write, follow: tuple[Write, ...], now: datetime
) -> None:
    entry = acting.entry(
        now,
        EntryKind.STAFF_CHANGED,
        Function.STAFF_ADMINISTER,
        operation=str(item.__struct_config__.tag),
        holder=member.staff_id,
        state=member.state.value,
        holder_office=member.office,
        relation=item.relation if isinstance(item, RelateItem) else "",
    )
    commit = Commit(step=_CHANGED, guard=guard, follow=follow, entries=(entry,))
    if not await acting.commit(commit):
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; list it again.")


# --- what everybody does with their own account


async def set_password(acting: Acting, item: PasswordItem) -> dict[str, Any]:
    """IF_STF_90038: a password that nobody else knows. Every session ends: whoever knew the old one is out."""
    desk = acting.desk
    now = desk.agency.clock()
    member = (await prove(desk, _asked(acting, PASSWORD), item.proof, now)).member
    if item.new_password == item.proof.password:
        raise ProblemError(400, "password_too_weak", "The new password is the old one.")
    after = replace(
        member,
        password_hash=await _hashed(desk, member.staff_id, item.new_password),
        password_initial=False,
        password_until=now + desk.rules.password_for,
    )
    ended = Write(store.END_SESSIONS_OF, (member.staff_id, now))
    await ending.note(desk.agency, [(ending.PASSWORD, member.staff_id)], now)
    changed = store.change_member(desk.agency, member, after, member.staff_id)
    await _commit_own(acting, "password", changed, (ended,), now)
    return {"password_until": timestamp(after.password_until)}


async def register_card(acting: Acting, item: CardItem) -> dict[str, Any]:
    """IF_STF_90039: the holder's WebAuthn card, registered under both factors that they have already. A card that is somebody's, or was, is excluded:
    it makes no second credential (WebAuthn §5.4), so two people never show the same one.
    """
    desk = acting.desk
    now = desk.agency.clock()
    if acting.session.restricted:
        raise ProblemError(403, "password_change_needed", "Set a password of your own first: sekisho staff password.")
    asked = _asked(acting, REGISTER)
    if item.registration is None or item.proof is None:
        challenge = factors.new_challenge(desk.ring, asked, now, desk.rules.challenge_for)
        who = acting.staff_id
        user = PublicKeyCredentialUserEntity(name=who, id=who.encode(), display_name=who)
        known = [one for one in await store.cards(desk.agency) if one.state is not CardState.UNVOUCHED]
        cards = [AttestedCredentialData(one.credential) for one in known if one.credential]
        options, _ = desk.web.register_begin(user, cards, ResidentKeyRequirement.REQUIRED, challenge=challenge)
        return {"options": dict(options)}
    await prove(desk, asked, item.proof, now)
    card = _registered(desk, asked, item.registration, now)
    guard = store.add_card(desk.agency, card)
    await _commit_own(acting, "card", guard, (), now, card=card.card_id)
    return {"card_id": card.card_id, "valid_until": timestamp(card.valid_until)}


def _registered(desk: StaffDesk, asked: Asked, registration: dict[str, Any], now: datetime) -> Card:
    """The card of a registration that answers a challenge of ours at our origin. Raises ProblemError 400."""
    found = None
    try:
        challenge = bytes(RegistrationResponse.from_dict(registration).response.client_data.challenge)
        if factors.challenge_holds(desk.ring, asked, challenge, now):
            found = desk.web.register_complete(factors.web_state(challenge), registration).credential_data
    except Exception:  # noqa: BLE001 (foreign CBOR and base64: whatever it raises, it is broken)
        found = None
    if found is None:
        raise ProblemError(
            400, "registration_broken", "This registration does not answer a challenge of this server; begin again."
        )
    return Card(
        card_id=factors.card_id_of(found.credential_id),
        staff_id=asked.staff_id,
        kind=CardKind.WEBAUTHN,
        public_key=bytes(found.credential_id),
        credential=bytes(found),
        sign_count=0,
        valid_until=now + desk.rules.card_for,
        state=CardState.ACTIVE,
    )


def _asked(acting: Acting, purpose: str) -> Asked:
    return Asked(
        agency=acting.desk.agency.id,
        staff_id=acting.staff_id,
        certificate=acting.session.certificate,
        purpose=purpose,
    )


async def _commit_own(
    acting: Acting, operation: str, guard: Write, follow: tuple[Write, ...], now: datetime, **facts: str
) -> None:
    entry = acting.entry(now, EntryKind.STAFF_CHANGED, None, operation=operation, holder=acting.staff_id, **facts)
    commit = Commit(step=_OWN, guard=guard, follow=follow, entries=(entry,))
    if not await acting.commit(commit):
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; try again.")
