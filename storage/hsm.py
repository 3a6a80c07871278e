"""A key in a hardware security module, reached over PKCS#11: it wraps the keys of key files and never leaves the module.

The vendor's library is loaded when a key file that names it is opened, and not before.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from keys import labels
from keys.box import NONCE_SIZE, TAG_SIZE
from keys.masked import Secret

_TAG_BITS: Final = 8 * TAG_SIZE
_KEY_BITS: Final = 256
_ONE_AT_A_TIME: Final = threading.Lock()
"""PKCS#11 logs a process in at a token, not a session: two log-ins at once would end one another."""
_Done = TypeVar("_Done")


class HsmError(Exception):
    """The module is away or refuses; the message says what to look at and quotes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmKey:
    """`module`: path of the vendor's PKCS#11 library; `token`, `key`: labels; `pin`: the user PIN of the token."""

    module: Path
    token: str
    key: str
    pin: Secret

    def ensure(self) -> None:
        """Make the key if the token has none of this label: AES-256, sensitive, never extractable. Raises HsmError."""
        self._inside(_ensure, rw=True)

    def seal(self, kek: Secret) -> bytes:
        """AES-256-GCM inside the module: `nonce (12) ‖ ciphertext ‖ tag (16)`. Raises HsmError."""

        def sealed(found: Any) -> bytes:
            nonce = secrets.token_bytes(NONCE_SIZE)
            mechanism, parameters = _gcm(nonce)
            # reveal: to the module, which seals it
            body = found.encrypt(kek.reveal(), mechanism=mechanism, mechanism_param=parameters)
            return nonce + bytes(body)

        return self._with_key(sealed)

    def open(self, sealed: bytes) -> Secret:
        """Raises HsmError, also for bytes that this key has not sealed."""

        def opened(found: Any) -> Secret:
            mechanism, parameters = _gcm(sealed[:NONCE_SIZE])
            body = sealed[NONCE_SIZE:]
            return Secret(bytes(found.decrypt(body, mechanism=mechanism, mechanism_param=parameters)))

        return self._with_key(opened)

    def _with_key(self, use: Callable[[Any], _Done]) -> _Done:
        return self._inside(lambda session, label: use(_found(session, label)), rw=False)

    def _inside(self, use: Callable[[Any, str], _Done], *, rw: bool) -> _Done:
        """One session for one act: a module that was away and is back needs no restart of ours."""
        import pkcs11  # noqa: PLC0415 (native code, for those who have a module)

        with _ONE_AT_A_TIME:
            try:
                token = pkcs11.lib(str(self.module)).get_token(token_label=self.token)
                # reveal: the log-in at the module
                with token.open(rw=rw, user_pin=self.pin.reveal().decode()) as session:
                    return use(session, self.key)
            except pkcs11.PKCS11Error as failure:
                raise HsmError(_what_to_do(type(failure).__name__)) from None


def _gcm(nonce: bytes) -> tuple[Any, Any]:
    from pkcs11 import GCMParams, Mechanism  # noqa: PLC0415 (as above)

    return Mechanism.AES_GCM, GCMParams(nonce, labels.RING_HSM, _TAG_BITS)


def _found(session: Any, label: str) -> Any:
    """The key, if it is one that nobody can take out of the module. Raises HsmError."""
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 (as above)

    key = session.get_key(label=label, object_class=ObjectClass.SECRET_KEY)
    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
        raise HsmError("the key of this label can be taken out of the module; make one that cannot")
    return key


def _ensure(session: Any, label: str) -> None:
    from pkcs11 import Attribute, KeyType, NoSuchKey  # noqa: PLC0415 (as above)

    try:
        _found(session, label)
    except NoSuchKey:
        kept_inside = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
        session.generate_key(KeyType.AES, _KEY_BITS, label=label, store=True, template=kept_inside)


def _what_to_do(failure: str) -> str:
    if failure in {"PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "PinExpired"}:
        return "the security module refuses the PIN; put the right one into the PIN file before it locks"
    if failure in {"NoSuchToken", "NoSuchKey", "MultipleTokensReturned", "MultipleObjectsReturned"}:
        return "the security module has no such token or key, or several; check the labels and the slot"
    return "the security module is away or does not answer; check its library, its configuration and the device"
