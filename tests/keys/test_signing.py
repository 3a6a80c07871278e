from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import labels
from keys.masked import Secret
from keys.signing import Signer, generate_seed, verify, verify_raw

SIGNER = Signer(Secret(bytes(range(32))))


@given(st.binary(max_size=200))
def test_a_signature_verifies_under_its_label_only(message):
    signature = SIGNER.sign(labels.INQUIRY, message)
    assert verify(SIGNER.public_key, labels.INQUIRY, message, signature)
    assert not verify(SIGNER.public_key, labels.OUTCOME, message, signature)
    assert not verify_raw(SIGNER.public_key, message, signature)


def test_a_raw_signature_is_no_labelled_one():
    signature = SIGNER.sign_raw(b"note")
    assert verify_raw(SIGNER.public_key, b"note", signature)
    assert not verify(SIGNER.public_key, labels.PERMIT, b"note", signature)


def test_the_first_published_signature_of_rfc_8032():
    signer = Signer(Secret(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")))
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign_raw(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


@pytest.mark.parametrize("bit", range(512))
def test_every_flipped_bit_of_a_signature_is_refused(bit):
    signature = bytearray(SIGNER.sign(labels.INQUIRY, b"message"))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(SIGNER.public_key, labels.INQUIRY, b"message", bytes(signature))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_public_key_of_another_size_is_refused(size):
    assert not verify(bytes(size), labels.INQUIRY, b"m", SIGNER.sign(labels.INQUIRY, b"m"))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_size_is_refused(size):
    assert not verify(
        SIGNER.public_key, labels.INQUIRY, b"m", SIGNER.sign(labels.INQUIRY, b"m").ljust(65, b"\0")[:size]
    )


def test_a_seed_of_another_size_is_refused():
    with pytest.raises(ValueError):
        Signer(Secret(bytes(31)))


def test_seeds_are_fresh_and_the_signer_prints_nothing():
    assert generate_seed() != generate_seed()
    assert len(generate_seed().reveal()) == 32
    assert repr(SIGNER) == "<Signer>"
