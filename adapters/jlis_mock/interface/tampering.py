"""What a dishonest network would do to messages in passing (simulation only): swap keys, swap people, flip bits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from adapters.jlis_mock.core.codes import PERSON_REF_SIZE, CodeBook
from adapters.jlis_mock.faults import FaultBoard, Switch
from keys.sealing import OneTimeKey

_POISON: Final = b'{"disposition":' + b"[" * 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """Each function returns what is passed on: the honest value, unless its switch is set."""

    faults: FaultBoard
    codes: CodeBook
    own_key: OneTimeKey

    def public_key(self, honest: bytes, permit_id: str) -> bytes:
        """The network's own key, so that it could read the answer. B must see that A did not sign this key's hash."""
        return self.own_key.public if self.faults.take(Switch.SWAP_KEY, permit_id) else honest

    def code(self, honest: bytes, provider: str, permit_id: str) -> bytes:
        """Somebody else's code. B must see that the permit is not bound to it."""
        if not self.faults.take(Switch.WRONG_PERSON, permit_id):
            return honest
        return self.codes.code_of(provider, secrets.token_bytes(PERSON_REF_SIZE))

    def outcome(self, honest: bytes, permit_id: str) -> bytes:
        """A text that is deep and long where an outcome should be. A must see that B did not sign it, and live."""
        return _POISON if self.faults.take(Switch.POISON_ANSWER, permit_id) else honest

    def sealed(self, honest: bytes, permit_id: str) -> bytes:
        """One bit flipped. A must see it by the digest that B signed."""
        if not self.faults.take(Switch.TAMPER_PAYLOAD, permit_id):
            return honest
        return honest[:-1] + bytes((honest[-1] ^ 1,))
