from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.checkpoint import CheckpointBroken, format_vkey, key_id, parse, parse_vkey, read, sign
from keys.masked import Secret
from keys.signing import Signer, verify_raw

# golang.org/x/mod/sumdb/note: the published example key and note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="

# C2SP tlog-checkpoint: the example of the specification.
SPEC_BODY = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SPEC = SPEC_BODY + (
    "\n— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)

SIGNER = Signer(Secret(bytes(range(32))))
ORIGIN = "sekisho.test/asahi/intermediate/2026"
ROOT = bytes(range(100, 132))
NOTE = sign(ORIGIN, 12345, ROOT, SIGNER)


def test_the_published_key_and_note_fit_our_key_ids_and_signatures():
    name, public_key = parse_vkey(VKEY)
    signer = Signer(Secret(base64.b64decode(SKEY)[1:]))
    data = base64.b64decode(SIGNATURE)
    assert name == "PeterNeumann"
    assert signer.public_key == public_key
    assert key_id(name, public_key) == data[:4]
    assert signer.sign_raw(TEXT.encode()) == data[4:]
    assert verify_raw(public_key, TEXT.encode(), data[4:])
    assert format_vkey(name, public_key) == VKEY


def test_the_example_of_the_specification_is_a_checkpoint():
    checkpoint = parse(SPEC)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert SPEC.startswith(
        f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n\n— "
    )


def test_a_signed_checkpoint_reads_back():
    checkpoint = read(NOTE, ORIGIN, SIGNER.public_key)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 12345, ROOT)


def test_a_witness_line_is_passed_over():
    witness = base64.b64encode(b"\x01\x02\x03\x04" + bytes(64)).decode()
    note = NOTE + f"— witness.test {witness}\n"
    assert read(note, ORIGIN, SIGNER.public_key).size == 12345


@given(st.data())
def test_any_flipped_bit_breaks_the_note(data):
    raw = bytearray(NOTE.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    text = raw.decode(errors="surrogateescape")
    with pytest.raises(CheckpointBroken):
        read(text, ORIGIN, SIGNER.public_key)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE.replace("12345", "012345"),
        NOTE.replace("\n\n", "\n"),
        NOTE + "— short AAAA\n",
        NOTE + "not a signature line\n",
    ],
)
def test_other_forms_are_refused(note):
    with pytest.raises(CheckpointBroken):
        read(note, ORIGIN, SIGNER.public_key)


def test_a_note_of_another_log_or_key_is_refused():
    with pytest.raises(CheckpointBroken):
        read(NOTE, "sekisho.test/midori/intermediate/2026", SIGNER.public_key)
    with pytest.raises(CheckpointBroken):
        read(NOTE, ORIGIN, Signer(Secret(bytes(32))).public_key)


def test_a_signed_text_that_is_not_a_checkpoint_is_refused():
    text = f"{ORIGIN}\nmany\n{base64.b64encode(ROOT).decode()}\n"
    data = base64.b64encode(key_id(ORIGIN, SIGNER.public_key) + SIGNER.sign_raw(text.encode())).decode()
    with pytest.raises(CheckpointBroken):
        read(f"{text}\n— {ORIGIN} {data}\n", ORIGIN, SIGNER.public_key)


@given(st.integers(0, len(VKEY) - 1), st.integers(0, 6))
def test_any_flipped_bit_breaks_the_verifier_key(place, bit):
    raw = bytearray(VKEY.encode())
    raw[place] ^= 1 << bit
    with pytest.raises(ValueError):
        parse_vkey(raw.decode())


def test_an_origin_that_is_no_key_name_is_refused():
    with pytest.raises(ValueError):
        sign("two words", 1, ROOT, SIGNER)
    with pytest.raises(ValueError):
        sign(ORIGIN, 1, ROOT[:-1], SIGNER)
