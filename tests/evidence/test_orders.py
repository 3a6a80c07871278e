"""Orders between the servers of one agency (SC-20): good for exactly one server, act and agency, and for minutes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from evidence import canonical
from evidence.orders import GOOD_FOR, OrderKind, OrderRefusal, OrderRefusedError, read, sign
from keys import labels
from keys.signing import Signer, generate_seed
from keys.windows import KeyWindow, PublicKeys

NOW = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
SIGNER = Signer(generate_seed())
KEYS = PublicKeys.of(SIGNER.public_key)
SAID = {
    "order_id": "D0123456789ABCDEFGHJKMNPQRS",
    "agency": "setagaya",
    "server": "linkage",
    "people": ("admin-1", "admin-2"),
    "facts": {"purpose": "four-items", "version": 1, "cause": "replaced"},
}
ASKED = {"kind": OrderKind.KEY_DESTRUCTION, "agency": "setagaya", "server": "linkage", "now": NOW}


def order(**changes):
    return sign(OrderKind.KEY_DESTRUCTION, **{**SAID, "signer": SIGNER, "now": NOW, **changes}).encode()


def refusal(data, keys=KEYS, **changes):
    with pytest.raises(OrderRefusedError) as refused:
        read(data, keys, **{**ASKED, **changes})
    return refused.value.reason


def signed_anew(signer=SIGNER, **changes):
    """An order as somebody with the agency's key would write it who says what `sign` does not."""
    said = json.loads(json.loads(order())["order"])
    text = canonical.encode({**said, **changes})
    return json.dumps({"order": text.decode(), "signature": signer.sign(labels.ORDER, text).hex()}).encode()


def test_an_order_says_who_decided_what_and_is_good_for_minutes():
    found = read(order(), KEYS, **{**ASKED, "now": NOW + GOOD_FOR})
    assert (found.order_id, found.people, dict(found.facts)) == (SAID["order_id"], SAID["people"], SAID["facts"])
    assert found.good_until - found.issued_at == GOOD_FOR


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency": "suginami"}, OrderRefusal.AGENCY),
        ({"server": "sky2"}, OrderRefusal.SERVER),
        ({"now": NOW + GOOD_FOR + timedelta(milliseconds=1)}, OrderRefusal.OVER),
        ({"now": NOW - timedelta(minutes=2)}, OrderRefusal.EARLY),
    ],
)
def test_sc_20_an_order_is_worth_nothing_elsewhere_or_at_another_time(changes, reason):
    assert refusal(order(), **changes) is reason


def test_sc_20_an_order_for_another_act_is_refused():
    assert refusal(signed_anew(kind="another.act")) is OrderRefusal.MALFORMED


def test_sc_20_nobody_makes_an_order_good_for_longer():
    later = NOW + timedelta(days=1)
    lasting = signed_anew(good_until=canonical.timestamp(later + GOOD_FOR))
    assert refusal(lasting, now=later) is OrderRefusal.OVER


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"order": "{}", "signature": "00"}', b"[" * 100_000])
def test_what_is_no_order_is_refused(data):
    assert refusal(data) is OrderRefusal.MALFORMED


@pytest.mark.parametrize("changes", [{"v": 2}, {"more": 1}, {"issued_at": "2026-11-30T01:00:00"}])
def test_an_order_of_another_form_is_refused(changes):
    assert refusal(signed_anew(**changes)) is OrderRefusal.MALFORMED


def test_sc_20_an_order_that_the_agency_has_not_signed_is_refused():
    stranger = Signer(generate_seed())
    assert refusal(signed_anew(stranger)) is OrderRefusal.SIGNATURE
    outer = json.loads(order())
    changed = json.dumps({**outer, "order": outer["order"].replace('"version":1', '"version":2')}).encode()
    assert refusal(changed) is OrderRefusal.SIGNATURE


def test_sc_20_an_order_under_a_key_that_has_ended_is_refused():
    ended = replace(KeyWindow(key=SIGNER.public_key), valid_to=NOW - timedelta(seconds=1))
    assert refusal(order(), PublicKeys((ended,))) is OrderRefusal.SIGNATURE
