"""The envelope of every message between servers: a list, even of one, with the sender's latest checkpoint beside it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from transport.problem import ProblemError


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """`items`: raw JSON items, parsed by the slice that owns them; `checkpoint`: a C2SP note of the sender's log or null."""

    items: list[msgspec.Raw]
    checkpoint: str | None = None
    agency: str | None = None
    wait_ms: int = 0


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
MOST_ITEMS = 5_000
Item = TypeVar("Item")


class JsonBrokenError(ValueError):
    """What a peer or a caller sent is not JSON of the expected form, or is nested too deeply to be read."""


def decode_typed(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[Item]) -> Item:
    """Parse foreign JSON with a typed decoder. Raises JsonBrokenError and nothing else, however deep the nesting is."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JsonBrokenError("not the JSON that was expected") from None


def decode_json(data: bytes | msgspec.Raw) -> Any:
    """Parse any foreign JSON. Raises JsonBrokenError and nothing else, however deep the nesting is."""
    return decode_typed(data, _ANYTHING)


def read_envelope(body: bytes) -> Envelope:
    """Parse a message body. Raises ProblemError 400 when it is not an envelope or holds too many items."""
    try:
        envelope = decode_typed(body, _ENVELOPE)
    except JsonBrokenError:
        raise ProblemError(
            400, "malformed_body", 'The body must be {"items": […], "checkpoint": …}; see /openapi.json.'
        ) from None
    if len(envelope.items) > MOST_ITEMS:
        raise ProblemError(413, "too_many_items", "A request takes 5,000 items at most; split it.")
    return envelope


def parse_items(envelope: Envelope, decoder: msgspec.json.Decoder[Item]) -> list[Item]:
    """Parse every item with the slice's typed decoder. Raises ProblemError 400 naming the position of the first bad one, never its content."""
    parsed: list[Item] = []
    for position, raw in enumerate(envelope.items):
        try:
            parsed.append(decode_typed(raw, decoder))
        except JsonBrokenError:
            raise ProblemError(
                400, "malformed_item", f"Item {position} does not have the documented fields; see /openapi.json."
            ) from None
    return parsed


def read_year(text: str | None) -> int | None:
    """The fiscal year in a query, None when there is none. Raises ProblemError 400."""
    if text is None:
        return None
    if len(text) != 4 or not text.isascii() or not text.isdigit():
        raise ProblemError(400, "malformed_query", "The year must be four digits.")
    return int(text)


def write_envelope(items: list[Any], checkpoint: str | None = None, **more: Any) -> bytes:
    return msgspec.json.encode({"checkpoint": checkpoint, "items": items, **more})
