from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from keys.box import Box, new_box_key
from keys.deterministic import DeterministicKey, block_encrypt, new_deterministic_key
from keys.errors import SealBroken
from keys.masked import Secret

BOX = Box(new_box_key())
BOXED = BOX.seal(b"value", b"row 1")
CODES = DeterministicKey(new_deterministic_key())
CODE = CODES.seal(bytes(16), b"label", b"agency", b"1")


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_a_box_opens_what_it_sealed(data, associated):
    assert BOX.open(BOX.seal(data, associated), associated) == data


@pytest.mark.parametrize("length", range(len(BOXED)))
def test_a_box_refuses_every_truncation(length):
    with pytest.raises(SealBroken):
        BOX.open(BOXED[:length], b"row 1")


@pytest.mark.parametrize("bit", range(8 * len(BOXED)))
def test_a_box_refuses_every_flipped_bit(bit):
    broken = bytearray(BOXED)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        BOX.open(bytes(broken), b"row 1")


def test_a_box_refuses_another_row_and_another_key():
    with pytest.raises(SealBroken):
        BOX.open(BOXED, b"row 2")
    with pytest.raises(SealBroken):
        Box(new_box_key()).open(BOXED, b"row 1")


@given(st.binary(max_size=40), st.lists(st.binary(max_size=10), max_size=3))
def test_deterministic_sealing_repeats_and_opens(data, associated):
    sealed = CODES.seal(data, *associated)
    assert (CODES.seal(data, *associated), CODES.open(sealed, *associated)) == (sealed, data)
    assert len(sealed) == len(data) + 16


@pytest.mark.parametrize("length", range(len(CODE)))
def test_a_truncated_code_is_refused(length):
    with pytest.raises(SealBroken):
        CODES.open(CODE[:length], b"label", b"agency", b"1")


@pytest.mark.parametrize("bit", range(8 * len(CODE)))
def test_a_code_with_a_flipped_bit_is_refused(bit):
    broken = bytearray(CODE)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        CODES.open(bytes(broken), b"label", b"agency", b"1")


@pytest.mark.parametrize("context", [(), (b"label",), (b"label", b"other", b"1"), (b"label", b"agency1", b"")])
def test_a_code_of_another_agency_is_refused(context):
    with pytest.raises(SealBroken):
        CODES.open(CODE, *context)


def test_block_encrypt_is_the_published_aes_256_block():
    key = Secret(bytes(range(32)))  # FIPS 197, C.3
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert block_encrypt(key, block).hex() == "8ea2b7ca516745bfeafc49904b496089"


@given(st.binary(min_size=16, max_size=16))
def test_block_encrypt_is_a_permutation(block):
    key = bytes(range(32))
    decryptor = Cipher(algorithms.AES256(key), modes.ECB()).decryptor()  # noqa: S305  (the inverse under test)
    assert decryptor.update(block_encrypt(Secret(key), block)) == block


@pytest.mark.parametrize(("key", "block"), [(31, 16), (16, 16), (32, 15), (32, 32), (32, 0)])
def test_block_encrypt_refuses_other_sizes(key, block):
    with pytest.raises(ValueError):
        block_encrypt(Secret(bytes(key)), bytes(block))


@pytest.mark.parametrize("make", [Box, DeterministicKey])
@pytest.mark.parametrize("size", [0, 16, 31, 33, 63, 65])
def test_keys_of_another_size_are_refused(make, size):
    with pytest.raises(ValueError):
        make(Secret(bytes(size)))


def test_keys_print_nothing():
    assert (repr(BOX), repr(CODES)) == ("<Box>", "<DeterministicKey>")
