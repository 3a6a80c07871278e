"""延長 (extensions): a new end of an account and of cards, and when a proposal of one may be approved (IS-9, SC-11). Pure.

A proposal is inert until a second person, who is neither whoever proposed it nor whose account it is, has approved exactly its content with both
factors. An edit gives it another content; whatever changes the account meanwhile makes it one that nobody can approve.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from evidence.canonical import timestamp
from gateway.intermediate_server.staff.people import Card, Member, Rules
from gateway.intermediate_server.staff.rights import Actor
from keys.binding import bind


class ExtensionState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


class ExtensionRefusal(StrEnum):
    STATE = "extension_state"
    SECOND_PERSON = "second_person_needed"
    CONTENT = "content_changed"
    ACCOUNT = "account_changed"
    PERIOD = "period_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """`cards`: those of the person that get the new end too; `member_version`: of the account as it was proposed for; `version` counts edits."""

    extension_id: str
    staff_id: str
    cards: tuple[str, ...]
    valid_until: datetime
    member_version: int
    state: ExtensionState
    version: int
    proposed: Actor
    decided: Actor | None = None

    def digest(self, agency: str) -> str:
        """Hex SHA-256 of what an approval is for: every edit gives another one."""
        content = (self.extension_id, self.staff_id, self.version, self.member_version, timestamp(self.valid_until))
        return sha256(bind(agency, "extension", *content, *self.cards)).hexdigest()

    @property
    def approved(self) -> bool:
        return self.state is ExtensionState.APPROVED


def longest(rules: Rules, now: datetime, *, with_cards: bool) -> datetime:
    """The latest end that can be proposed now."""
    return now + (min(rules.account_for, rules.card_for) if with_cards else rules.account_for)


def lengthens(member: Member, cards: list[Card], until: datetime) -> bool:
    """Whether every one that is named ends later then, or the account alone when no card is named: what lasts longer already is not named."""
    return all(card.valid_until < until for card in cards) if cards else member.valid_until < until


def decided(
    one: Extension, member: Member, by: Actor, now: datetime, *, agency: str, seen: str, approve: bool
) -> Extension | ExtensionRefusal:
    """1. it waits; 2. an approval is another person's and another card's than the proposal's, and not the holder's; 3. it is for the content as it
    stands; 4. an approval is for the account as it was proposed for, and for an end that is not over.
    """
    if one.state is not ExtensionState.PROPOSED:
        return ExtensionRefusal.STATE
    own = by.staff_id in (one.proposed.staff_id, one.staff_id) or by.card_id == one.proposed.card_id
    if approve and own:
        return ExtensionRefusal.SECOND_PERSON
    if one.digest(agency) != seen:
        return ExtensionRefusal.CONTENT
    if approve and one.member_version != member.version:
        return ExtensionRefusal.ACCOUNT
    if approve and one.valid_until <= now:
        return ExtensionRefusal.PERIOD
    state = ExtensionState.APPROVED if approve else ExtensionState.REJECTED
    return replace(one, state=state, decided=by)
