"""Candidates of changes: what differs is offered, under the day that the resident network says, and nothing else."""

from __future__ import annotations

import hmac
from datetime import date

import msgspec
import pytest

from gateway.linkage_server.people.changes import LONGEST_EVENT_ID
from gateway.linkage_server.people.state import Kind, Person, State
from gateway.linkage_server.resident_look_ups.candidates import candidates, event_id

HELD = Person(
    items=("架空　花子", "カクウ　ハナコ", "2", "1980-04-01", "東京都世田谷区架空１"),
    individual_number="123456789018",
    state=State.LIVING,
    state_since=None,
    registered_on=date(2022, 1, 1),
)
NOW = {
    "name": "架空　花子",
    "kana": "カクウ　ハナコ",
    "sex": "2",
    "birth_date": "1980-04-01",
    "address": "東京都世田谷区架空１",
}
ITEMS_CHANGED = {
    "individual_number": "123456789018",
    "changes": [{"kind": "four_items", "changed_on": "2022-10-03"}],
}


def offered(said, now, held=HELD):
    return candidates(held, "7", said, now, digest_of=lambda said: hmac.digest(b"key", said, "sha256"))


def kinds(said, now):
    found = offered(said, now)
    assert all(one["addressee_number"] == "7" and one["effective_on"] == "2022-10-03" for one in found)
    return [one["kind"] for one in found]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"name": "見本　花子"}, ["name_change"]),
        ({"address": "東京都世田谷区架空２"}, ["address_change"]),
        ({"name": "見本　花子", "address": "東京都世田谷区架空２"}, ["name_change", "address_change"]),
        ({"birth_date": "1980-04-02", "name": "見本　花子"}, ["correction"]),
        ({"sex": "1"}, ["correction"]),
    ],
)
def test_what_differs_is_what_is_offered(changes, expected):
    assert kinds(ITEMS_CHANGED, NOW | changes) == expected


def test_another_number_is_offered_when_the_network_says_that_it_was_changed():
    renumbered = {
        "individual_number": "234567890124",
        "changes": [{"kind": "individual_number", "changed_on": "2022-10-03"}],
    }
    assert kinds(renumbered, None) == ["individual_number_change"]
    assert kinds({**renumbered, "individual_number": HELD.individual_number}, None) == []
    assert kinds({**renumbered, "changes": ITEMS_CHANGED["changes"]}, None) == []


def test_the_same_change_has_the_same_event_id_and_another_day_another():
    first, again = (offered(ITEMS_CHANGED, NOW | {"sex": "1"}) for _ in range(2))
    later = {**ITEMS_CHANGED, "changes": [{"kind": "four_items", "changed_on": "2022-10-04"}]}
    assert first == again
    assert offered(later, NOW | {"sex": "1"})[0]["event_id"] != first[0]["event_id"]


def test_two_changes_of_one_day_have_two_event_ids_and_a_longest_number_has_room():
    """The network tells of a day, not of what it said at which hour."""
    [one] = offered(ITEMS_CHANGED, NOW | {"address": "東京都世田谷区架空２"})
    moved = msgspec.structs.replace(HELD, items=(*HELD.items[:4], "東京都世田谷区架空２"))
    [two] = offered(ITEMS_CHANGED, NOW | {"address": "東京都世田谷区架空３"}, moved)
    assert one["event_id"] != two["event_id"]
    assert one["event_id"][:-16] == two["event_id"][:-16]
    on = date(2022, 10, 3)
    longest = (event_id(kind, "9" * 15, on, {"name": "見本"}, lambda _: b"x" * 32) for kind in Kind)
    assert max(map(len, longest)) <= LONGEST_EVENT_ID
