"""The primitives under this package, against the bad-input vectors of Wycheproof."""

from __future__ import annotations

import hmac

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, AESSIV

from keys.deterministic import DeterministicKey
from keys.errors import SealBroken
from keys.masked import Secret
from keys.signing import verify_raw
from tests.keys.published_vectors import wycheproof

AES_SIV = wycheproof("aes_siv_cmac")
LARGE_SIV = [param for param in AES_SIV if param.values[0]["keySize"] == 512]
SMALL_SIV = [param for param in AES_SIV if param.values[0]["keySize"] != 512]
GCM_SIV = wycheproof("aes_gcm_siv")


def raw(case, *names):
    return [bytes.fromhex(case[name]) for name in names]


def valid_only(params):
    return [param for param in params if param.values[1]["result"] == "valid"]


def invalid_only(params):
    return [param for param in params if param.values[1]["result"] == "invalid"]


@pytest.mark.parametrize(("group", "case"), valid_only(LARGE_SIV))
def test_aes_siv_gives_the_published_bytes_and_opens_them(group, case):
    key, aad, message, sealed = raw(case, "key", "aad", "msg", "ct")
    box = DeterministicKey(Secret(key))
    assert (box.seal(message, aad), box.open(sealed, aad)) == (sealed, message)


@pytest.mark.parametrize(("group", "case"), invalid_only(LARGE_SIV))
def test_aes_siv_refuses_what_is_forged(group, case):
    key, aad, sealed = raw(case, "key", "aad", "ct")
    with pytest.raises(SealBroken):
        DeterministicKey(Secret(key)).open(sealed, aad)


@pytest.mark.parametrize(("group", "case"), valid_only(SMALL_SIV))
def test_aes_siv_of_smaller_keys_gives_the_published_bytes(group, case):
    key, aad, message, sealed = raw(case, "key", "aad", "msg", "ct")
    assert AESSIV(key).encrypt(message, [aad]) == sealed


@pytest.mark.parametrize(("group", "case"), valid_only(GCM_SIV))
def test_aes_gcm_siv_gives_the_published_bytes(group, case):
    key, nonce, aad, message, body, tag = raw(case, "key", "iv", "aad", "msg", "ct", "tag")
    aead = AESGCMSIV(key)
    assert (aead.encrypt(nonce, message, aad), aead.decrypt(nonce, body + tag, aad)) == (body + tag, message)


@pytest.mark.parametrize(("group", "case"), invalid_only(GCM_SIV))
def test_aes_gcm_siv_refuses_what_is_forged(group, case):
    key, nonce, aad, body, tag = raw(case, "key", "iv", "aad", "ct", "tag")
    with pytest.raises((InvalidTag, ValueError)):  # ValueError: nonces of a wrong size
        AESGCMSIV(key).decrypt(nonce, body + tag, aad)


@pytest.mark.parametrize(("group", "case"), wycheproof("ed25519"))
def test_ed25519_verifies_exactly_the_valid_signatures(group, case):
    message, signature = raw(case, "msg", "sig")
    assert verify_raw(bytes.fromhex(group["publicKey"]["pk"]), message, signature) is (case["result"] == "valid")


@pytest.mark.parametrize(("group", "case"), wycheproof("hmac_sha256"))
def test_hmac_sha256_matches_exactly_the_valid_tags(group, case):
    key, message, tag = raw(case, "key", "msg", "tag")
    mac = hmac.digest(key, message, "sha256")[: group["tagSize"] // 8]
    assert hmac.compare_digest(mac, tag) is (case["result"] == "valid")


def exchange(private: bytes, public: bytes) -> bytes:
    """The shared secret; 32 zero bytes where the library refuses to give them."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return bytes(32)


@pytest.mark.parametrize(("group", "case"), wycheproof("x25519"))
def test_x25519_agrees_or_refuses_the_zero_secret(group, case):
    private, public, shared = raw(case, "private", "public", "shared")
    assert exchange(private, public) == shared
