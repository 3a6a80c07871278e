"""`bind`: many parts into one byte string, so that different parts never give the same bytes.

Encoding of a part: one tag byte (`b` bytes, `s` text in UTF-8, `i` whole number in decimal, `n` None, `l` sequence),
a length of 4 bytes, big-endian (for `l`: the count of parts), the content.
`bind(*parts)` is the encoding of the sequence of its parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

Part: TypeAlias = "bytes | str | int | Sequence[Part] | None"


_LENGTH: Final = 4
_head = struct.Struct(">cI").pack
_SHORT: Final = 256
_TEXT: Final = tuple(_head(b"s", length) for length in range(_SHORT))
_BYTES: Final = tuple(_head(b"b", length) for length in range(_SHORT))
_NONE: Final = _head(b"n", 0)


def bind(*parts: Part) -> bytes:
    """Injective and prefix-free. Raises TypeError on another type (bool too, since True would equal 1)."""
    found: list[bytes] = []
    _put(parts, found)
    return b"".join(found)


def begun(*parts: Part) -> bytes:
    """What `bind(*parts, last)` begins with, for contexts of which only the last part changes; `ended` makes the whole of it."""
    return bind(*parts, b"")[:-_LENGTH]


def ended(start: bytes, last: bytes) -> bytes:
    """`bind(*parts, last)` from `start`, which is `begun(*parts)`."""
    return start + len(last).to_bytes(_LENGTH) + last


def _put(parts: Sequence[Part], found: list[bytes]) -> None:
    """The encoding of a sequence, in pieces. Texts and bytes first, their heads ready made: nearly all parts are short ones of these, on every path."""
    found.append(_head(b"l", len(parts)))
    for part in parts:
        if isinstance(part, str):
            text = part.encode()
            found += (_TEXT[len(text)] if len(text) < _SHORT else _head(b"s", len(text)), text)
        elif isinstance(part, bytes):
            found += (_BYTES[len(part)] if len(part) < _SHORT else _head(b"b", len(part)), part)
        elif part is None:
            found.append(_NONE)
        elif isinstance(part, int) and not isinstance(part, bool):
            digits = b"%d" % part
            found += (_head(b"i", len(digits)), digits)
        elif isinstance(part, (list, tuple)):
            _put(part, found)
        else:
            raise TypeError("bind takes bytes, str, int, None, list and tuple")
