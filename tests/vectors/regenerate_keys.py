"""Writes keys.json beside it: golden bytes of `keys` and `codebook.issuing`. Run from the root: python -m tests.vectors.regenerate_keys.

Old bytes must open for as long as data lives, so a changed file is a changed format: raise the format number, keep the old cases.
Sealing is random, so a new run changes the sealed bytes though nothing else changed; commit them only with a reason.
"""

from __future__ import annotations

import json
from pathlib import Path

from codebook.issuing import issue_many
from keys import labels
from keys.binding import bind
from keys.deterministic import DeterministicKey, block_encrypt
from keys.masked import Plaintext, Secret
from keys.ring import Keyring, wrap
from keys.sealing import key_hash, public_key_of, seal
from keys.signing import Signer

SEED = bytes(range(32))
KEK = bytes(range(32, 64))
CODE_KEY = bytes(range(64))
INFO = bind(labels.PAYLOAD, "K01000000000000000000000000", "setagaya", "kyokai-kenpo", [], 1)
PLAIN = "見本：給付はありません".encode()


def sealed_cases() -> list[dict[str, str]]:
    sealed = seal(public_key_of(Secret(SEED)), INFO, Plaintext(PLAIN))
    flipped = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    cases = {
        "as sealed": ("opens", INFO, sealed),
        "another info": ("refused", INFO + b"\0", sealed),
        "another format": ("refused", INFO, b"\x02" + sealed[1:]),
        "another suite": ("refused", INFO, sealed[:1] + b"\x02" + sealed[2:]),
        "last bit of the tag": ("refused", INFO, flipped),
        "last byte cut": ("refused", INFO, sealed[:-1]),
        "nothing": ("refused", INFO, b""),
    }
    return [
        {
            "name": name,
            "expect": expect,
            "private": SEED.hex(),
            "info": info.hex(),
            "sealed": data.hex(),
            "plain": PLAIN.hex(),
        }
        for name, (expect, info, data) in cases.items()
    ]


def ring_case() -> dict[str, object]:
    ring = Keyring.new()
    ring.create("personal/2026")
    box, siv = ring.encrypt("personal/2026", PLAIN, b"row"), ring.encrypt_siv("personal/2026", PLAIN, b"row")
    ring.rotate("personal/2026")
    ring.create("result/2026-11-24T05")
    gone = ring.encrypt("result/2026-11-24T05", PLAIN, b"row")
    ring.destroy("result/2026-11-24T05")
    return {
        "kek": KEK.hex(),
        "wrapped": wrap(ring, Secret(KEK)).hex(),
        "box": box.hex(),
        "siv": siv.hex(),
        "destroyed": gone.hex(),
        "plain": PLAIN.hex(),
        "index": ring.index("personal/2026", b"data").hex(),
        "public_key": ring.signer("personal/2026").public_key.hex(),
    }


def fixed_cases() -> dict[str, object]:
    code = DeterministicKey(Secret(CODE_KEY)).seal(bytes(16), labels.CODE, b"setagaya", b"1")
    return {
        "public_key": public_key_of(Secret(SEED)).hex(),
        "key_hash": key_hash(public_key_of(Secret(SEED))).hex(),
        "binding": INFO.hex(),
        "signature": Signer(Secret(SEED)).sign(labels.INQUIRY, PLAIN).hex(),
        "code": code.hex(),
        "block": block_encrypt(Secret(SEED), bytes(16)).hex(),
        "issued": [
            f"{number:015d}" for number in issue_many(Secret(SEED), 0, 5) + issue_many(Secret(SEED), 10**14 - 1, 1)
        ],
    }


def main() -> None:
    golden = {"sealed": sealed_cases(), "ring": ring_case(), "fixed": fixed_cases()}
    text = json.dumps(golden, ensure_ascii=False, indent=1) + "\n"
    Path(__file__).with_name("keys.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
