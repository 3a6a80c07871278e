"""符号 (linkage codes): one per person and agency, made and converted by the core alone (DESIGN §5).

`code = version (1) ‖ epoch (1) ‖ AES-SIV(K[agency, epoch], person_ref)`, 34 bytes; bound to label, version, epoch and
agency. No table: the same person gives the same code. A forged code, or another agency's, fails its tag.
The converter learns a person reference of the resident network, which names nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keys import labels
from keys.binding import bind
from keys.deterministic import DETERMINISTIC_KEY_SIZE, DeterministicKey
from keys.errors import SealBroken
from keys.ring import Keyring, State
from storage.key_store import KeyStore

VERSION: Final = 1
PERSON_REF_SIZE: Final = 16
CODE_SIZE: Final = 2 + 16 + PERSON_REF_SIZE


class CodeBroken(Exception):  # noqa: N818 - it says what the code is
    """The code is not one that the core made for this agency. The message is a constant."""


class CodeBook:
    """The code keys of all agencies, ready for use. An epoch is a version of the ring's purpose `code/<agency>`.

    New codes are of the latest epoch; older epochs still convert. A new epoch needs the agency's codes issued anew.
    """

    def __init__(self, ring: Keyring, agencies: Iterable[str]) -> None:
        self._keys: dict[tuple[str, int], tuple[DeterministicKey, bytes]] = {}
        self._latest: dict[str, tuple[DeterministicKey, bytes, bytes]] = {}
        for agency in agencies:
            for epoch, state in ring.versions(purpose_of(agency)).items():
                if state not in {State.PRIMARY, State.ENABLED}:
                    continue
                key = DeterministicKey(ring.secret(purpose_of(agency), DETERMINISTIC_KEY_SIZE, version=epoch))
                context = bind(labels.CODE, VERSION, epoch, agency)
                self._keys[agency, epoch] = (key, context)
                if state is State.PRIMARY:
                    self._latest[agency] = (key, context, bytes((VERSION, epoch)))

    @classmethod
    def open(cls, store: KeyStore, agencies: Iterable[str]) -> CodeBook:
        """The book of these agencies; keys that are not there yet are made and saved durably first."""
        known = list(agencies)
        for agency in known:
            store.ensure(purpose_of(agency))
        return cls(store.ring, known)

    def code_of(self, agency: str, person_ref: bytes) -> bytes:
        """The agency's code (34 bytes) of a person reference (16 bytes). Raises KeyError, ValueError."""
        if len(person_ref) != PERSON_REF_SIZE:
            raise ValueError("a person reference has 16 bytes")
        key, context, head = self._latest[agency]
        return head + key.seal(person_ref, context)

    def convert(self, code: bytes, agency: str, other: str) -> bytes:
        """The other agency's code of the same person. Raises CodeBroken unless the code is `agency`'s own; KeyError."""
        if len(code) != CODE_SIZE or code[0] != VERSION:
            raise CodeBroken("not a code")
        found = self._keys.get((agency, code[1]))
        if found is None:
            raise CodeBroken("a code of no epoch of this agency")
        try:
            person_ref = found[0].open(code[2:], found[1])
        except SealBroken:
            raise CodeBroken("not a code of this agency") from None
        key, context, head = self._latest[other]
        return head + key.seal(person_ref, context)


def purpose_of(agency: str) -> str:
    """The ring's purpose of an agency's code keys."""
    return f"code/{agency}"
