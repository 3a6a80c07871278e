"""What keeps a key file shut: a passphrase, a key in a security module, or two people of the agency (docs/adr/0041).

The file itself says which keeper it has; everything else in it but `wrapped` stands in clear and opens nothing.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys import labels
from keys.binding import bind
from keys.box import Box, new_box_key
from keys.errors import SealBroken
from keys.masked import SECRET_SIZE, Secret
from keys.ring import CHEAPEST, NORMAL, Keyring, derive_kek, new_salt, unwrap, wrap
from storage.hsm import HsmError, HsmKey

KEEPER: Final = "keeper"
_CHANGED: Final = "the key file was changed; restore it from the key backup"


class KeyStoreError(Exception):
    """The key file cannot be read, opened or written; the message says what to do."""


class KeysClosedError(KeyStoreError):
    """The ring is whole; what opens it is not here: people of the agency, or the security module. Whoever waits may succeed."""


class Kind(StrEnum):
    PASSPHRASE = "passphrase"  # noqa: S105 (a kind of keeper)
    HSM = "hsm"
    TWO_PEOPLE = "two_people"


class Keeper(Protocol):
    """One way to keep a ring shut."""

    def shut(self, ring: Keyring) -> dict[str, Any]:
        """What the key file says, as JSON. Raises KeyStoreError."""

    def open_again(self, stored: Mapping[str, Any]) -> Keyring:
        """The ring in a file that another process has written under the same keeper.

        Raises KeyStoreError; KeyError, TypeError and ValueError for a file that is kept otherwise, or damaged.
        """


def kind_of(stored: Mapping[str, Any]) -> Kind:
    """Files from before there was a choice name none. Raises ValueError."""
    return Kind(stored.get(KEEPER, Kind.PASSPHRASE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What argon2id made of a passphrase, once: the key files of one role that are made together share it, and its cost."""

    kek: Secret
    salt: bytes
    profile: str

    @classmethod
    def of(cls, passphrase: Secret, profile: str) -> Derived:
        return cls._derived(passphrase, secrets.token_bytes(16), profile)

    @classmethod
    def _derived(cls, passphrase: Secret, salt: bytes, profile: str) -> Derived:
        kek = derive_kek(passphrase, salt, NORMAL if profile == "normal" else CHEAPEST)
        return cls(kek=kek, salt=salt, profile=profile)

    @classmethod
    def open(cls, stored: Mapping[str, Any], passphrase: Secret) -> tuple[Derived, Keyring]:
        """Raises KeyStoreError; KeyError and ValueError for a damaged file."""
        salt, wrapped, profile = from_text(stored["salt"]), from_text(stored["wrapped"]), stored["profile"]
        keeper = cls._derived(passphrase, salt, profile)
        return keeper, opened(wrapped, keeper.kek, "the passphrase does not open the key file")

    def open_again(self, stored: Mapping[str, Any]) -> Keyring:
        if kind_of(stored) is not Kind.PASSPHRASE or from_text(stored["salt"]) != self.salt:
            raise ValueError("a file of another keeper")
        return opened(from_text(stored["wrapped"]), self.kek, "the key file is damaged; restore it from the key backup")

    def shut(self, ring: Keyring) -> dict[str, Any]:
        return {
            "salt": to_text(self.salt),
            "profile": self.profile,
            "wrapped": to_text(wrap(ring, self.kek)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InHsm:
    """The ring lies under a key of its own at each writing, and that one under the key in the module.

    `pin_file` is read at each opening: it belongs on other media than the data folder, and opens nothing without the module.
    """

    key: HsmKey
    pin_file: Path

    @classmethod
    def named(cls, *, module: Path, token: str, key: str, pin_file: Path) -> InHsm:
        """Raises KeyStoreError when there is no PIN file."""
        try:
            pin = Secret(pin_file.read_bytes().strip())
        except OSError:
            raise KeysClosedError("the PIN file of the security module cannot be read") from None
        return cls(key=HsmKey(module=module, token=token, key=key, pin=pin), pin_file=pin_file)

    @classmethod
    def open(cls, stored: Mapping[str, Any]) -> tuple[InHsm, Keyring]:
        """Raises KeyStoreError; KeyError and ValueError for a damaged file."""
        keeper = cls.named(
            module=Path(stored["module"]),
            token=stored["token"],
            key=stored["key"],
            pin_file=Path(stored["pin_file"]),
        )
        return keeper, keeper.open_again(stored)

    def open_again(self, stored: Mapping[str, Any]) -> Keyring:
        if kind_of(stored) is not Kind.HSM or (stored["token"], stored["key"]) != (self.key.token, self.key.key):
            raise ValueError("a file of another keeper")
        try:
            kek = self.key.open(from_text(stored["kek"]))
        except HsmError as failure:
            raise KeysClosedError(str(failure)) from None
        return opened(from_text(stored["wrapped"]), kek, "the security module has another key of this label")

    def shut(self, ring: Keyring) -> dict[str, Any]:
        kek = new_box_key()
        try:
            sealed = self.key.seal(kek)
        except HsmError as failure:
            raise KeysClosedError(str(failure)) from None
        return {
            KEEPER: Kind.HSM,
            "module": str(self.key.module),
            "token": self.key.token,
            "key": self.key.key,
            "pin_file": str(self.pin_file),
            "kek": to_text(sealed),
            "wrapped": to_text(wrap(ring, kek)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one person brings: argon2id of their passphrase. Alone it opens nothing, and nothing tells whether it is right."""

    person: str
    key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTwo:
    """The ring's key lies once for each pair of people, under a key that is made of both their passphrases.

    `people`: person → salt and argon2id profile; `pairs`: what a pair opens. The key is the same while the keeper is: a ring that is open is
    written without its people.
    """

    kek: Secret
    people: Mapping[str, tuple[bytes, str]]
    pairs: Mapping[tuple[str, str], bytes]

    @classmethod
    def of(cls, passphrases: Mapping[str, Secret], profile: str) -> ByTwo:
        """A key of any two of these people. Raises ValueError for fewer than two, or two with one passphrase."""
        # reveal: compared here, and written nowhere
        if len({passphrase.reveal() for passphrase in passphrases.values()}) < max(2, len(passphrases)):
            raise ValueError("at least two people, each with a passphrase of their own")
        people = {person: (new_salt(), profile) for person in passphrases}
        shares = [_share(person, passphrases[person], *people[person]) for person in sorted(people)]
        kek = new_box_key()
        pairs = {
            # reveal: sealed under the pair's key
            (one.person, other.person): Box(_of_pair(one, other)).seal(kek.reveal(), _pair_aad(one, other))
            for one, other in combinations(shares, 2)
        }
        return cls(kek=kek, people=people, pairs=pairs)

    @classmethod
    def open(cls, stored: Mapping[str, Any], one: Share, other: Share) -> tuple[ByTwo, Keyring]:
        """Raises KeysClosedError; KeyError and ValueError for a damaged file."""
        first, second = sorted((one, other), key=lambda share: share.person)
        pairs = {(pair[0], pair[1]): from_text(pair[2]) for pair in stored["pairs"]}
        sealed = pairs.get((first.person, second.person))
        if sealed is None:
            raise KeysClosedError("these are not two different people who may open the ring together")
        try:
            kek = Secret(Box(_of_pair(first, second)).open(sealed, _pair_aad(first, second)))
        except SealBroken:
            raise KeysClosedError("one of the two passphrases is wrong; both people begin again") from None
        people = {name: (from_text(salt), profile) for name, (salt, profile) in stored["people"].items()}
        keeper = cls(kek=kek, people=people, pairs=pairs)
        return keeper, keeper.open_again(stored)

    def open_again(self, stored: Mapping[str, Any]) -> Keyring:
        pairs = {(pair[0], pair[1]): from_text(pair[2]) for pair in stored["pairs"]}
        if kind_of(stored) is not Kind.TWO_PEOPLE or pairs != self.pairs:
            raise ValueError("a file of another keeper")
        return opened(from_text(stored["wrapped"]), self.kek, _CHANGED)

    def shut(self, ring: Keyring) -> dict[str, Any]:
        return {
            KEEPER: Kind.TWO_PEOPLE,
            "people": {name: [to_text(salt), profile] for name, (salt, profile) in self.people.items()},
            "pairs": [[one, other, to_text(sealed)] for (one, other), sealed in self.pairs.items()],
            "wrapped": to_text(wrap(ring, self.kek)),
        }


def people_of(stored: Mapping[str, Any]) -> frozenset[str]:
    """Who may open a ring that two people keep; nobody of another kind."""
    return frozenset(stored["people"]) if kind_of(stored) is Kind.TWO_PEOPLE else frozenset()


def share_of(stored: Mapping[str, Any], person: str, passphrase: Secret) -> Share:
    """About 0.1 s: argon2id. Raises KeysClosedError for somebody who is none of the ring's people."""
    if person not in people_of(stored):
        raise KeysClosedError("this person is none of those who may open the ring")
    salt, profile = stored["people"][person]
    return _share(person, passphrase, from_text(salt), profile)


def _share(person: str, passphrase: Secret, salt: bytes, profile: str) -> Share:
    return Share(person=person, key=derive_kek(passphrase, salt, NORMAL if profile == "normal" else CHEAPEST))


def _of_pair(one: Share, other: Share) -> Secret:
    """HKDF-SHA256 over both keys: whoever guesses must guess both at once."""
    # reveal: key derivation
    both = one.key.reveal() + other.key.reveal()
    return Secret(HKDF(hashes.SHA256(), SECRET_SIZE, salt=None, info=_pair_aad(one, other)).derive(both))


def _pair_aad(one: Share, other: Share) -> bytes:
    return bind(labels.RING_PAIR, one.person, other.person)


def opened(wrapped: bytes, kek: Secret, otherwise: str) -> Keyring:
    """Raises KeyStoreError with that message."""
    try:
        return unwrap(wrapped, kek)
    except Exception:  # noqa: BLE001 (whatever fails here, the answer is the same and quotes nothing)
        raise KeyStoreError(otherwise) from None


def to_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def from_text(text: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(text, validate=True)
