"""Permits: one encoding, strictly decoded; the provider's numbered checks."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.masked import Secret
from keys.sealing import key_hash
from keys.signing import Signer
from permission_lists.permit import (
    Permit,
    PermitBroken,
    PermitRefusal,
    check_permit,
    code_binding,
    matches_request,
    read_permit,
    sign_permit,
)

NOW = datetime(2026, 11, 24, 5, 6, 7, 123000, tzinfo=UTC)
CORE = Signer(Secret(bytes(range(32))))
PUBLIC_KEY = b"one-time key of the inquirer"
NONCE, CODE = b"n" * 16, b"code of nobody"
REQUEST_FIELDS: dict[str, Any] = {
    "v": 1, "inquiry_number": "Q" + "0" * 26, "inquirer": "kyokai-kenpo", "provider": "setagaya",
    "basis": "beppyo2-2022", "item": "2", "information": "医療保険給付関係情報", "items": ["資格取得日", "資格喪失日"],
    "list_digest": "ab" * 32, "key_hash": key_hash(PUBLIC_KEY).hex(), "expires_at": "2026-11-24T06:06:07.123Z",
}  # fmt: skip


def encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


REQUEST = encoded(REQUEST_FIELDS)
PERMIT = Permit(
    permit_id="K" + "0" * 26,
    inquiry_number=REQUEST_FIELDS["inquiry_number"],
    inquirer="kyokai-kenpo",
    provider="setagaya",
    basis="beppyo2-2022",
    item="2",
    information="医療保険給付関係情報",
    items=("資格取得日", "資格喪失日"),
    list_digest="ab" * 32,
    request_digest=hashlib.sha256(REQUEST).hexdigest(),
    key_hash=key_hash(PUBLIC_KEY).hex(),
    code_binding=code_binding(NONCE, CODE),
    issued_at=NOW,
    redeem_by=NOW + timedelta(minutes=5),
    answer_by=NOW + timedelta(days=7),
)
RECEIVED: dict[str, Any] = {
    "provider": "setagaya", "signed_by": "kyokai-kenpo", "request": REQUEST, "public_key": PUBLIC_KEY, "now": NOW,
    "releasing": False, "nonce": NONCE, "code": CODE, "known_lists": {"ab" * 32},
}  # fmt: skip


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(encoded(value)).rstrip(b"=").decode()  # type: ignore[arg-type]


def signed(header: object, claims: object) -> str:
    text = f"{segment(header)}.{segment(claims)}"
    return f"{text}.{base64.urlsafe_b64encode(CORE.sign_raw(text.encode())).rstrip(b'=').decode()}"


def opened(jws: str, part: int) -> Any:
    text = jws.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_a_permit_comes_back_as_it_was_signed() -> None:
    assert read_permit(sign_permit(PERMIT, CORE), CORE.public_key) == PERMIT


def test_a_permit_may_name_its_key_and_no_named_basis() -> None:
    permit = replace(PERMIT, basis=None, items=())

    jws = sign_permit(permit, CORE, kid="core-2026")

    assert opened(jws, 0) == {"alg": "Ed25519", "kid": "core-2026", "typ": "sekisho-permit"}
    assert read_permit(jws, CORE.public_key) == permit


def test_the_claims_are_those_of_the_architecture_page() -> None:
    jws = sign_permit(PERMIT, CORE)

    assert opened(jws, 0) == {"alg": "Ed25519", "typ": "sekisho-permit"}
    assert list(opened(jws, 1)) == sorted(
        [
            "v", "permit_id", "inquiry_number", "inquirer", "provider", "basis", "item", "information", "items",
            "list_digest", "request_digest", "key_hash", "code_binding", "issued_at", "redeem_by", "answer_by",
        ]
    )  # fmt: skip
    assert opened(jws, 1)["issued_at"] == "2026-11-24T05:06:07.123Z"


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(PermitBroken):
        read_permit(sign_permit(PERMIT, CORE), Signer(Secret(bytes(32))).public_key)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "sekisho-permit"},
        {"alg": "EdDSA", "typ": "sekisho-permit"},
        {"alg": "Ed25519", "typ": "JWT"},
        {"alg": "Ed25519"},
        {"alg": "Ed25519", "typ": "sekisho-permit", "kid": 1},
        {"alg": "Ed25519", "typ": "sekisho-permit", "crit": ["x"]},
        {"alg": "Ed25519", "typ": "sekisho-permit", "jwk": {}},
        ["Ed25519"],
    ],
)
def test_any_other_header_is_refused_even_when_signed(header: object) -> None:
    with pytest.raises(PermitBroken):
        read_permit(signed(header, opened(sign_permit(PERMIT, CORE), 1)), CORE.public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": True}, {"v": "1"}, {"extra": "x"}, {"permit_id": ""}, {"permit_id": None}, {"item": 2},
        {"basis": ""}, {"basis": 1}, {"items": "資格"}, {"items": [1]}, {"items": ["b", "a"]}, {"items": ["a", "a"]},
        {"list_digest": "AB" * 32}, {"key_hash": "ab"}, {"code_binding": None}, {"issued_at": "2026-11-24T05:06:07Z"},
        {"issued_at": "2026-13-24T05:06:07.123Z"}, {"redeem_by": 0}, {"answer_by": "2026-11-24T05:06:07.122Z"},
        {"issued_at": "２026-11-24T05:06:07.123Z"},
    ],
)  # fmt: skip
def test_any_other_claims_are_refused_even_when_signed(change: dict[str, object]) -> None:
    jws = sign_permit(PERMIT, CORE)

    with pytest.raises(PermitBroken):
        read_permit(signed(opened(jws, 0), opened(jws, 1) | change), CORE.public_key)


def test_a_missing_claim_is_refused_even_when_signed() -> None:
    jws = sign_permit(PERMIT, CORE)
    claims = opened(jws, 1)
    del claims["key_hash"]

    with pytest.raises(PermitBroken):
        read_permit(signed(opened(jws, 0), claims), CORE.public_key)


def test_spaced_json_is_refused_even_when_signed() -> None:
    jws = sign_permit(PERMIT, CORE)
    spaced = base64.urlsafe_b64encode(json.dumps(opened(jws, 1)).encode()).rstrip(b"=").decode()
    text = f"{jws.split('.')[0]}.{spaced}"

    with pytest.raises(PermitBroken):
        read_permit(
            f"{text}.{base64.urlsafe_b64encode(CORE.sign_raw(text.encode())).rstrip(b'=').decode()}", CORE.public_key
        )


@pytest.mark.parametrize("change", [{"items": ("b", "a")}, {"permit_id": ""}, {"redeem_by": NOW - timedelta(1)},
                                    {"issued_at": NOW.replace(microsecond=1)}, {"inquirer": "\ud800"}])  # fmt: skip
def test_a_permit_nobody_would_read_is_not_signed(change: dict[str, Any]) -> None:
    with pytest.raises(PermitBroken):
        sign_permit(replace(PERMIT, **change), CORE)


JWS = sign_permit(PERMIT, CORE)


@given(st.integers(0, len(JWS) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(PermitBroken):
        read_permit(JWS[:length], CORE.public_key)


@given(st.integers(0, len(JWS) - 1), st.characters())
def test_every_changed_character_is_refused(place: int, character: str) -> None:
    changed = JWS[:place] + character + JWS[place + 1 :]

    if changed != JWS:
        with pytest.raises(PermitBroken):
            read_permit(changed, CORE.public_key)


@given(st.sampled_from(["=", "==", ".", " ", "\n", "A", "."]), st.integers(0, len(JWS)))
def test_every_insertion_is_refused(text: str, place: int) -> None:
    with pytest.raises(PermitBroken):
        read_permit(JWS[:place] + text + JWS[place:], CORE.public_key)


@given(st.text(max_size=200))
def test_any_text_is_refused_and_never_anything_but_refused(text: str) -> None:
    with pytest.raises(PermitBroken):
        read_permit(text, CORE.public_key)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text(), inner), max_leaves=8), st.binary(max_size=70))  # fmt: skip
def test_any_json_in_its_segments_is_refused(value: object, signature: bytes) -> None:
    tail = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()

    with pytest.raises(PermitBroken):
        read_permit(f"{JWS.split('.', maxsplit=1)[0]}.{segment(value)}.{tail}", CORE.public_key)


def test_a_permit_without_end_is_refused() -> None:
    with pytest.raises(PermitBroken):
        read_permit(JWS + "A" * 20_000, CORE.public_key)


def test_deeply_nested_json_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 9_000).rstrip(b"=").decode()

    with pytest.raises(PermitBroken):
        read_permit(f"{deep}.{deep[:3000]}.AA", CORE.public_key)


def test_a_fitting_permit_is_honoured() -> None:
    assert check_permit(PERMIT, **RECEIVED) is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"provider": "meguro"}, PermitRefusal.PERMIT_OTHER_PARTY),
        ({"signed_by": "meguro"}, PermitRefusal.PERMIT_OTHER_PARTY),
        ({"request": REQUEST + b" "}, PermitRefusal.PERMIT_REQUEST_DIFFERS),
        ({"public_key": b"another key"}, PermitRefusal.PERMIT_KEY_DIFFERS),
        ({"now": PERMIT.redeem_by + timedelta(milliseconds=1)}, PermitRefusal.PERMIT_EXPIRED),
        ({"now": PERMIT.redeem_by}, None),
        ({"now": PERMIT.answer_by, "releasing": True}, None),
        ({"now": PERMIT.answer_by + timedelta(milliseconds=1), "releasing": True}, PermitRefusal.PERMIT_EXPIRED),
        ({"code": b"code of another"}, PermitRefusal.PERMIT_OTHER_PERSON),
        ({"nonce": b"m" * 16}, PermitRefusal.PERMIT_OTHER_PERSON),
        ({"known_lists": set()}, PermitRefusal.LIST_DIGEST_UNKNOWN),
    ],
)
def test_each_step_refuses_what_it_is_there_for(change: dict[str, Any], refusal: PermitRefusal | None) -> None:
    assert check_permit(PERMIT, **RECEIVED | change) is refusal


@pytest.mark.parametrize(
    "change",
    [
        {"inquiry_number": "Q" + "1" * 26}, {"inquirer": "meguro"}, {"provider": "meguro"}, {"basis": None},
        {"item": "3"}, {"information": "地方税関係情報"}, {"items": ["資格取得日"]}, {"list_digest": "cd" * 32},
        {"key_hash": "cd" * 32},
    ],
)  # fmt: skip
def test_a_permit_that_says_other_than_the_signed_request_is_refused(change: dict[str, Any]) -> None:
    request = encoded(REQUEST_FIELDS | change)
    permit = replace(PERMIT, request_digest=hashlib.sha256(request).hexdigest())

    assert check_permit(permit, **RECEIVED | {"request": request}) is PermitRefusal.PERMIT_REQUEST_DIFFERS


@pytest.mark.parametrize("request_bytes", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_request_that_is_no_request_matches_no_permit(request_bytes: bytes) -> None:
    permit = replace(PERMIT, request_digest=hashlib.sha256(request_bytes).hexdigest())

    assert not matches_request(permit, request_bytes)


def test_numbered_steps_agree_with_their_list() -> None:
    source = inspect.getsource(check_permit)

    listed = re.findall(r"^    (\d+)\. ", source, re.MULTILINE)
    assert listed == [str(number) for number in range(1, 9)]
    assert re.findall(r"^    # (\d+)", source, re.MULTILINE) == listed
