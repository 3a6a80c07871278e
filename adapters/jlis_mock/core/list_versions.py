"""Versions of the permission list as the core reads them: the second implementation (PL-3, PL-4).

The core passes on what the list's publisher signed; it holds no key to sign a list itself. Shares no code with the package that
the intermediate servers use; a test compares both.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.jlis_mock.core.list_lookup import ListLookup, ListUnreadableError, build
from adapters.jlis_mock.core.messages import Digest
from evidence import canonical
from keys import labels
from keys.publisher import PublisherKeys
from transport import wire

LARGEST: Final = 16 * 1024 * 1024
LARGEST_HEAD: Final = 1_024


class Signed(Struct, forbid_unknown_fields=True, frozen=True):
    """IF_SCM_90023, IF_SCM_90024: the head's canonical JSON, its signature, the content deflated (zlib)."""

    head: bytes
    signature: bytes
    content: bytes


class _Head(Struct, forbid_unknown_fields=True, frozen=True):
    v: Literal[1]
    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    content_digest: Digest
    valid_from: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    supersedes: Digest | None


SIGNED: Final = msgspec.json.Decoder(Signed)
_HEAD: Final = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version that was accepted. `valid_from`: legal date; it takes over at midnight JST."""

    number: int
    digest: str
    valid_from: date
    supersedes: str | None
    signed: Signed
    lookup: ListLookup


def accept(signed: Signed, held: Sequence[Version], keys: PublisherKeys) -> Version | str:
    """The version, or why it is not taken. `held`: oldest first. A version held already is given back as it is held."""
    said = (labels.LIST, signed.head, signed.signature)
    if len(signed.head) > LARGEST_HEAD or not keys.verify(*said):
        return "list_key_retired" if keys.retired(*said) else "list_signature"
    known = next((one for one in held if one.signed.head == signed.head), None)
    if known is not None:
        return known
    head = _head(signed.head)
    if head is None:
        return "list_head_malformed"
    valid_from = date.fromisoformat(head.valid_from)
    return _out_of_place(head, held) or _with_content(signed, head, valid_from)


def _head(data: bytes) -> _Head | None:
    """In its one encoding only."""
    try:
        head = wire.decode_typed(data, _HEAD)
        date.fromisoformat(head.valid_from)
    except ValueError:
        return None
    first = head.number == 1 and head.supersedes is None
    later = head.number > 1 and head.supersedes is not None
    return head if (first or later) and canonical.encode(msgspec.to_builtins(head)) == data else None


def _with_content(signed: Signed, head: _Head, valid_from: date) -> Version | str:
    text = _inflated(signed.content)
    if text is None or hashlib.sha256(text).hexdigest() != head.content_digest:
        return "list_digest_differs"
    try:
        documents = wire.decode_json(text)
        if not isinstance(documents, list):
            return "list_unreadable"
        lookup = build(documents)
    except (ListUnreadableError, wire.JsonBrokenError, TypeError):
        return "list_unreadable"
    return Version(
        number=head.number,
        digest=head.content_digest,
        valid_from=valid_from,
        supersedes=head.supersedes,
        signed=signed,
        lookup=lookup,
    )


def _out_of_place(head: _Head, held: Sequence[Version]) -> str | None:
    if not held:
        return None if head.number == 1 else "list_version_gap"
    latest = held[-1]
    if head.number < latest.number:
        return "list_version_backwards"
    if head.number == latest.number:
        return "list_version_forked"
    return "list_version_gap" if head.number > latest.number + 1 or head.supersedes != latest.digest else None


def _inflated(content: bytes) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(content, LARGEST)
    except zlib.error:
        return None
    return text if inflater.eof and not inflater.unused_data else None
