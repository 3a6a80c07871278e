"""Public keys of somebody who publishes things that stay, such as versions of a list: each counts for what comes now, or for exactly what it signed before.

What was published tells no time that a thief could not write too. So a key that was replaced is not given an end in time: whoever vouches for the
keys names, by their digests, the things that it has signed, and it vouches for nothing else (docs/adr/0065).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from keys.signing import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherKey:
    """An Ed25519 public key (32 bytes). `signed`: hex SHA-256 of everything it has signed and ever will; None: it signs yet."""

    key: bytes
    signed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class PublisherKeys:
    """Oldest first."""

    keys: tuple[PublisherKey, ...]

    @classmethod
    def of(cls, key: bytes) -> PublisherKeys:
        """One key, that signs."""
        return cls((PublisherKey(key=key),))

    def verify(self, label: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a key that signs yet has signed this under this label, or one that does not any more had by then."""
        digest = sha256(message).hexdigest()
        return any(
            (one.signed is None or digest in one.signed) and verify(one.key, label, message, signature)
            for one in self.keys
        )

    def retired(self, label: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good and of a key that had not signed this when it was replaced."""
        digest = sha256(message).hexdigest()
        return any(
            one.signed is not None and digest not in one.signed and verify(one.key, label, message, signature)
            for one in self.keys
        )
