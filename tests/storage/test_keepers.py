"""A key file is opened by its keeper alone: whoever reads the disk without it has nothing (SC-20, IS-8)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from keys.masked import Secret
from storage import durable_file, key_store
from storage.keepers import ByTwo, InHsm, KeysClosedError, Share, share_of
from storage.key_store import Derived, KeyStore, KeyStoreError
from tests.support.soft_hsm import MODULE, TOKEN, settings_for, soft_hsm

PASSPHRASE = Secret(b"the passphrase that lies beside the key file")
PURPOSE = "replicas"
MARKER = b"a marker that stands for business data"


@pytest.fixture
def store(tmp_path):
    return KeyStore.create(tmp_path / "setagaya.json", PASSPHRASE, profile="cheapest", purposes=[PURPOSE])


def material(store) -> str:
    """Hex of what every sealed row of the purpose hangs on."""
    return store.ring._purposes[PURPOSE][1].material.reveal().hex()


def in_hsm(hsm, key="ring", pin_file=None) -> InHsm:
    return InHsm.named(module=MODULE, token=TOKEN, key=key, pin_file=pin_file or hsm.pin_file)


@pytest.fixture
def kept_in_hsm(store):
    hsm = soft_hsm()
    keeper = in_hsm(hsm)
    keeper.key.ensure()
    store.keep(keeper)
    return hsm


def test_is_8_a_ring_kept_by_the_module_opens_and_saves_without_a_passphrase(store, kept_in_hsm, tmp_path):
    sealed = store.ring.encrypt(PURPOSE, MARKER, b"")
    again = KeyStore.open(tmp_path / "setagaya.json", Secret(b"not asked for"))
    again.ensure("result/2026-11-24T05")
    once_more = KeyStore.open(tmp_path / "setagaya.json", Secret(b""))
    assert once_more.ring.decrypt(PURPOSE, sealed, b"") == MARKER
    assert once_more.ring.has("result/2026-11-24T05")


def test_every_writing_lies_under_a_key_of_its_own(store, kept_in_hsm, tmp_path):
    seen = set()
    for _ in range(3):
        with store.changing():
            pass
        seen.add(json.loads((tmp_path / "setagaya.json").read_text())["kek"])
    assert len(seen) == 3


def test_sc_20_the_disk_without_the_module_opens_nothing(store, kept_in_hsm, tmp_path):
    """A thief with the whole folder, the passphrase and even the PIN, at a machine whose module is another one."""
    words = (
        "import sys; from pathlib import Path; from keys.masked import Secret; from storage.key_store import KeyStore\n"
        "KeyStore.open(Path(sys.argv[1]), Secret(sys.argv[2].encode()))"
    )
    elsewhere = {**os.environ, "SOFTHSM2_CONF": str(settings_for(tmp_path / "another-module"))}
    # reveal: the passphrase of this test
    command = [sys.executable, "-c", words, str(tmp_path / "setagaya.json"), PASSPHRASE.reveal().decode()]
    thief = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=False, timeout=60)
    assert thief.returncode != 0
    assert "no such token or key" in thief.stderr
    stored = json.loads((tmp_path / "setagaya.json").read_text())
    with pytest.raises(KeyStoreError):
        Derived.open({**stored, "salt": "A" * 22 + "==", "profile": "cheapest"}, PASSPHRASE)
    assert material(store) not in (tmp_path / "setagaya.json").read_text()


def test_a_wrong_pin_another_key_and_changed_bytes_are_refused_and_quote_nothing(store, kept_in_hsm, tmp_path):
    path = tmp_path / "setagaya.json"
    right = json.loads(path.read_text())
    wrong_pin = tmp_path / "wrong-pin"
    wrong_pin.write_text("999999")
    in_hsm(kept_in_hsm, key="another").key.ensure()
    kek = right["kek"]
    for change, said in (
        ({"pin_file": str(wrong_pin)}, "refuses the PIN"),
        ({"pin_file": str(tmp_path / "none")}, "PIN file"),
        ({"key": "another"}, "does not answer"),
        ({"key": "no-such"}, "no such token or key"),
        ({"token": "no-such"}, "no such token or key"),
        ({"kek": ("B" if kek[30] == "A" else "A").join((kek[:30], kek[31:]))}, "does not answer"),
        ({"module": "/nowhere/library.so"}, "is away"),
        ({"keeper": "somebody"}, "damaged"),
        ({"kek": 7}, "damaged"),
    ):
        path.write_text(json.dumps({**right, **change}))
        with pytest.raises(KeyStoreError, match=said) as refused:
            KeyStore.open(path, PASSPHRASE)
        assert "999999" not in str(refused.value)
    path.write_text(json.dumps(right))
    KeyStore.open(path, PASSPHRASE)


def test_a_key_that_can_be_taken_out_of_the_module_is_not_used(store, kept_in_hsm):
    import pkcs11

    loose = {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
    with pkcs11.lib(str(MODULE)).get_token(token_label=TOKEN).open(rw=True, user_pin="271828") as session:
        session.generate_key(pkcs11.KeyType.AES, 256, label="loose", store=True, template=loose)
    with pytest.raises(KeyStoreError, match="can be taken out"):
        store.keep(in_hsm(kept_in_hsm, key="loose"))


def test_a_keeper_that_fails_leaves_the_file_as_it_was(store, kept_in_hsm, tmp_path):
    before = (tmp_path / "setagaya.json").read_bytes()
    with pytest.raises(KeyStoreError):
        store.keep(in_hsm(kept_in_hsm, key="never-made"))
    assert (tmp_path / "setagaya.json").read_bytes() == before
    store.ensure("still-writable")


def test_a_purpose_that_could_not_be_written_is_not_used_and_one_that_went_is_written_later(store, tmp_path):
    """A disk that takes nothing at the wrong moment: nothing is sealed under a key that a crash forgets, and no key outlives its erasure."""
    store.ensure("result/2026-11-24T05")
    in_the_way = durable_file.part_of(tmp_path / "setagaya.json")
    in_the_way.mkdir()
    with pytest.raises(KeyStoreError, match="written"):
        store.ensure("result/2026-11-24T06")
    assert not store.ring.has("result/2026-11-24T06")
    with pytest.raises(OSError):
        store.destroy("result/2026-11-24T05")
    in_the_way.rmdir()
    store.destroy("result/2026-11-24T05")
    again = KeyStore.open(tmp_path / "setagaya.json", PASSPHRASE)
    assert "result/2026-11-24T05" not in again.ring.purposes()


TWO = {
    "tanaka": Secret(b"tanaka no aikotoba"),
    "suzuki": Secret(b"suzuki no aikotoba"),
    "sato": Secret(b"sato no aikotoba"),
}


@pytest.fixture
def kept_by_two(store, tmp_path):
    store.keep(ByTwo.of(TWO, "cheapest"))
    return tmp_path / "setagaya.json"


def share(path, person, passphrase=None):
    return share_of(key_store.read(path), person, passphrase or TWO[person])


@pytest.mark.parametrize("pair", [("tanaka", "suzuki"), ("suzuki", "tanaka"), ("tanaka", "sato"), ("sato", "suzuki")])
def test_sc_20_any_two_people_open_the_ring_and_it_is_written_without_them(store, kept_by_two, pair):
    sealed = store.ring.encrypt(PURPOSE, MARKER, b"")
    again = KeyStore.open_by_two(kept_by_two, *(share(kept_by_two, person) for person in pair))
    assert again.ring.decrypt(PURPOSE, sealed, b"") == MARKER
    again.ensure("result/2026-11-24T05")
    once_more = KeyStore.open_by_two(kept_by_two, share(kept_by_two, "tanaka"), share(kept_by_two, "suzuki"))
    assert once_more.ring.has("result/2026-11-24T05")


def test_sc_20_one_person_opens_nothing_whatever_they_bring(store, kept_by_two):
    tanaka = share(kept_by_two, "tanaka")
    as_suzuki = Share(person="suzuki", key=tanaka.key)
    wrong = share(kept_by_two, "suzuki", Secret(b"not what suzuki knows"))
    same_words = share(kept_by_two, "suzuki", TWO["tanaka"])
    for other in (tanaka, as_suzuki, wrong, same_words, Share(person="yamada", key=tanaka.key)):
        with pytest.raises(KeysClosedError):
            KeyStore.open_by_two(kept_by_two, tanaka, other)
    with pytest.raises(KeysClosedError):
        KeyStore.open(kept_by_two, PASSPHRASE)
    with pytest.raises(KeysClosedError):
        share(kept_by_two, "yamada", TWO["tanaka"])
    assert material(store) not in kept_by_two.read_text()


def test_a_pair_s_box_of_others_and_changed_bytes_open_nothing(store, kept_by_two):
    right = json.loads(kept_by_two.read_text())
    boxes = {(one, other): sealed for one, other, sealed in right["pairs"]}
    assert len(boxes) == 3
    moved = [["sato", "suzuki", boxes["sato", "tanaka"]], ["suzuki", "tanaka", boxes["sato", "suzuki"]]]
    for change in ({"pairs": moved}, {"pairs": []}, {"wrapped": right["wrapped"][:-8] + "AAAAAAA="}):
        kept_by_two.write_text(json.dumps({**right, **change}))
        with pytest.raises(KeyStoreError):
            KeyStore.open_by_two(kept_by_two, share(kept_by_two, "suzuki"), share(kept_by_two, "tanaka"))


def test_fewer_than_two_people_or_one_passphrase_for_two_is_no_keeper():
    for people in ({}, {"tanaka": TWO["tanaka"]}, {"tanaka": TWO["tanaka"], "suzuki": TWO["tanaka"]}):
        with pytest.raises(ValueError, match="two people"):
            ByTwo.of(people, "cheapest")
