from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import sealing
from keys.masked import Plaintext, Secret
from keys.sealing import (
    PUBLIC_KEY_SIZE,
    SUITE_XWING,
    PublicKeyBroken,
    SealBroken,
    key_hash,
    new_one_time_key,
    open_sealed,
    public_key_of,
    seal,
    size_class,
)

KEY = new_one_time_key()
INFO = b"info"
SEALED = seal(KEY.public, INFO, Plaintext("給付 0 件".encode()))
OVERHEAD = 2 + 1120 + 16


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), st.binary(max_size=50))
def test_what_is_sealed_opens(plain, info):
    assert open_sealed(KEY.private, info, seal(KEY.public, info, Plaintext(plain))) == Plaintext(plain)


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_every_truncation_is_refused(length):
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO, SEALED[:length])


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_a_flipped_bit_in_every_byte_is_refused(at):
    broken = bytearray(SEALED)
    broken[at] ^= 1 << at % 8
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO, bytes(broken))


def test_an_added_byte_is_refused():
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO, SEALED + b"\0")


def test_another_info_is_refused():
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO + b"x", SEALED)


def test_another_key_is_refused():
    with pytest.raises(SealBroken):
        open_sealed(new_one_time_key().private, INFO, SEALED)


def test_an_encapsulated_key_with_a_zero_point_is_refused():
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO, SEALED[: 2 + 1088] + bytes(32) + SEALED[2 + 1120 :])


def test_the_same_plaintext_never_seals_to_the_same_bytes():
    assert seal(KEY.public, INFO, Plaintext(b"x")) != seal(KEY.public, INFO, Plaintext(b"x"))


@pytest.mark.parametrize(
    ("length", "size"), [(0, 256), (252, 256), (253, 512), (508, 512), (509, 1024), (4092, 4096), (4093, 8192)]
)
def test_the_size_tells_the_class_only(length, size):
    assert size_class(length) == size
    assert len(seal(KEY.public, INFO, Plaintext(bytes(length)))) == size + OVERHEAD


def sealed_by_another_hand(padded: bytes) -> bytes:
    key = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(KEY.public[:1184]), X25519PublicKey.from_public_bytes(KEY.public[1184:])
    )
    return bytes((1, SUITE_XWING)) + sealing._SUITE.encrypt(padded, key, sealing._bound(INFO))


def test_padding_made_by_the_rule_opens_whoever_made_it():
    padded = (2).to_bytes(4) + b"ok" + bytes(250)
    assert open_sealed(KEY.private, INFO, sealed_by_another_hand(padded)).reveal() == b"ok"


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        b"\0\0\0",
        (2).to_bytes(4) + b"ok",
        (2).to_bytes(4) + b"ok" + bytes(249),
        (2).to_bytes(4) + b"ok" + bytes(249) + b"\x01",
        (2).to_bytes(4) + b"ok" + b"\x01" + bytes(249),
        (2).to_bytes(4) + b"ok" + bytes(506),
        (253).to_bytes(4) + bytes(252),
        b"\xff\xff\xff\xff" + bytes(252),
    ],
)
def test_padding_that_is_not_ours_is_refused(padded):
    with pytest.raises(SealBroken):
        open_sealed(KEY.private, INFO, sealed_by_another_hand(padded))


@pytest.mark.parametrize(
    "public",
    [b"", bytes(32), KEY.public[:-1], KEY.public + b"\0", KEY.public[:1184] + bytes(32), b"\xff" * PUBLIC_KEY_SIZE],
    ids=["empty", "x25519 only", "short", "long", "zero point", "outside the modulus"],
)
def test_an_unusable_public_key_is_refused(public):
    with pytest.raises(PublicKeyBroken):
        seal(public, INFO, Plaintext(b"x"))


def test_a_plaintext_above_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(sealing, "LARGEST_PLAINTEXT", 10)
    with pytest.raises(ValueError):
        seal(KEY.public, INFO, Plaintext(bytes(11)))


def test_the_private_key_is_a_seed_that_gives_the_public_key_again():
    stored = KEY.private.reveal()
    assert (len(stored), public_key_of(Secret(stored))) == (32, KEY.public)
    assert (len(KEY.public), len(key_hash(KEY.public))) == (PUBLIC_KEY_SIZE, 32)


def test_a_seed_of_another_size_is_refused():
    with pytest.raises(ValueError):
        open_sealed(Secret(bytes(31)), INFO, SEALED)


def test_keys_are_fresh_and_print_no_private_part():
    assert new_one_time_key() != new_one_time_key()
    assert "<Secret>" in repr(KEY)
