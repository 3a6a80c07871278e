"""還付 into a 公金受取口座 (SK-8): may the account be asked for, and what an answer makes of a claim.

The account is asked of 内閣総理大臣 only when the person's claim chooses that account and bears the 個人番号; a claim
without both never leads to an inquiry. A held inquiry stays ASKED until its outcome comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.sky2.matching import Differs, Matched
from codebook.identifiers import AddresseeNumber


class State(StrEnum):
    CLAIMED = "claimed"
    ASKED = "asked"
    MATCHED = "matched"
    MISMATCHED = "mismatched"
    NOT_PROVIDED = "not_provided"
    REFUSED = "refused"


class Event(StrEnum):
    INQUIRED = "inquired"
    HOLDER_MATCHED = "holder_matched"
    HOLDER_DIFFERED = "holder_differed"
    NOTHING_PROVIDED = "nothing_provided"
    INQUIRY_REFUSED = "inquiry_refused"


MOVES: dict[State, dict[Event, State]] = {
    State.CLAIMED: {Event.INQUIRED: State.ASKED},
    State.ASKED: {
        Event.HOLDER_MATCHED: State.MATCHED,
        Event.HOLDER_DIFFERED: State.MISMATCHED,
        Event.NOTHING_PROVIDED: State.NOT_PROVIDED,
        Event.INQUIRY_REFUSED: State.REFUSED,
    },
    State.MATCHED: {},
    State.MISMATCHED: {},
    State.NOT_PROVIDED: {},
    State.REFUSED: {},
}


class IllegalMoveError(Exception):
    """An event that the claim's state does not know; nothing changes."""


class NoInquiryReason(StrEnum):
    """Why a claim leads to no inquiry."""

    ACCOUNT_NOT_CHOSEN = "receiving_account_not_chosen"
    NUMBER_NOT_WRITTEN = "individual_number_not_written"
    NOT_OPEN = "claim_not_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundClaim:
    """還付請求: amount in whole yen."""

    claim_id: str
    addressee_number: AddresseeNumber
    fiscal_year: int
    amount: int
    chose_receiving_account: bool
    individual_number_written: bool
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The account may be asked for, about this addressee."""

    addressee_number: AddresseeNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotAsk:
    reason: NoInquiryReason


def decide_inquiry(claim: RefundClaim) -> Ask | DoNotAsk:
    """SK-8: only an open claim that chooses the account and bears the 個人番号 leads to an inquiry."""
    if not claim.chose_receiving_account:
        return DoNotAsk(reason=NoInquiryReason.ACCOUNT_NOT_CHOSEN)
    if not claim.individual_number_written:
        return DoNotAsk(reason=NoInquiryReason.NUMBER_NOT_WRITTEN)
    if claim.state is not State.CLAIMED:
        return DoNotAsk(reason=NoInquiryReason.NOT_OPEN)
    return Ask(addressee_number=claim.addressee_number)


def event_of(result: Matched | Differs) -> Event:
    """What the comparison of the holder's name (SC-22) does to a claim."""
    return Event.HOLDER_MATCHED if isinstance(result, Matched) else Event.HOLDER_DIFFERED


def move(state: State, event: Event) -> State:
    """The next state. Raises IllegalMoveError."""
    try:
        return MOVES[state][event]
    except KeyError:
        raise IllegalMoveError("the claim's state does not know this event") from None
