"""符号 (linkage codes): one per person and agency, made and converted by the core alone (DESIGN §5).

`code = version (1) ‖ epoch (1) ‖ AES-SIV(K[agency, epoch], person_ref)`, 34 bytes; bound to label, version, epoch and
agency. No table: the same person gives the same code. A forged code, or another agency's, fails its tag.
The converter learns a person reference of the resident network, which names nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keys import labels
from keys.binding import bind
from keys.deterministic import DETERMINISTIC_KEY_SIZE, DeterministicKey
from keys.errors import SealBroken
from keys.ring import Keyring
from storage.key_store import KeyStore

VERSION: Final = 1
PERSON_REF_SIZE: Final = 16
CODE_SIZE: Final = 2 + 16 + PERSON_REF_SIZE
FIRST: Final = 1
"""The epoch that every agency begins with."""


class CodeBroken(Exception):  # noqa: N818 - it says what the code is
    """The code is not one that the core made for this agency. The message is a constant."""


class CodeOutdated(CodeBroken):
    """The code is of an epoch of this agency that is refused by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """Epochs of one agency: `issued` is given and asked under, codes are renewed to `newest`, and taken from the agency when of one of `accepted`."""

    issued: int = FIRST
    newest: int = FIRST
    accepted: frozenset[int] = frozenset({FIRST})


class CodeBook:
    """The code keys of all agencies, ready for use. An epoch is a version of the ring's purpose `code/<agency>`."""

    def __init__(self, ring: Keyring, agencies: Iterable[str], in_use: Mapping[str, InUse] | None = None) -> None:
        self._ring = ring
        self._agencies = frozenset(agencies)
        self.take(in_use or {})

    @classmethod
    def open(cls, store: KeyStore, agencies: Iterable[str]) -> CodeBook:
        """The book of these agencies; keys that are not there yet are made and saved durably first."""
        known = list(agencies)
        return cls(store.ensure_all(map(purpose_of, known)), known)

    def admit(self, store: KeyStore, agencies: Iterable[str]) -> None:
        """Others may have come by now: their keys are made and saved durably, and they begin at their first epoch. Raises KeyStoreError."""
        if new := frozenset(agencies) - self._agencies:
            self._ring = store.ensure_all(map(purpose_of, sorted(new)))
            self._agencies |= new
            self._in_use |= {agency: InUse() for agency in new}

    def take(self, in_use: Mapping[str, InUse]) -> None:
        """From now on these epochs count; an agency that is not named is at its first one."""
        self._in_use = {agency: in_use.get(agency, InUse()) for agency in self._agencies}
        self._keys: dict[tuple[str, int], tuple[DeterministicKey, bytes]] = {}

    def code_of(self, agency: str, person_ref: bytes) -> bytes:
        """The agency's code (34 bytes) of a person reference (16 bytes), of the epoch that is issued. Raises KeyError, ValueError."""
        if len(person_ref) != PERSON_REF_SIZE:
            raise ValueError("a person reference has 16 bytes")
        return self._made(agency, self._in_use[agency].issued, person_ref)

    def convert(self, code: bytes, agency: str, other: str) -> bytes:
        """The other agency's code of the same person. Raises CodeBroken unless the code is `agency`'s own; KeyError."""
        return self._made(other, self._in_use[other].issued, self._opened(code, agency))

    def renewed(self, code: bytes, agency: str) -> bytes:
        """The agency's code of the newest epoch for the same person. Raises CodeBroken as `convert`."""
        return self._made(agency, self._in_use[agency].newest, self._opened(code, agency))

    def _opened(self, code: bytes, agency: str) -> bytes:
        if len(code) != CODE_SIZE or code[0] != VERSION:
            raise CodeBroken("not a code")
        epoch, in_use = code[1], self._in_use[agency]
        if epoch not in in_use.accepted:
            known = FIRST <= epoch < in_use.newest
            raise CodeOutdated("a code of an epoch that is over") if known else CodeBroken("a code of no epoch")
        key, context = self._key(agency, epoch)
        try:
            return key.open(code[2:], context)
        except SealBroken:
            raise CodeBroken("not a code of this agency") from None

    def _made(self, agency: str, epoch: int, person_ref: bytes) -> bytes:
        key, context = self._key(agency, epoch)
        return bytes((VERSION, epoch)) + key.seal(person_ref, context)

    def _key(self, agency: str, epoch: int) -> tuple[DeterministicKey, bytes]:
        found = self._keys.get((agency, epoch))
        if found is None:
            secret = self._ring.secret(purpose_of(agency), DETERMINISTIC_KEY_SIZE, version=epoch)
            found = self._keys[agency, epoch] = (
                DeterministicKey(secret),
                bind(labels.CODE, VERSION, epoch, agency),
            )
        return found


def purpose_of(agency: str) -> str:
    """The ring's purpose of an agency's code keys."""
    return f"code/{agency}"
