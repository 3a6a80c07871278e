from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import labels
from keys.errors import KeyDestroyed, KeyDisabled, KeyMissing, KeyUnusable, RingRefused, SealBroken
from keys.masked import Secret
from keys.passphrase import CHEAPEST, derive_kek, new_salt
from keys.ring import Keyring, State, unwrap, version_of_index, wrap
from keys.signing import verify

KEK = Secret(bytes(range(32)))


def ring_with(*purposes: str) -> Keyring:
    ring = Keyring.new()
    for purpose in purposes:
        ring.create(purpose)
    return ring


RING = ring_with("personal/2026", "personal/2027")
SEALED = RING.encrypt("personal/2026", b"value", b"row")
SIV = RING.encrypt_siv("personal/2026", b"value", b"row")
WRAPPED = wrap(ring_with("only"), KEK)


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_is_encrypted_decrypts(data, aad):
    assert RING.decrypt("personal/2026", RING.encrypt("personal/2026", data, aad), aad) == data
    assert RING.decrypt_siv("personal/2026", RING.encrypt_siv("personal/2026", data, aad), aad) == data


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=20)), max_size=5))
def test_many_are_sealed_as_each_would_be_and_no_nonce_comes_twice(messages):
    for seal, open_one in ((RING.encrypt_many, RING.decrypt), (RING.encrypt_siv_many, RING.decrypt_siv)):
        sealed = seal("personal/2026", messages)
        contexts = [aad for _, aad in messages]
        opened = [open_one("personal/2026", one, aad) for one, aad in zip(sealed, contexts, strict=True)]
        assert opened == [plaintext for plaintext, _ in messages]
        assert len({one[5:17] for one in sealed}) == len(messages)


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_every_truncation_is_refused(length):
    with pytest.raises(SealBroken):
        RING.decrypt("personal/2026", SEALED[:length], b"row")
    with pytest.raises(SealBroken):
        RING.decrypt_siv("personal/2026", SIV[:length], b"row")


@pytest.mark.parametrize("bit", range(8 * len(SEALED)))
def test_every_flipped_bit_is_refused(bit):
    broken, broken_siv = bytearray(SEALED), bytearray(SIV)
    broken[bit // 8] ^= 1 << bit % 8
    broken_siv[bit // 8] ^= 1 << bit % 8
    with pytest.raises((SealBroken, KeyMissing)):  # KeyMissing: a flip in the version
        RING.decrypt("personal/2026", bytes(broken), b"row")
    with pytest.raises((SealBroken, KeyMissing)):
        RING.decrypt_siv("personal/2026", bytes(broken_siv), b"row")


@pytest.mark.parametrize(("purpose", "aad"), [("personal/2026", b"row 2"), ("personal/2027", b"row")])
def test_another_row_or_purpose_is_refused(purpose, aad):
    with pytest.raises(SealBroken):
        RING.decrypt(purpose, SEALED, aad)
    with pytest.raises(SealBroken):
        RING.decrypt_siv(purpose, SIV, aad)


def test_the_two_formats_do_not_open_each_other():
    with pytest.raises(SealBroken):
        RING.decrypt("personal/2026", SIV, b"row")
    with pytest.raises(SealBroken):
        RING.decrypt_siv("personal/2026", SEALED, b"row")


def test_the_version_stands_in_front():
    ring = ring_with("p")
    ring.rotate("p")
    assert (ring.encrypt("p", b"", b"")[:5], ring.encrypt_siv("p", b"", b"")[:5]) == (b"\1\0\0\0\2", b"\2\0\0\0\2")


def test_ciphertexts_of_one_value_differ():
    assert RING.encrypt("personal/2026", b"v", b"") != RING.encrypt("personal/2026", b"v", b"")
    assert RING.encrypt_siv("personal/2026", b"v", b"") != RING.encrypt_siv("personal/2026", b"v", b"")


def test_a_blind_index_repeats_within_its_purpose_only():
    assert RING.index("personal/2026", b"n") == RING.index("personal/2026", b"n")
    assert RING.index("personal/2026", b"n") != RING.index("personal/2027", b"n")
    assert len(RING.index("personal/2026", b"n")) == 32


def test_an_index_of_an_older_version_is_there_to_rewrite_the_column():
    ring = ring_with("p")
    before = ring.index("p", b"n")
    ring.rotate("p")
    assert ring.index("p", b"n") != before
    assert ring.index("p", b"n", version=1) == before


def test_an_index_that_is_kept_says_its_version_and_is_looked_for_under_every_one_that_opens():
    ring = ring_with("p")
    first = ring.named_index("p", b"n")
    assert first == ring.index("p", b"n")
    ring.rotate("p")
    ring.rotate("p")
    third = ring.named_index("p", b"n")
    assert third == (3).to_bytes(4) + ring.index("p", b"n")
    assert [version_of_index(one) for one in ring.named_indexes("p", b"n")] == [3, 2, 1]
    assert {first, third} < set(ring.named_indexes("p", b"n"))
    ring.disable("p", 2)
    ring.destroy("p", 1)
    assert ring.named_indexes("p", b"n") == (third,)
    assert ring.prepare("p") == 4
    assert ring.opening("p") == (3, 4)
    with pytest.raises(KeyMissing):
        ring.named_indexes("nowhere", b"n")


def test_the_signer_is_stable_until_rotation():
    ring = ring_with("log")
    first = ring.signer("log")
    assert unwrap(wrap(ring, KEK), KEK).signer("log").public_key == first.public_key
    assert verify(first.public_key, labels.PERMIT, b"m", ring.signer("log").sign(labels.PERMIT, b"m"))
    ring.rotate("log")
    assert ring.signer("log").public_key != first.public_key


def test_a_secret_for_another_cipher_is_stable_and_of_its_own():
    ring = ring_with("code/setagaya", "code/other")
    first = ring.secret("code/setagaya", 64)
    ring.rotate("code/setagaya")
    assert ring.secret("code/setagaya", 64, version=1) == first
    assert ring.secret("code/setagaya", 64) != first
    assert ring.secret("code/other", 64) != first
    assert len(first.reveal()) == 64


def test_secrets_of_different_sizes_share_no_bytes():
    assert not RING.secret("personal/2026", 64).reveal().startswith(RING.secret("personal/2026").reveal())


def test_a_purpose_is_created_once_even_after_it_is_destroyed():
    ring = ring_with("p")
    ring.destroy("p")
    with pytest.raises(RingRefused):
        ring.create("p")


@pytest.mark.parametrize(
    "use",
    [
        lambda ring: ring.encrypt("nowhere", b"", b""),
        lambda ring: ring.decrypt("nowhere", SEALED, b""),
        lambda ring: ring.index("nowhere", b""),
        lambda ring: ring.index("personal/2026", b"", version=9),
        lambda ring: ring.signer("nowhere"),
        lambda ring: ring.secret("nowhere"),
        lambda ring: ring.secret("personal/2026", version=9),
        lambda ring: ring.rotate("nowhere"),
        lambda ring: ring.destroy("nowhere"),
        lambda ring: ring.destroy("personal/2026", 9),
        lambda ring: ring.disable("personal/2026", 9),
        lambda ring: ring.forget("nowhere"),
        lambda ring: ring.versions("nowhere"),
    ],
)
def test_what_the_ring_never_held_is_missing(use):
    with pytest.raises(KeyMissing):
        use(RING)


def test_the_primary_is_not_disabled():
    with pytest.raises(RingRefused):
        ring_with("p").disable("p", 1)


def test_an_enabled_version_is_not_enabled_again():
    ring = ring_with("p")
    ring.rotate("p")
    with pytest.raises(RingRefused):
        ring.enable("p", 1)


def test_a_disabled_version_opens_nothing_until_enabled_again():
    ring = ring_with("p")
    sealed = ring.encrypt("p", b"v", b"")
    ring.rotate("p")
    ring.disable("p", 1)
    with pytest.raises(KeyDisabled):
        ring.decrypt("p", sealed, b"")
    ring.enable("p", 1)
    assert ring.decrypt("p", sealed, b"") == b"v"


def test_a_destroyed_purpose_neither_opens_nor_encrypts():
    ring = ring_with("p")
    sealed, siv = ring.encrypt("p", b"v", b""), ring.encrypt_siv("p", b"v", b"")
    ring.destroy("p")
    ring.destroy("p", 1)
    assert not ring.has("p")
    for use in (
        lambda: ring.decrypt("p", sealed, b""),
        lambda: ring.decrypt_siv("p", siv, b""),
        lambda: ring.encrypt("p", b"v", b""),
        lambda: ring.index("p", b"v"),
        lambda: ring.index("p", b"v", version=1),
        lambda: ring.signer("p"),
        lambda: ring.secret("p"),
        lambda: ring.secret("p", version=1),
    ):
        with pytest.raises(KeyDestroyed):
            use()


def test_destroying_removes_the_material_from_what_is_kept():
    ring = ring_with("p", "kept")
    material = ring._purposes["p"][1].material.reveal()
    ring.destroy("p")
    kept = unwrap(wrap(ring, KEK), KEK)
    assert (kept._purposes["p"][1].material, kept.versions("p")) == (None, {1: State.DESTROYED})
    assert material not in [
        version.material and version.material.reveal() for version in kept._purposes["kept"].values()
    ]
    assert not [key for key in ring._engines if key[0] == "p"]


def test_only_a_destroyed_purpose_is_forgotten():
    ring = ring_with("p")
    with pytest.raises(RingRefused):
        ring.forget("p")
    ring.destroy("p")
    ring.forget("p")
    assert ring.purposes() == ()


def test_a_wrapped_ring_opens_what_the_ring_sealed():
    again = unwrap(wrap(RING, KEK), KEK)
    assert again.decrypt("personal/2026", SEALED, b"row") == b"value"
    assert again.decrypt_siv("personal/2026", SIV, b"row") == b"value"
    assert again.index("personal/2026", b"n") == RING.index("personal/2026", b"n")
    assert again.purposes() == RING.purposes()


@pytest.mark.parametrize("length", range(len(WRAPPED)))
def test_a_wrapped_ring_refuses_every_truncation(length):
    with pytest.raises(SealBroken):
        unwrap(WRAPPED[:length], KEK)


@pytest.mark.parametrize("at", range(len(WRAPPED)))
def test_a_wrapped_ring_refuses_a_flip_in_every_byte(at):
    broken = bytearray(WRAPPED)
    broken[at] ^= 1 << at % 8
    with pytest.raises(SealBroken):
        unwrap(bytes(broken), KEK)


def test_a_wrapped_ring_shows_neither_purposes_nor_keys():
    material = RING._purposes["personal/2026"][1].material.reveal()
    wrapped = wrap(RING, KEK)
    assert b"personal" not in wrapped
    assert material not in wrapped
    assert material.hex().encode() not in wrapped


def test_a_passphrase_gives_the_same_key_with_the_same_salt_only():
    salt = new_salt()
    first = derive_kek(Secret(b"passphrase"), salt, CHEAPEST)
    assert first == derive_kek(Secret(b"passphrase"), salt, CHEAPEST)
    assert first != derive_kek(Secret(b"passphrase"), new_salt(), CHEAPEST)
    assert first != derive_kek(Secret(b"Passphrase"), salt, CHEAPEST)
    assert (len(first.reveal()), len(salt)) == (32, 16)


def test_a_wrong_passphrase_opens_no_ring():
    salt = new_salt()
    wrapped = wrap(RING, derive_kek(Secret(b"right"), salt, CHEAPEST))
    with pytest.raises(SealBroken):
        unwrap(wrapped, derive_kek(Secret(b"wrong"), salt, CHEAPEST))


def test_the_normal_profile_is_the_one_when_none_is_named():
    assert derive_kek(Secret(b"p"), bytes(16)) != derive_kek(Secret(b"p"), bytes(16), CHEAPEST)


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_salt_of_another_size_is_refused(size):
    with pytest.raises(ValueError):
        derive_kek(Secret(b"p"), bytes(size), CHEAPEST)


def test_the_ring_prints_nothing_and_its_errors_share_one_kind():
    assert repr(RING) == "<Keyring>"
    assert all(issubclass(kind, KeyUnusable) for kind in (KeyMissing, KeyDisabled, KeyDestroyed))
