from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jlis_mock.core.codes import CODE_SIZE, CodeBook, CodeBroken, purpose_of
from keys.ring import Keyring

AGENCIES = ("setagaya", "suginami", "naikaku")


def ring() -> Keyring:
    made = Keyring.new()
    for agency in AGENCIES:
        made.create(purpose_of(agency))
    return made


RING = ring()
BOOK = CodeBook(RING, AGENCIES)
PERSON_REFS = st.binary(min_size=16, max_size=16)


@given(PERSON_REFS)
def test_a_converted_code_is_the_other_agencys_own(person_ref: bytes) -> None:
    code = BOOK.code_of("setagaya", person_ref)
    assert BOOK.convert(code, "setagaya", "naikaku") == BOOK.code_of("naikaku", person_ref)
    assert len(code) == CODE_SIZE


@given(PERSON_REFS, st.integers(0, CODE_SIZE * 8 - 1))
def test_any_flipped_bit_breaks_a_code(person_ref: bytes, bit: int) -> None:
    code = bytearray(BOOK.code_of("setagaya", person_ref))
    code[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CodeBroken):
        BOOK.convert(bytes(code), "setagaya", "naikaku")


@given(PERSON_REFS)
def test_another_agencys_code_is_broken_here(person_ref: bytes) -> None:
    with pytest.raises(CodeBroken):
        BOOK.convert(BOOK.code_of("suginami", person_ref), "setagaya", "naikaku")


@given(PERSON_REFS, st.integers(0, CODE_SIZE - 1))
def test_any_cut_breaks_a_code(person_ref: bytes, size: int) -> None:
    with pytest.raises(CodeBroken):
        BOOK.convert(BOOK.code_of("setagaya", person_ref)[:size], "setagaya", "naikaku")


def test_codes_outlive_a_restart_and_an_old_epoch_still_converts() -> None:
    keys = ring()
    before = CodeBook(keys, AGENCIES)
    code = before.code_of("setagaya", bytes(16))
    assert CodeBook(keys, AGENCIES).code_of("setagaya", bytes(16)) == code
    keys.rotate(purpose_of("setagaya"))
    after = CodeBook(keys, AGENCIES)
    assert after.code_of("setagaya", bytes(16)) != code
    assert after.convert(code, "setagaya", "naikaku") == before.code_of("naikaku", bytes(16))
    keys.destroy(purpose_of("setagaya"), 1)
    with pytest.raises(CodeBroken):
        CodeBook(keys, AGENCIES).convert(code, "setagaya", "naikaku")
