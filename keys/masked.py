"""Values that never print. Nothing shows the content but `reveal()`; every call of it is a place to review."""

from __future__ import annotations

import hmac
from typing import Final, Generic, NoReturn, TypeVar

Content = TypeVar("Content", str, bytes)


class Masked(Generic[Content]):
    """A personal or secret value. repr, str, format, dataclass repr and logging show only the name of its class.

    Pickle, plain JSON and attribute assignment raise TypeError or AttributeError. Equality takes constant time
    and holds only within one class.
    """

    __slots__ = ("__value",)
    __value: Content

    def __init__(self, value: Content) -> None:
        object.__setattr__(self, "_Masked__value", value)

    def reveal(self) -> Content:
        """The content: the only way out."""
        return self.__value

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self.__value), _as_bytes(other.reveal()))

    def __hash__(self) -> int:
        return hash((type(self), self.__value))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a masked value does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a masked value does not change")

    def __copy__(self) -> Masked[Content]:
        return self

    def __deepcopy__(self, memo: object) -> Masked[Content]:
        return self  # dataclasses.asdict copies deeply; the copy must stay masked

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a masked value is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a masked value is not pickled")


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


class Secret(Masked[bytes]):
    """Key material."""

    __slots__ = ()


class Plaintext(Masked[bytes]):
    """The content of a sealed message."""

    __slots__ = ()


SECRET_SIZE: Final = 32
"""Bytes of an ordinary secret: AES-256, HMAC-SHA256, an Ed25519 or X-Wing seed."""
