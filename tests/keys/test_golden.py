"""Bytes that were written once stay readable: golden vectors of our own formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keys.errors import KeyDestroyed
from keys.masked import Plaintext, Secret
from keys.ring import SealBroken, unwrap
from keys.sealing import open_sealed
from tests.vectors import regenerate_keys

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "keys.json").read_text(encoding="utf-8"))
OPENING = [case for case in GOLDEN["sealed"] if case["expect"] == "opens"]
REFUSED = [case for case in GOLDEN["sealed"] if case["expect"] == "refused"]


def opened(case) -> Plaintext:
    private, info, sealed = (bytes.fromhex(case[name]) for name in ("private", "info", "sealed"))
    return open_sealed(Secret(private), info, sealed)


@pytest.mark.parametrize("case", OPENING, ids=lambda case: case["name"])
def test_golden_sealed_bytes_open(case):
    assert opened(case) == Plaintext(bytes.fromhex(case["plain"]))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_golden_broken_bytes_are_refused(case):
    with pytest.raises(SealBroken):
        opened(case)


def test_what_is_not_random_is_the_same_bytes_as_ever():
    assert regenerate_keys.fixed_cases() == GOLDEN["fixed"]


def test_the_cases_in_the_file_are_the_cases_of_the_script():
    assert [(case["name"], case["expect"]) for case in regenerate_keys.sealed_cases()] == [
        (case["name"], case["expect"]) for case in GOLDEN["sealed"]
    ]


def test_the_golden_ring_opens_its_ciphertexts_and_not_the_destroyed():
    case = GOLDEN["ring"]
    ring = unwrap(bytes.fromhex(case["wrapped"]), Secret(bytes.fromhex(case["kek"])))
    assert ring.decrypt("personal/2026", bytes.fromhex(case["box"]), b"row").hex() == case["plain"]
    assert ring.decrypt_siv("personal/2026", bytes.fromhex(case["siv"]), b"row").hex() == case["plain"]
    assert ring.index("personal/2026", b"data").hex() == case["index"]
    assert ring.signer("personal/2026").public_key.hex() == case["public_key"]
    with pytest.raises(KeyDestroyed):
        ring.decrypt("result/2026-11-24T05", bytes.fromhex(case["destroyed"]), b"row")
