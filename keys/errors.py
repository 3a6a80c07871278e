"""What can go wrong with a key or with what it protects. The texts are constants and quote nothing."""

from __future__ import annotations


class KeysError(Exception):
    """The root of this package's errors."""


class SealBroken(KeysError):  # noqa: N818  (named by the fact, as the architecture page names it)
    """The sealed bytes are not what was sealed: changed, cut, moved, or made with another key or context."""


class PublicKeyBroken(KeysError):  # noqa: N818  (named by the fact)
    """The bytes are no usable public key of this suite."""


class KeyUnusable(KeysError):  # noqa: N818  (named by the fact)
    """The ring has no usable key for this; the subclass says why."""


class KeyMissing(KeyUnusable):
    """The ring never held this purpose or version, or has forgotten it."""


class KeyDisabled(KeyUnusable):
    """The version is disabled; `Keyring.enable` brings it back."""


class KeyDestroyed(KeyUnusable):
    """The version was destroyed for good."""


class RingRefused(KeysError):  # noqa: N818  (named by the fact)
    """The ring does not make this change, such as creating a purpose twice or disabling the primary version."""
