"""Instants at the ends of the calendar, or without a zone, are refused by name in every call that takes one: no arithmetic is tried with them (400, never 5xx)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.intermediate_server.operations.notices import POST_ITEM
from gateway.intermediate_server.provision.held import PAGE_ITEM
from gateway.intermediate_server.records.extracting import EXTRACT_ITEM
from gateway.intermediate_server.records.recipients import RECIPIENTS_ITEM
from gateway.intermediate_server.records.searching import SEARCH_ITEM
from gateway.intermediate_server.staff.enrolling import MEMBER_ITEM
from gateway.intermediate_server.staff.granting import ASKING_ITEM
from gateway.intermediate_server.staff.reporting import ANALYSIS_ITEM
from gateway.linkage_server.business_information.records import RECORD
from gateway.linkage_server.review.bodies import RecipientsWanted
from transport.wire import JsonBrokenError, decode_typed

NOW = "2022-10-03T12:00:00+09:00"
ENDS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2022-10-03T12:00:00")
STATED = {"staff": "tanto-1", "affair": "juki", "reason": "確認"}
GRANT = {"function": "held.view", "office": "shimin", "valid_until": NOW, "valid_from": NOW}
NOTICE = {
    "notice_id": "N" + "0" * 26,
    "kind": "planned_stop",
    "text": "夜に止まります",
    "shown_until": NOW,
    "shown_from": NOW,
}
MEMBER = {
    "operation": "add",
    "staff_id": "staff-9",
    "office": "shimin",
    "valid_until": NOW,
    "password": "x",
    "card_key": "",
}
RECORD_OF = {"addressee_number": "1", "record_id": "r-1", "data_set": "資格情報", "changed_at": NOW}
CALLS = {
    "notices/post": (POST_ITEM, NOTICE),
    "held-provisions/page": (PAGE_ITEM, {"after": {"answer_by": NOW, "permit_id": "K1"}}),
    "records/extract": (EXTRACT_ITEM, {"person": "1", "since": NOW, "until": NOW}),
    "records/recipients": (RECIPIENTS_ITEM, {"integrated_number": "1", "since": NOW}),
    "records/search": (SEARCH_ITEM, {"since": NOW, "until": NOW}),
    "staff/members/change": (MEMBER_ITEM, MEMBER),
    "staff/grants/ask": (ASKING_ITEM, {"event": "request", "grant_id": "G1", "staff_id": "staff-9", "scope": GRANT}),
    "staff/analysis": (ANALYSIS_ITEM, {"since": NOW, "until": NOW}),
    "business-information": (RECORD, RECORD_OF),
    "links/recipients": (msgspec.json.Decoder(RecipientsWanted), {**STATED, "integrated_number": "1" * 15, "since": NOW}),
}  # fmt: skip


def _places(said, at=""):
    """Where the call says an instant: `scope.valid_until`."""
    for name, value in said.items():
        if isinstance(value, dict):
            yield from _places(value, f"{at}{name}.")
        elif value == NOW:
            yield f"{at}{name}"


def _with(said, place, instant):
    first, _, rest = place.partition(".")
    return said | {first: _with(said[first], rest, instant) if rest else instant}


@pytest.mark.parametrize("call", CALLS)
def test_an_instant_that_no_calendar_reaches_is_refused_by_its_name(call):
    decoder, said = CALLS[call]
    decode_typed(msgspec.json.encode(said), decoder)
    places = list(_places(said))
    assert places
    for place in places:
        for instant in ENDS:
            with pytest.raises(JsonBrokenError) as broken:
                decode_typed(msgspec.json.encode(_with(said, place, instant)), decoder)
            assert broken.value.field == place
            assert instant not in broken.value.told
