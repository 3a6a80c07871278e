"""Whose a bar is: sealed, and found by an index of its own under the same key (SC-4, SC-20; docs/adr/0026, 0064).

Who is barred says more than most of what is held here: victims of violence are among them. The server reads all of them into its memory; a copy
of the database tells nobody.
"""

from __future__ import annotations

from typing import Final

from keys import labels
from keys.binding import bind
from keys.ring import Keyring

PURPOSE: Final = "staff"
"""The ring's purpose of what staff have entered about people."""


def kept(ring: Keyring, agency: str, bar_id: str, integrated_number: str) -> tuple[bytes, bytes]:
    """The index that finds a person's bars, and the number sealed; both under the primary version."""
    sealed = ring.encrypt(PURPOSE, integrated_number.encode(), bind(labels.BARRED_PERSON, agency, bar_id))
    return indexes(ring, integrated_number)[0], sealed


def indexes(ring: Keyring, integrated_number: str) -> tuple[bytes, ...]:
    """What a person's bars are found by, under each version that opens."""
    return ring.named_indexes(PURPOSE, bind(labels.BARRED_PERSON, integrated_number))


def opened(ring: Keyring, agency: str, bar_id: str, sealed: bytes) -> str:
    """The integrated number. Raises SealBroken, KeyUnusable."""
    return ring.decrypt(PURPOSE, sealed, bind(labels.BARRED_PERSON, agency, bar_id)).decode()
