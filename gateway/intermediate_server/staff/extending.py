"""Extensions of accounts and cards over the wire: proposed by one, approved by a second with both factors anew; what ends soon is listed (IS-9, SC-11).

No grant is widened: each keeps its own end, and works no longer than the account does.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.staff import extensions, remaining, store
from gateway.intermediate_server.staff.desk import somebody
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.extensions import Extension, ExtensionRefusal, ExtensionState, decided
from gateway.intermediate_server.staff.operating import Acting, First
from gateway.intermediate_server.staff.people import Card, CardState, Member, MemberState
from gateway.intermediate_server.staff.rights import Function, GrantState
from gateway.intermediate_server.staff.second_person import prove_for
from storage.committer import Commit, Write, commit_step
from transport.problem import ProblemError
from transport.wire import Dated

EXTENSION_PREFIX: Final = "X"
EXTENSION_ID: Final = re.compile(r"X[0-9A-HJKMNP-TV-Z]{26}")
_CHANGED = commit_step("intermediate", "staff.extension_changed")
_MOST_CARDS: Final = 20
_WHY: Final = {
    ExtensionRefusal.STATE: (409, "This proposal is decided; list them again."),
    ExtensionRefusal.SECOND_PERSON: (
        403,
        "A second person must do this: not whoever proposed it, not whose account it is, not with the same card.",
    ),
    ExtensionRefusal.CONTENT: (409, "The proposal is not what you were shown; look at it again."),
    ExtensionRefusal.ACCOUNT: (409, "The account was changed after this was proposed; propose it anew."),
    ExtensionRefusal.PERIOD: (409, "The proposed end is over; propose another one."),
}


class ProposeItem(Dated, frozen=True, forbid_unknown_fields=True):
    """Item of IF_STF_90042. `extension_id`: drawn by the caller; of a proposal that waits it is an edit. `cards`: those of the person that get the
    new end too.
    """

    extension_id: str
    staff_id: str
    valid_until: datetime
    cards: Annotated[tuple[str, ...], msgspec.Meta(max_length=_MOST_CARDS)] = ()


class DecideItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_STF_90043. The proof answers a challenge for `approve_extension/<id>/<content hash>` or `reject_extension/…`."""

    extension_id: str
    content_hash: str
    approve: bool
    proof: Proof


class EndingsItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Item of IF_STF_90044."""

    within_days: Annotated[int, msgspec.Meta(ge=0, le=36600)] = 90


PROPOSE_ITEM = msgspec.json.Decoder(ProposeItem)
DECIDE_ITEM = msgspec.json.Decoder(DecideItem)
ENDINGS_ITEM = msgspec.json.Decoder(EndingsItem)


def _shown(one: Extension, member: Member, agency: str) -> dict[str, Any]:
    """`account_until`: as it stands; `stale`: the account was changed meanwhile, so that nobody can approve it."""
    return {
        "extension_id": one.extension_id,
        "staff_id": one.staff_id,
        "cards": list(one.cards),
        "valid_until": timestamp(one.valid_until),
        "account_until": timestamp(member.valid_until),
        "state": one.state.value,
        "stale": one.state is ExtensionState.PROPOSED and one.member_version != member.version,
        "version": one.version,
        "proposed_by": one.proposed.staff_id,
        "decided_by": one.decided.staff_id if one.decided else None,
        "content_hash": one.digest(agency),
    }


async def listed(acting: Acting) -> list[dict[str, Any]]:
    """IF_STF_90041: every proposal with its state."""
    agency = acting.desk.agency
    members = {member.staff_id: member for member in await store.members(agency)}
    return [_shown(one, members[one.staff_id], agency.id) for one in await store.extensions(agency)]


async def propose(acting: Acting, item: ProposeItem) -> dict[str, Any]:
    """IF_STF_90042: a proposal, or another content of one that waits. Raises ProblemError with what to do."""
    desk, now = acting.desk, acting.desk.agency.clock()
    if not EXTENSION_ID.fullmatch(item.extension_id) or item.valid_until.tzinfo is None:
        raise ProblemError(
            400, "malformed_item", "An id is X and 26 characters, drawn by whoever proposes; an end is an instant."
        )
    member = await somebody(desk, item.staff_id)
    cards = await _cards(acting, item.staff_id, item.cards)
    latest = extensions.longest(desk.rules, now, with_cards=bool(cards))
    if not now < item.valid_until <= latest:
        raise end_too_far(latest)
    if not extensions.lengthens(member, cards, item.valid_until):
        raise ProblemError(
            409,
            "nothing_to_extend",
            "The account, or a card that is named, lasts as long already; name those that do not.",
        )
    known = await store.extension(desk.agency, item.extension_id)
    wanted = Extension(
        extension_id=item.extension_id,
        staff_id=item.staff_id,
        cards=tuple(card.card_id for card in cards),
        valid_until=item.valid_until,
        member_version=member.version,
        state=ExtensionState.PROPOSED,
        version=1 if known is None else known.version,
        proposed=acting.actor,
    )
    if known == wanted:
        return _shown(wanted, member, desk.agency.id)
    if known is None:
        await _commit(acting, "propose", wanted, store.add_extension(wanted), now)
        return _shown(wanted, member, desk.agency.id)
    if known.staff_id != item.staff_id or known.state is not ExtensionState.PROPOSED:
        raise await _told_no(acting, "edit", known, ExtensionRefusal.STATE, now)
    after = replace(wanted, version=known.version + 1)
    await _commit(acting, "edit", after, store.change_extension(known, after), now)
    return _shown(after, member, desk.agency.id)


async def decide(acting: Acting, item: DecideItem) -> dict[str, Any]:
    """IF_STF_90043: as the second person. Raises ProblemError with what to do."""
    desk, now = acting.desk, acting.desk.agency.clock()
    one = await store.extension(desk.agency, item.extension_id)
    if one is None:
        raise ProblemError(404, "extension_unknown", "There is no proposal of that id; list them again.")
    event = "approve" if item.approve else "reject"
    await prove_for(acting, f"{event}_extension/{item.extension_id}/{item.content_hash}", item.proof, now)
    member = await somebody(desk, one.staff_id)
    after = decided(one, member, acting.actor, now, agency=desk.agency.id, seen=item.content_hash, approve=item.approve)
    if isinstance(after, ExtensionRefusal):
        raise await _told_no(acting, event, one, after, now)
    change, signed = store.change_extension(one, after), signed_by_card(item.proof)
    if not after.approved:
        await _commit(acting, event, after, change, now, signed=signed)
        return _shown(after, member, desk.agency.id)
    cards = await _cards(acting, one.staff_id, one.cards)
    longer = replace(member, valid_until=max(member.valid_until, one.valid_until))
    extended = [store.change_card(desk.agency, card, replace(card, valid_until=one.valid_until)) for card in cards]
    await _commit(
        acting,
        event,
        after,
        store.change_member(desk.agency, member, longer, acting.staff_id),
        now,
        signed=signed,
        provided=Write(store.EXTENSION_STANDS, (one.extension_id, one.version)),
        follow=(change, *extended),
        first=First(staff_id=one.proposed.staff_id, function=Function.STAFF_ADMINISTER),
    )
    return _shown(after, longer, desk.agency.id)


async def _cards(acting: Acting, staff_id: str, named: tuple[str, ...]) -> list[Card]:
    """Those that are named, in the order of their ids. Raises ProblemError 404."""
    cards = [one for one in await store.cards(acting.desk.agency, staff_id) if one.card_id in named]
    if len(cards) != len(named) or any(one.state is not CardState.ACTIVE for one in cards):
        raise ProblemError(404, "card_unknown", "This is no card of that person in force; list the members again.")
    return cards


def end_too_far(latest: datetime) -> ProblemError:
    return ProblemError(
        400,
        "end_too_far",
        f"An account or a card ends in the future, {timestamp(latest)} at the latest (staff_account_for, staff_card_for).",
    )


async def _told_no(acting: Acting, event: str, one: Extension, why: ExtensionRefusal, now: datetime) -> ProblemError:
    await acting.desk.record_refusal(
        now, actor=acting.staff_id, reason=f"{event}/{why.value}", extension_id=one.extension_id
    )
    status, detail = _WHY[why]
    return ProblemError(status, why.value, detail)


async def _commit(
    acting: Acting,
    event: str,
    one: Extension,
    guard: Write,
    now: datetime,
    *,
    signed: dict[str, str] | None = None,
    provided: Write | None = None,
    follow: tuple[Write, ...] = (),
    first: First | None = None,
) -> None:
    function = Function.STAFF_ADMINISTER if signed is None else Function.STAFF_APPROVE
    entry = acting.entry(
        now,
        EntryKind.STAFF_CHANGED,
        function,
        operation="extend",
        event=event,
        extension_id=one.extension_id,
        version=one.version,
        holder=one.staff_id,
        holder_cards=" ".join(one.cards),
        valid_until=timestamp(one.valid_until),
        content_hash=one.digest(acting.desk.agency.id),
        card=acting.session.card_id,
        **(signed or {}),
    )
    commit = Commit(step=_CHANGED, provided=provided, guard=guard, follow=follow, entries=(entry,))
    if not await acting.commit(commit, first=first):
        raise ProblemError(409, "changed_meanwhile", "Somebody else has changed this in the meantime; list it again.")


# --- what ends soon


async def endings(acting: Acting, item: EndingsItem) -> dict[str, Any]:
    """IF_STF_90044: accounts, cards and grants in force that end within so many days or have ended so, the first ones first, and who can grant until
    when.
    """
    agency = acting.desk.agency
    now = agency.clock()
    until = now + timedelta(days=item.within_days)
    members = {one.staff_id: one for one in await store.members(agency) if one.state is MemberState.ACTIVE}
    cards = [one for one in await store.cards(agency) if one.staff_id in members and one.state is CardState.ACTIVE]
    grants = [one for one in await store.grants(agency) if one.state is GrantState.EFFECTIVE]
    ends = [
        *(("account", one.staff_id, one.staff_id, "", one.valid_until) for one in members.values()),
        *(("card", one.staff_id, one.card_id, "", one.valid_until) for one in cards),
        *(("grant", one.staff_id, one.grant_id, one.scope.function.value, one.scope.valid_until) for one in grants),
    ]
    able = await remaining.able(agency, now)
    return {
        "endings": [
            {"what": what, "staff_id": who, "id": name, "function": function, "valid_until": timestamp(at)}
            for what, who, name, function, at in sorted(ends, key=lambda one: one[4])
            if at < until
        ],
        "able": [
            {
                "function": function.value,
                "people": sorted(able[function]),
                "needed": least,
                "enough_until": timestamp(ends_at)
                if (ends_at := remaining.enough_until(able[function], least))
                else None,
            }
            for function, least in remaining.LEAST.items()
        ],
    }
