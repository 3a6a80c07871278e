"""The core's own codec against the other implementation's reading, and against bytes that are not what they should be."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jlis_mock.core.messages import read_outcome, read_request, read_taken
from adapters.jlis_mock.core.permit_token import PermitClaims, permit_id_of, write_permit
from evidence import canonical
from keys.masked import Secret
from keys.signing import Signer
from permission_lists.permit import PermitBroken, matches_request, read_permit

SIGNER = Signer(Secret(bytes(range(32))))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
INSTANTS = st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 (hypothesis takes naive bounds)
    lambda at: canonical.timestamp(at.replace(tzinfo=UTC))
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NUMBER = "Q" + "0" * 26
REQUESTS = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "inquiry_number": st.just(NUMBER),
        "inquirer": st.sampled_from(["setagaya", "suginami"]),
        "provider": st.sampled_from(["naikaku", "kyokai-kenpo"]),
        "basis": st.none() | TEXT,
        "item": TEXT,
        "information": TEXT,
        "items": st.lists(TEXT, unique=True, max_size=5).map(sorted),
        "list_digest": DIGESTS,
        "key_hash": DIGESTS,
        "expires_at": INSTANTS,
    }
)


def permit_for(request: dict[str, Any], data: bytes) -> str:
    named = {name: value for name, value in request.items() if name not in {"v", "expires_at"}}
    claims = PermitClaims(
        permit_id="K" + "0" * 26,
        request_digest=hashlib.sha256(data).hexdigest(),
        code_binding="0" * 64,
        issued_at="2026-11-24T05:06:07.123Z",
        redeem_by="2026-11-24T05:11:07.123Z",
        answer_by=request["expires_at"],
        **named,
    )
    return write_permit(claims, SIGNER)


@given(REQUESTS)
def test_a_permit_of_the_core_is_read_by_the_other_implementation(request: dict[str, Any]) -> None:
    data = canonical.encode(request)
    token = permit_for(request, data)
    permit = read_permit(token, SIGNER.public_key)
    assert matches_request(permit, data)
    assert permit.redeem_by - permit.issued_at == timedelta(minutes=5)
    assert permit_id_of(token) == permit.permit_id


@given(REQUESTS, st.data())
def test_a_changed_permit_is_broken_for_the_other_implementation(request: dict[str, Any], data: st.DataObject) -> None:
    token = permit_for(request, canonical.encode(request))
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda letter: letter != token[at]))
    with pytest.raises(PermitBroken):
        read_permit(token[:at] + other + token[at + 1 :], SIGNER.public_key)


@given(REQUESTS)
def test_a_request_is_read_back_whole(request: dict[str, Any]) -> None:
    data = canonical.encode(request)
    read = read_request(data)
    assert read is not None
    assert (read.inquirer, read.item, read.items) == (request["inquirer"], request["item"], request["items"])


@given(REQUESTS, st.data())
def test_no_cut_of_a_request_is_a_request(request: dict[str, Any], data: st.DataObject) -> None:
    encoded = canonical.encode(request)
    assert read_request(encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None


@given(REQUESTS, st.sampled_from(["v", "inquirer", "basis", "items", "key_hash", "expires_at"]))
def test_a_request_without_a_field_or_with_one_more_is_none(request: dict[str, Any], name: str) -> None:
    assert read_request(canonical.encode({key: value for key, value in request.items() if key != name})) is None
    assert read_request(canonical.encode({**request, "more": 1})) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2),
        ("inquirer", "Setagaya"),
        ("items", ["b", "a"]),
        ("items", ["a", "a"]),
        ("item", "1\0"),
        ("list_digest", "0" * 63),
        ("expires_at", "2026-13-24T05:06:07.123Z"),
        ("expires_at", "2026-11-24T05:06:07Z"),
        ("inquiry_number", "P" + "0" * 26),
    ],
)
def test_a_request_with_a_wrong_field_is_none(name: str, value: object) -> None:
    request = {
        "v": 1,
        "inquiry_number": NUMBER,
        "inquirer": "setagaya",
        "provider": "naikaku",
        "basis": None,
        "item": "162",
        "information": "見本情報",
        "items": [],
        "list_digest": "0" * 64,
        "key_hash": "0" * 64,
        "expires_at": "2026-11-24T05:06:07.123Z",
    }
    assert read_request(canonical.encode(request)) is not None
    assert read_request(canonical.encode({**request, name: value})) is None


@given(st.binary(max_size=200))
def test_noise_is_no_message(data: bytes) -> None:
    assert read_request(data) is None
    assert read_outcome(data) is None


@given(st.text(max_size=60))
def test_noise_is_no_permit(text: str) -> None:
    assert permit_id_of(text) is None


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"0" + b"}" * depth


@pytest.mark.parametrize("depth", [300, 600, 900, 5_000])
def test_deep_nesting_is_no_message_and_no_permit(depth: int) -> None:
    assert read_request(nested(depth)) is None
    assert read_outcome(nested(depth)) is None
    claims = base64.urlsafe_b64encode(b'{"permit_id":' + b"[" * depth + b"]" * depth + b"}").decode()
    assert permit_id_of(f"e30.{claims}.e30") is None
    assert permit_id_of(f"e30.{base64.urlsafe_b64encode(nested(depth)).decode()}.e30") is None


def test_a_permit_id_is_an_id_before_anybody_looks_for_it() -> None:
    claims = base64.urlsafe_b64encode(b'{"permit_id":"\\u0000"}').decode()
    assert permit_id_of(f"e30.{claims}.e30") is None


def deep_list(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("answer", "handed_on"),
    [
        ({"bound": True, "more": 1}, {"bound": True}),
        ({"refused": {"reason": "code_unknown", "more": "x"}}, {"refused": {"reason": "code_unknown"}}),
        ({"refused": {"reason": "Tarou 123456789012"}}, {"refused": {"reason": "provider_refused"}}),
        ({"retry": "busy"}, {"retry": "busy"}),
        ({"received": True}, {"retry": "peer_answer_malformed"}),
        ({"refused": deep_list(2_000)}, {"retry": "peer_answer_malformed"}),
        ([], {"retry": "peer_answer_malformed"}),
        (None, {"retry": "peer_answer_malformed"}),
    ],
)
def test_a_peers_answer_is_handed_on_in_our_words_only(answer: object, handed_on: dict[str, Any]) -> None:
    assert read_taken(answer, "bound") == handed_on
