"""`bind`: many parts into one byte string, so that different parts never give the same bytes.

Encoding of a part: one tag byte (`b` bytes, `s` text in UTF-8, `i` whole number in decimal, `n` None, `l` sequence),
a length of 4 bytes, big-endian (for `l`: the count of parts), the content.
`bind(*parts)` is the encoding of the sequence of its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Part: TypeAlias = "bytes | str | int | Sequence[Part] | None"


def bind(*parts: Part) -> bytes:
    """Injective and prefix-free. Raises TypeError on another type (bool too, since True would equal 1)."""
    out = bytearray()
    _append(out, parts)
    return bytes(out)


def _append(out: bytearray, part: Part) -> None:
    match part:
        case bytes():
            _tagged(out, b"b", part)
        case str():
            _tagged(out, b"s", part.encode())
        case None:
            _tagged(out, b"n", b"")
        case int() if not isinstance(part, bool):
            _tagged(out, b"i", str(part).encode())
        case list() | tuple():
            out += b"l" + len(part).to_bytes(4)
            for inner in part:
                _append(out, inner)
        case _:
            raise TypeError("bind takes bytes, str, int, None, list and tuple")


def _tagged(out: bytearray, tag: bytes, content: bytes) -> None:
    out += tag + len(content).to_bytes(4) + content
