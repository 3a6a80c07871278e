"""Conversions of codes per second on one core, beside the bare AES-SIV decrypt and encrypt of the same run.

Run: `.venv/bin/python benchmarks/code_conversion.py`; prints the median of five rounds of each.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapters.jlis_mock.core.codes import CodeBook, purpose_of
from keys import labels
from keys.binding import bind
from keys.ring import Keyring

ROUNDS = 5
COUNT = 50_000
AGENCIES = ("setagaya", "naikaku")


def rate(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return COUNT / (time.perf_counter() - begun)


def main() -> None:
    ring = Keyring.new()
    for agency in AGENCIES:
        ring.create(purpose_of(agency))
    book = CodeBook(ring, AGENCIES)
    codes = [book.code_of("setagaya", secrets.token_bytes(16)) for _ in range(COUNT)]
    first, second = AESSIV(secrets.token_bytes(64)), AESSIV(secrets.token_bytes(64))
    context_a, context_b = [bind(labels.CODE, 1, 1, "setagaya")], [bind(labels.CODE, 1, 1, "naikaku")]
    sealed = [first.encrypt(secrets.token_bytes(16), context_a) for _ in range(COUNT)]

    def convert() -> None:
        for code in codes:
            book.convert(code, "setagaya", "naikaku")

    def bare() -> None:
        for one in sealed:
            second.encrypt(first.decrypt(one, context_a), context_b)

    pairs = [(rate(convert), rate(bare)) for _ in range(ROUNDS)]
    conversions = statistics.median(pair[0] for pair in pairs)
    limit = statistics.median(pair[1] for pair in pairs)
    print(
        f"conversions/s {conversions:,.0f}; bare AES-SIV decrypt+encrypt/s {limit:,.0f}; {conversions / limit:.0%} of it"
    )


if __name__ == "__main__":
    main()
