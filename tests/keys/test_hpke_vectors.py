"""The HPKE under `keys.sealing` against RFC 9180 and the post-quantum draft.

The published messages carry associated data, which the public interface does not take on purpose;
this file alone calls the function below it.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from keys.masked import Secret
from keys.sealing import _expand, public_key_of
from tests.keys import published_vectors

P256, P521, X25519, XWING = 16, 18, 32, 25722
KEMS = {
    P256: (hpke.KEM.P256, lambda raw: ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())),
    P521: (hpke.KEM.P521, lambda raw: ec.derive_private_key(int.from_bytes(raw), ec.SECP521R1())),
    X25519: (hpke.KEM.X25519, X25519PrivateKey.from_private_bytes),
    XWING: (hpke.KEM.MLKEM768_X25519, lambda raw: hpke.MLKEM768X25519PrivateKey(*_expand(Secret(raw)))),
}
KDFS = {1: hpke.KDF.HKDF_SHA256, 3: hpke.KDF.HKDF_SHA512, 17: hpke.KDF.SHAKE256}
AEADS = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}


def params(name, kems):
    return [
        pytest.param(vector, id=f"kem{vector['kem_id']}-kdf{vector['kdf_id']}-aead{vector['aead_id']}")
        for vector in published_vectors.hpke(name)
        if vector["mode"] == 0 and vector["kem_id"] in kems and vector["kdf_id"] in KDFS and vector["aead_id"] in AEADS
    ]


RFC9180 = params("test-vectors.json", {P256, P521, X25519})
DRAFT = params("hpke-pq-test-vectors.json", {XWING})


def test_the_vectors_are_there():
    assert (len(RFC9180), len(DRAFT)) == (18, 2)


@pytest.mark.parametrize("vector", RFC9180 + DRAFT)
def test_the_first_message_of_each_published_context_opens(vector):
    kem, load = KEMS[vector["kem_id"]]
    suite = hpke.Suite(kem, KDFS[vector["kdf_id"]], AEADS[vector["aead_id"]])
    first = vector["encryptions"][0]
    opened = rust_openssl.hpke._decrypt_with_aad(
        suite,
        bytes.fromhex(vector["enc"] + first["ct"]),
        load(bytes.fromhex(vector["skRm"])),
        bytes.fromhex(vector["info"]),
        bytes.fromhex(first["aad"]),
    )
    assert opened == bytes.fromhex(first["pt"])


@pytest.mark.parametrize("vector", DRAFT)
def test_our_public_key_of_a_published_x_wing_seed_is_the_published_one(vector):
    assert public_key_of(Secret(bytes.fromhex(vector["skRm"]))) == bytes.fromhex(vector["pkRm"])
