"""The life of a code is a table: every state is reached, an end has no way out, and another move is refused."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.codes.states import MOVES, REPLACING, Ending, Event, State, move
from gateway.linkage_server.code_requests.standing import Ground

ENDS = {State.CANCELLED, State.EXPIRED}


def test_every_state_is_reached_and_only_ends_have_no_way_out():
    reached, known = {State.NONE}, set()
    while reached != known:
        known = set(reached)
        reached |= {to for state in known for to in MOVES[state].values()}
    assert reached == set(State)
    assert {state for state in State if not MOVES[state]} == ENDS
    assert {event for moves in MOVES.values() for event in moves} == set(Event)


@pytest.mark.parametrize(
    ("state", "event"), [(state, event) for state in State for event in Event if event not in MOVES[state]]
)
def test_a_move_that_is_not_in_the_table_is_our_mistake(state, event):
    with pytest.raises(RuntimeError):
        move(state, event)


def test_both_servers_give_the_same_reasons():
    assert {ground.value for ground in Ground} == {ending.value for ending in Ending}
    assert Ending.NUMBER_CORRECTED not in REPLACING
    assert Ending.LINK_UNDONE not in REPLACING
