"""The envelope of every message between servers: a list, even of one, with the sender's latest checkpoint beside it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from transport.problem import ProblemError


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """`items`: raw JSON items, parsed by the slice that owns them; `checkpoint`: a C2SP note of the sender's log or null."""

    items: list[msgspec.Raw]
    checkpoint: str | None = None
    agency: str | None = None
    wait_ms: int = 0


_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class Dated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that says instants: each has a zone and lies where arithmetic with zones and the database's own works, else it is not as documented (400)."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            said = getattr(self, field)
            if isinstance(said, datetime) and (said.tzinfo is None or not _EARLIEST < said < _LATEST):
                raise ValueError(f"{_NO_INSTANT}{field}")


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
MOST_ITEMS = 5_000
Item = TypeVar("Item")


_PLACE: Final = re.compile(r" - at `\$\.?(?P<place>[\w.\[\]]+)`\Z")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>\w+)`")
_NO_INSTANT: Final = "No instant: "
_UNKNOWN: Final = "Object contains unknown field "


class JsonBrokenError(ValueError):
    """What a peer or a caller sent is not JSON of the expected form, or is nested too deeply to be read.

    `told`: what is wrong with it, in names of our own form and never in its words. `field`: the field that is wrong or missing, when it is one.
    """

    def __init__(self, told: str, field: str = "", *, is_missing: bool = False) -> None:
        super().__init__(told)
        self.told = told
        self.field = field
        self.is_missing = is_missing


def _broken(failure: Exception) -> JsonBrokenError:
    """The places in a message of the decoder are names of our own types; keys that a sender chose are dots there."""
    if not isinstance(failure, msgspec.ValidationError):
        return JsonBrokenError("it is not JSON in UTF-8, or is nested too deeply")
    text = str(failure)
    found, missing = _PLACE.search(text), _MISSING.match(text)
    place = found["place"] if found else ""
    if missing:
        field = f"{place}.{missing['field']}" if place else missing["field"]
        return JsonBrokenError(f"`{field}` is missing", field, is_missing=True)
    if text.startswith(_NO_INSTANT):
        field = text.removeprefix(_NO_INSTANT).partition(" - at ")[0]
        field = f"{place}.{field}" if place else field
        return JsonBrokenError(f"`{field}` is no instant with a time zone between the years 1900 and 9000", field)
    if text.startswith(_UNKNOWN):
        return JsonBrokenError(
            f"`{place}` has a field that is not documented" if place else "a field is not documented"
        )
    return (
        JsonBrokenError(f"`{place}` is not as documented", place)
        if place
        else JsonBrokenError("it is another form of JSON")
    )


def decode_typed(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[Item]) -> Item:
    """Parse foreign JSON with a typed decoder. Raises JsonBrokenError and nothing else, however deep the nesting is."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        raise _broken(failure) from None


def decode_json(data: bytes | msgspec.Raw) -> Any:
    """Parse any foreign JSON. Raises JsonBrokenError and nothing else, however deep the nesting is."""
    return decode_typed(data, _ANYTHING)


def read_body(body: bytes, decoder: msgspec.json.Decoder[Item]) -> Item:
    """The body of a call. Raises ProblemError 400, which names the field."""
    try:
        return decode_typed(body, decoder)
    except JsonBrokenError as broken:
        raise ProblemError(
            400, "malformed_body", f"The body does not have the documented fields: {broken.told}; see /openapi.json."
        ) from None


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
    """Parse every item with the slice's typed decoder. Raises ProblemError 400 naming position and field of the first bad one, never its content."""
    parsed: list[Item] = []
    for position, raw in enumerate(envelope.items):
        try:
            parsed.append(decode_typed(raw, decoder))
        except JsonBrokenError as broken:
            raise ProblemError(
                400,
                "malformed_item",
                f"Item {position} does not have the documented fields: {broken.told}; see /openapi.json.",
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
