"""The key ring: named purposes, each with numbered versions, after the model of Tink keysets.

- A purpose is a free string ("personal/2026", "result/2026-11-24T05"). `create` gives it version 1.
- States: one `primary` at most (encrypts and opens), `enabled` (still opens), `disabled` (opens nothing until enabled
  again), `destroyed` (for good).
- Every ciphertext names its version; the version, the purpose and the use are bound into it.
- A destroyed version leaves its number and state, so that numbers are never used twice; its material is gone
  from the ring and from what `wrap` writes.
- Each use (encrypt, encrypt_siv, index, signer) derives its own key from a version's material: uses share no key.

The ring reads and writes no files; storage keeps the bytes of `wrap`.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keys import labels
from keys.binding import begun, bind, ended
from keys.box import NONCE_SIZE, TAG_SIZE, Box
from keys.errors import KeyDestroyed, KeyDisabled, KeyMissing, RingRefused, SealBroken
from keys.masked import SECRET_SIZE, Secret
from keys.passphrase import CHEAPEST, NORMAL, SALT_SIZE, derive_kek, new_salt
from keys.signing import Signer

__all__ = [
    "CHEAPEST",
    "NORMAL",
    "SALT_SIZE",
    "KeyDestroyed",
    "KeyDisabled",
    "KeyMissing",
    "Keyring",
    "RingRefused",
    "SealBroken",
    "State",
    "derive_kek",
    "new_salt",
    "unwrap",
    "version_of_index",
    "wrap",
]

_BOX_FORMAT: Final = 1
_SIV_FORMAT: Final = 2
_WRAP_FORMAT: Final = b"\x01"
_HEADER_SIZE: Final = 5
_VERSION_SIZE: Final = 4
_INDEX_SIZE: Final = 32
_SIV_MINIMUM: Final = _HEADER_SIZE + NONCE_SIZE + TAG_SIZE

Engine = TypeVar("Engine")


class State(StrEnum):
    PRIMARY = "primary"
    ENABLED = "enabled"
    DISABLED = "disabled"
    DESTROYED = "destroyed"


_PRIMARY: Final = State.PRIMARY


@dataclass(slots=True, kw_only=True)
class _Version:
    """`material` is None exactly when the state is destroyed."""

    state: State
    material: Secret | None


class Keyring:
    """Mutable; whoever changes it saves `wrap` durably before relying on the change."""

    __slots__ = ("_engines", "_purposes")

    def __init__(self, purposes: dict[str, dict[int, _Version]]) -> None:
        self._purposes = purposes
        self._engines: dict[tuple[str, int, bytes], Any] = {}

    @classmethod
    def new(cls) -> Keyring:
        return cls({})

    def __repr__(self) -> str:
        return "<Keyring>"

    # --- what the ring holds

    def has(self, purpose: str) -> bool:
        """True when the purpose has a primary version, so that it can encrypt."""
        return any(version.state is State.PRIMARY for version in self._purposes.get(purpose, {}).values())

    def purposes(self) -> tuple[str, ...]:
        """All purposes, the destroyed ones too, sorted."""
        return tuple(sorted(self._purposes))

    def versions(self, purpose: str) -> dict[int, State]:
        """State of each version. Raises KeyMissing."""
        return {number: version.state for number, version in self._of(purpose).items()}

    def opening(self, purpose: str) -> tuple[int, ...]:
        """The versions that open, the primary one first: what was written under any of them is found by looking under each. Raises KeyMissing."""
        versions = self._of(purpose)
        others = [number for number, version in versions.items() if version.state is State.ENABLED]
        return (*(number for number, version in versions.items() if version.state is _PRIMARY), *reversed(others))

    # --- changes

    def create(self, purpose: str) -> None:
        """Version 1, primary. Raises RingRefused if the ring knows the purpose, even destroyed."""
        if purpose in self._purposes:
            raise RingRefused("the ring already knows this purpose")
        self._purposes[purpose] = {1: _fresh()}

    def rotate(self, purpose: str) -> int:
        """A new primary version; the old one stays enabled. Returns its number. Raises KeyMissing."""
        number = max(self._of(purpose)) + 1
        self._purposes[purpose][number] = _fresh(State.ENABLED)
        self.promote(purpose, number)
        return number

    def prepare(self, purpose: str) -> int:
        """A new version beside the primary one, enabled: others learn its public key before it signs. Its number; again the same one.

        Raises KeyMissing, RingRefused when the purpose has no primary version.
        """
        versions = self._of(purpose)
        number, newest = self.primary(purpose), max(versions)
        if newest == number:
            versions[newest := number + 1] = _fresh(State.ENABLED)
        return newest

    def prepared(self, purpose: str) -> int | None:
        """The version that was prepared and is not primary yet. Raises KeyMissing."""
        newest = max(self._of(purpose))
        return None if newest == self.primary(purpose) else newest

    def promote(self, purpose: str, version: int) -> None:
        """An enabled version newer than the primary one becomes primary, the old one stays enabled. Raises KeyMissing, RingRefused."""
        versions = self._of(purpose)
        if self._version(purpose, version).state is not State.ENABLED or version != max(versions):
            raise RingRefused("only the newest version becomes the primary one")
        for one in versions.values():
            if one.state is State.PRIMARY:
                one.state = State.ENABLED
        versions[version].state = State.PRIMARY

    def copied(self) -> Keyring:
        """Another ring that holds the same."""
        return Keyring(
            {
                purpose: {number: _Version(state=one.state, material=one.material) for number, one in versions.items()}
                for purpose, versions in self._purposes.items()
            }
        )

    def become(self, other: Keyring) -> None:
        """Hold what another ring holds, in place: whoever has this ring has the change. `other` is not used any more."""
        self._purposes = other._purposes
        self._engines.clear()

    def disable(self, purpose: str, version: int) -> None:
        """Enabled to disabled. Raises KeyMissing, RingRefused for the primary or a destroyed version."""
        self._move(purpose, version, State.ENABLED, State.DISABLED)

    def enable(self, purpose: str, version: int) -> None:
        """Disabled to enabled. Raises KeyMissing, RingRefused for any other state."""
        self._move(purpose, version, State.DISABLED, State.ENABLED)

    def destroy(self, purpose: str, version: int | None = None) -> None:
        """Destroy one version, or all of the purpose; for good, and again is no error. Raises KeyMissing."""
        versions = self._of(purpose)
        for number in list(versions) if version is None else [version]:
            found = self._version(purpose, number)
            found.state, found.material = State.DESTROYED, None
            self._drop_engines(purpose, number)

    def forget(self, purpose: str) -> None:
        """Drop a wholly destroyed purpose: the ring must not grow by the hour. Raises KeyMissing, RingRefused."""
        if any(version.state is not State.DESTROYED for version in self._of(purpose).values()):
            raise RingRefused("only a destroyed purpose is forgotten")
        del self._purposes[purpose]

    # --- uses

    def encrypt(self, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM: `1 ‖ version (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. Raises KeyMissing, KeyDestroyed."""
        number = self.primary(purpose)
        return _header(_BOX_FORMAT, number) + self._box(purpose, number).seal(plaintext, _aad(purpose, number, aad))

    def encrypt_many(self, purpose: str, messages: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """As `encrypt` for each (plaintext, aad): for loads, where choosing the key and drawing the nonce cost more than the cipher."""
        number = self.primary(purpose)
        header, context = _header(_BOX_FORMAT, number), _key_named(purpose, number)
        sealed = self._box(purpose, number).seal_many([(plaintext, ended(context, aad)) for plaintext, aad in messages])
        return [header + one for one in sealed]

    def decrypt(self, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """Raises SealBroken, KeyMissing, KeyDisabled, KeyDestroyed."""
        number = _version_in(_BOX_FORMAT, sealed)
        return self._box(purpose, number).open(sealed[_HEADER_SIZE:], _aad(purpose, number, aad))

    def encrypt_siv(self, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM-SIV (RFC 8452), same shape with format 2: a repeated nonce would show equality and no more."""
        number = self.primary(purpose)
        nonce = secrets.token_bytes(NONCE_SIZE)
        sealed = self._siv(purpose, number).encrypt(nonce, plaintext, _aad(purpose, number, aad))
        return _header(_SIV_FORMAT, number) + nonce + sealed

    def encrypt_siv_many(self, purpose: str, messages: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """As `encrypt_siv` for each (plaintext, aad)."""
        number = self.primary(purpose)
        header, context = _header(_SIV_FORMAT, number), _key_named(purpose, number)
        drawn = secrets.token_bytes(NONCE_SIZE * len(messages))
        encrypt = self._siv(purpose, number).encrypt
        return [
            header + (nonce := drawn[at : at + NONCE_SIZE]) + encrypt(nonce, plaintext, ended(context, aad))
            for at, (plaintext, aad) in zip(range(0, len(drawn), NONCE_SIZE), messages, strict=True)
        ]

    def decrypt_siv(self, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """Raises as `decrypt`."""
        number = _version_in(_SIV_FORMAT, sealed)
        aead = self._siv(purpose, number)
        if len(sealed) < _SIV_MINIMUM:
            raise SealBroken("sealed bytes too short")
        nonce, body = sealed[_HEADER_SIZE : _HEADER_SIZE + NONCE_SIZE], sealed[_HEADER_SIZE + NONCE_SIZE :]
        try:
            return aead.decrypt(nonce, body, _aad(purpose, number, aad))
        except InvalidTag:
            raise SealBroken("sealed bytes do not open with this key and context") from None

    def index(self, purpose: str, data: bytes, *, version: int | None = None) -> bytes:
        """Blind index: HMAC-SHA256, 32 bytes, by the primary version unless told. Raises as `decrypt`."""
        number = self.primary(purpose) if version is None else version
        key = self._engine(purpose, number, labels.RING_INDEX, bytes)
        return hmac.digest(key, data, "sha256")

    def named_index(self, purpose: str, data: bytes, *, version: int | None = None) -> bytes:
        """An index that is kept: it says its version, as sealed bytes do. `version (4) ‖ index`, of version 1 the 32 bytes alone. Raises as `decrypt`.

        So a row tells whether it is still found by an earlier key (docs/adr/0064).
        """
        number = self.primary(purpose) if version is None else version
        found = self.index(purpose, data, version=number)
        return found if number == 1 else number.to_bytes(_VERSION_SIZE) + found

    def named_indexes(self, purpose: str, data: bytes) -> tuple[bytes, ...]:
        """What to look for: the index under each version that opens, first the one that is kept now. Raises KeyMissing."""
        return tuple(self.named_index(purpose, data, version=number) for number in self.opening(purpose))

    def signer(self, purpose: str, *, version: int | None = None) -> Signer:
        """The Ed25519 signer of the primary version unless told; its public key is stable until `rotate`. Raises as `encrypt`."""
        number = self.primary(purpose) if version is None else version
        return self._engine(purpose, number, labels.RING_SIGNER, lambda key: Signer(Secret(key)))

    def secret(self, purpose: str, size: int = SECRET_SIZE, *, version: int | None = None) -> Secret:
        """`size` bytes of a version (primary unless told) for a cipher outside the ring, such as `keys.deterministic`.

        Derived anew each time and never cached: whoever keeps it must drop it with the version. Raises as `decrypt`.
        """
        number = self.primary(purpose) if version is None else version
        return Secret(self._derive(purpose, number, labels.RING_SECRET, size))

    # --- inside

    def _of(self, purpose: str) -> dict[int, _Version]:
        versions = self._purposes.get(purpose)
        if versions is None:
            raise KeyMissing("the ring does not know this purpose")
        return versions

    def _version(self, purpose: str, number: int) -> _Version:
        version = self._of(purpose).get(number)
        if version is None:
            raise KeyMissing("the ring does not know this version")
        return version

    def primary(self, purpose: str) -> int:
        """The version that encrypts and signs now. Raises KeyMissing, KeyDestroyed."""
        versions = self._of(purpose)
        for number in reversed(
            versions
        ):  # in the order of their numbers: the last, or the last before one that is prepared
            if versions[number].state is _PRIMARY:
                return number
        raise KeyDestroyed("the primary version of this purpose was destroyed")

    def _move(self, purpose: str, number: int, before: State, after: State) -> None:
        version = self._version(purpose, number)
        if version.state is not before:
            raise RingRefused("the version is not in a state for this change")
        version.state = after
        self._drop_engines(purpose, number)

    def _drop_engines(self, purpose: str, number: int) -> None:
        for use in (labels.RING_BOX, labels.RING_SIV, labels.RING_INDEX, labels.RING_SIGNER):
            self._engines.pop((purpose, number, use), None)

    def _box(self, purpose: str, number: int) -> Box:
        return self._engine(purpose, number, labels.RING_BOX, lambda key: Box(Secret(key)))

    def _siv(self, purpose: str, number: int) -> AESGCMSIV:
        return self._engine(purpose, number, labels.RING_SIV, AESGCMSIV)

    def _engine(self, purpose: str, number: int, use: bytes, make: Callable[[bytes], Engine]) -> Engine:
        """The cached cipher or key of one version and use. Only usable versions are in the cache."""
        cached: Engine | None = self._engines.get((purpose, number, use))
        if cached is not None:
            return cached
        made = make(self._derive(purpose, number, use, SECRET_SIZE))
        self._engines[purpose, number, use] = made
        return made

    def _derive(self, purpose: str, number: int, use: bytes, size: int) -> bytes:
        version = self._version(purpose, number)
        if version.material is None:
            raise KeyDestroyed("this version was destroyed")
        if version.state is State.DISABLED:
            raise KeyDisabled("this version is disabled")
        # reveal: key derivation
        expand = HKDFExpand(algorithm=hashes.SHA256(), length=size, info=bind(use, purpose, number, size))
        return expand.derive(version.material.reveal())


def version_of_index(named: bytes) -> int:
    """Of an index that says its version (`Keyring.named_index`)."""
    return int.from_bytes(named[:-_INDEX_SIZE]) if len(named) > _INDEX_SIZE else 1


def wrap(ring: Keyring, kek: Secret) -> bytes:
    """The ring's bytes under a key-encryption key of 32 bytes."""
    table = {
        purpose: [
            # reveal: the text is sealed before it leaves this function
            [number, version.state.value, None if version.material is None else version.material.reveal().hex()]
            for number, version in sorted(versions.items())
        ]
        for purpose, versions in sorted(ring._purposes.items())  # noqa: SLF001  (the ring and its codec are one module)
    }
    return _WRAP_FORMAT + Box(kek).seal(json.dumps(table).encode(), labels.RING_WRAP)


def unwrap(data: bytes, kek: Secret) -> Keyring:
    """Raises SealBroken: another key, or changed bytes."""
    if data[:1] != _WRAP_FORMAT:
        raise SealBroken("unknown format of a wrapped ring")
    table = json.loads(Box(kek).open(data[1:], labels.RING_WRAP))
    return Keyring(
        {
            purpose: {
                number: _Version(
                    state=State(state), material=None if material is None else Secret(bytes.fromhex(material))
                )
                for number, state, material in versions
            }
            for purpose, versions in table.items()
        }
    )


def _fresh(state: State = State.PRIMARY) -> _Version:
    return _Version(state=state, material=Secret(secrets.token_bytes(SECRET_SIZE)))


def _header(form: int, number: int) -> bytes:
    return form.to_bytes() + number.to_bytes(_VERSION_SIZE)


def _version_in(form: int, sealed: bytes) -> int:
    if len(sealed) < _HEADER_SIZE or sealed[0] != form:
        raise SealBroken("unknown format of sealed bytes")
    return int.from_bytes(sealed[1:_HEADER_SIZE])


def _aad(purpose: str, number: int, aad: bytes) -> bytes:
    """`bind(purpose, number, aad)`."""
    return ended(_key_named(purpose, number), aad)


@lru_cache(maxsize=256)
def _key_named(purpose: str, number: int) -> bytes:
    return begun(purpose, number)
