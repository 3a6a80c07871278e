"""What is kept of a line: what was asked and what came back, sealed and bound to file and line."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.linkage_server.personal_keys import PersonalKeys


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """`request`: the line's fields; `reason`: a code; `where`: the place that a message names; `current`: the addressee number that replaced it;
    `values`: records as IF_SKI_90012 has them; `match`: inquiry_desk.matching.compare.
    """

    request: tuple[str, ...] = ()
    reason: str = ""
    where: str = ""
    current: str = ""
    provider: str = ""
    information: str = ""
    values: list[Any] | None = None
    match: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "<Content>"


_CONTENT = msgspec.json.Decoder(Content)
_ENCODER = msgspec.json.Encoder()


def seal(keys: PersonalKeys, file_id: int, line: int, content: Content) -> bytes:
    return keys.seal_inquiry_line(_ENCODER.encode(content), file_id, line)


def open_sealed(keys: PersonalKeys, file_id: int, line: int, sealed: bytes | None) -> Content:
    """Empty when the answer was deleted. Raises SealBroken, KeyUnusable."""
    return Content() if sealed is None else _CONTENT.decode(keys.open_inquiry_line(sealed, file_id, line))
