"""SK-8: a refund claim's way from claim to matched account; no inquiry without a claim that asks for it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.sky2.matching import Differs, Matched, Part
from adapters.sky2.refund import (
    MOVES,
    Ask,
    DoNotAsk,
    Event,
    IllegalMoveError,
    NoInquiryReason,
    RefundClaim,
    State,
    decide_inquiry,
    event_of,
    move,
)
from codebook.identifiers import AddresseeNumber

CLAIM = RefundClaim(
    claim_id="claim-1",
    addressee_number=AddresseeNumber.parse("0000000001"),
    fiscal_year=2026,
    amount=1200,
    chose_receiving_account=True,
    individual_number_written=True,
    state=State.CLAIMED,
)


def test_a_claim_that_chooses_the_account_and_bears_the_number_leads_to_an_inquiry():
    assert decide_inquiry(CLAIM) == Ask(addressee_number=CLAIM.addressee_number)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chose_receiving_account": False}, NoInquiryReason.ACCOUNT_NOT_CHOSEN),
        ({"individual_number_written": False}, NoInquiryReason.NUMBER_NOT_WRITTEN),
        ({"chose_receiving_account": False, "individual_number_written": False}, NoInquiryReason.ACCOUNT_NOT_CHOSEN),
        *(({"state": state}, NoInquiryReason.NOT_OPEN) for state in State if state is not State.CLAIMED),
    ],
)
def test_without_such_a_claim_there_is_no_inquiry(changes, reason):
    assert decide_inquiry(replace(CLAIM, **changes)) == DoNotAsk(reason=reason)


@pytest.mark.parametrize(
    ("event", "end"),
    [
        (Event.HOLDER_MATCHED, State.MATCHED),
        (Event.HOLDER_DIFFERED, State.MISMATCHED),
        (Event.NOTHING_PROVIDED, State.NOT_PROVIDED),
        (Event.INQUIRY_REFUSED, State.REFUSED),
    ],
)
def test_each_answer_ends_the_claim_in_its_own_state(event, end):
    assert move(move(State.CLAIMED, Event.INQUIRED), event) is end
    assert MOVES[end] == {}


@pytest.mark.parametrize(
    ("state", "event"),
    [pair for pair in itertools.product(State, Event) if pair[1] not in MOVES[pair[0]]],
)
def test_every_other_move_is_illegal(state, event):
    with pytest.raises(IllegalMoveError):
        move(state, event)


def test_the_table_names_every_state():
    assert set(MOVES) == set(State)


def test_only_a_match_of_the_holder_makes_the_account_usable():
    assert event_of(Matched()) is Event.HOLDER_MATCHED
    assert event_of(Differs(parts=frozenset({Part.SURNAME}))) is Event.HOLDER_DIFFERED


class ClaimMachine(RuleBasedStateMachine):
    """Any order of events: an account is never used before it was asked for and matched."""

    def __init__(self):
        super().__init__()
        self.state = State.CLAIMED
        self.seen = []

    @precondition(lambda self: MOVES[self.state])
    @rule(data=st.data())
    def lawful(self, data):
        event = data.draw(st.sampled_from(sorted(MOVES[self.state])))
        self.state = move(self.state, event)
        self.seen.append(event)

    @rule(event=st.sampled_from(Event))
    def unlawful(self, event):
        if event not in MOVES[self.state]:
            with pytest.raises(IllegalMoveError):
                move(self.state, event)

    @invariant()
    def matched_only_after_asking_and_matching(self):
        matched = self.seen == [Event.INQUIRED, Event.HOLDER_MATCHED]
        assert (self.state is State.MATCHED) == matched


TestClaimMachine = ClaimMachine.TestCase
