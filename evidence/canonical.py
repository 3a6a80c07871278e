"""Canonical bytes (RFC 8785) of what is signed, hashed or logged.

Decides the one spelling of a value. Refuses what has no single spelling everywhere: floats, integers
of 2^53 and more, keys that are not ASCII text (their order would need UTF-16), unpaired surrogates.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

LARGEST: Final = 2**53 - 1
_TEXT: Final = frozenset({str})

_encoder = msgspec.json.Encoder(order="deterministic")


class NotCanonical(ValueError):  # noqa: N818 - it says what the value is
    """The value has no canonical form here. The message never quotes the value."""


def encode(value: object) -> bytes:
    """UTF-8 bytes of None, bool, int, str, list, tuple and dict with ASCII keys, as RFC 8785 writes them.

    Raises NotCanonical for everything else.
    """
    _check(value)
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        raise NotCanonical("text holds an unpaired surrogate") from None
    except RecursionError:
        raise NotCanonical("nested too deep") from None


def decode(data: bytes | str) -> Any:
    """The value of canonical bytes. Raises NotCanonical if `data` is not exactly what `encode` writes."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotCanonical("not JSON") from None
    if encode(value) != (data.encode() if isinstance(data, str) else data):
        raise NotCanonical("JSON, but not in canonical form")
    return value


def timestamp(at: datetime) -> str:
    """`2026-11-24T05:06:07.123Z`: UTC, milliseconds, cut and not rounded. Raises ValueError without a time zone."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def _check(value: object) -> None:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return
    if kind is int:
        if not -LARGEST <= value <= LARGEST:  # type: ignore[operator]  # `kind` says it is an int
            raise NotCanonical("integer outside 53 bits")
    elif kind is dict:
        _check_object(value)  # type: ignore[arg-type]  # `kind` says it is a dict
    elif kind is list or kind is tuple:
        _check_items(value)  # type: ignore[arg-type]  # `kind` says it is a list or tuple
    elif not isinstance(value, StrEnum):
        raise NotCanonical("a type that has no canonical form")


def _check_object(value: Mapping[object, object]) -> None:
    if not _TEXT.issuperset(map(type, value)) or not all(map(str.isascii, value)):  # type: ignore[arg-type]  # all are str by then
        raise NotCanonical("a key that is not ASCII text")
    for item in value.values():
        if type(item) is not str and item is not None:
            _check(item)


def _check_items(value: list[object] | tuple[object, ...]) -> None:
    try:
        for item in value:
            if type(item) is not str:
                _check(item)
    except RecursionError:
        raise NotCanonical("nested too deep") from None
