"""The export of a log: newline-delimited canonical JSON, written and read as a stream.

Order: header; what this party holds of other logs (`peer_checkpoint`); entries by index, each checkpoint
of size n straight after entry n - 1; one `end` line with the digest of all lines before it. Of an entry whose body
is gone after seven years (番号法施行令30条) the leaf hash alone stands there (`erased`).
The digest finds accidents; entries and checkpoints are proven by hashes and signatures (evidence.verify).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

import msgspec

from evidence.canonical import encode
from evidence.checkpoint import parse

FORMAT: Final = 1
LARGEST_LINE: Final = 1 << 20

HEADER_START: Final = b'{"agency":'
PEER_START: Final = b'{"peer_checkpoint":'
ENTRY_START: Final = b'{"entry":'
ERASED_START: Final = b'{"erased":'
CHECKPOINT_START: Final = b'{"checkpoint":'
END_START: Final = b'{"end":'


class LineBroken(Exception):  # noqa: N818 - it says what the line is
    """A line is not what its place asks for. The message is a constant."""


class LogParty(StrEnum):
    """Whose log it is."""

    INTERMEDIATE = "intermediate"
    LINKAGE = "linkage"
    CORE = "core"


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line: which log of which agency, its key, and how many entries follow. `earlier_vkeys`: of a log whose key was rotated, oldest first."""

    agency: str
    earlier_vkeys: list[str] | msgspec.UnsetType = msgspec.UNSET
    origin: str
    party: LogParty
    sekisho_export: int = FORMAT
    size: int
    vkey: str


class PeerCheckpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Latest checkpoint of another log that this party has seen."""

    held_since: str
    note: str
    origin: str


class EntryLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: its canonical JSON as text, its index, and the leaf hash that storage kept (hex)."""

    entry: str
    index: int
    leaf: str


class ErasedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry whose body is gone: its index, and its leaf hash (hex)."""

    erased: int
    leaf: str


class CheckpointLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the log's own checkpoints, a signed note."""

    checkpoint: str


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many lines stand before the last, and SHA-256 (hex) over them."""

    lines: int
    sha256: str


class PeerLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line of one peer's checkpoint."""

    peer_checkpoint: PeerCheckpoint


class EndLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line."""

    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry as storage has it: `body` is canonical JSON, or None when it is gone; `leaf` the 32-byte hash in the tree."""

    index: int
    leaf: bytes
    body: bytes | None


Line = Header | PeerLine | EntryLine | ErasedLine | CheckpointLine | EndLine

_DECODERS: Final[tuple[tuple[bytes, msgspec.json.Decoder[Line]], ...]] = (
    (ENTRY_START, msgspec.json.Decoder(EntryLine)),
    (CHECKPOINT_START, msgspec.json.Decoder(CheckpointLine)),
    (ERASED_START, msgspec.json.Decoder(ErasedLine)),
    (PEER_START, msgspec.json.Decoder(PeerLine)),
    (HEADER_START, msgspec.json.Decoder(Header)),
    (END_START, msgspec.json.Decoder(EndLine)),
)
_encoder = msgspec.json.Encoder(order="deterministic")


def read_line(line: bytes) -> Line:
    """The value of one line, newline included. Raises LineBroken for anything that is not a line of an export."""
    for start, decoder in _DECODERS:
        if line.startswith(start):
            if not line.endswith(b"}\n"):
                raise LineBroken("a line without its end")
            try:
                return decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise LineBroken("not a line of an export") from None
    raise LineBroken("not a line of an export")


def bodies_gone(lines: Iterable[bytes]) -> bool:
    """Whether an export begins with entries of which the hash alone is left."""
    first = next((line for line in lines if line.startswith((ENTRY_START, ERASED_START))), b"")
    return first.startswith(ERASED_START)


class Writer:
    """Writes an export piece by piece, in flat memory: `begin`, `part` for each stretch of entries, `end`. Each line ends in a newline.

    Everything is taken as given, also what is broken: the reader of the export is to see it.
    """

    def __init__(self) -> None:
        self._digest = sha256()
        self._count = 0

    def begin(self, header: Header, peers: Iterable[PeerCheckpoint]) -> list[bytes]:
        """The first lines."""
        return self._lines([header, *map(PeerLine, peers)])

    def part(self, entries: Iterable[StoredEntry], checkpoints: Iterable[str]) -> list[bytes]:
        """Entries, ascending by index, and the checkpoints (notes) that come after the first and up to the last of them, by size."""
        return self._lines(_interleaved(entries, checkpoints))

    def end(self) -> bytes:
        """The last line."""
        return encode({"end": {"lines": self._count, "sha256": self._digest.hexdigest()}}) + b"\n"

    def _lines(self, values: Iterable[Line]) -> list[bytes]:
        lines = [_encoder.encode(value) + b"\n" for value in values]
        self._digest.update(b"".join(lines))
        self._count += len(lines)
        return lines


def write(
    header: Header,
    *,
    entries: Iterable[StoredEntry],
    checkpoints: Iterable[str],
    peers: Iterable[PeerCheckpoint],
) -> Iterator[bytes]:
    """All lines of a small export at once. `entries` ascend by index, `checkpoints` (notes) by size."""
    writer = Writer()
    yield from writer.begin(header, peers)
    yield from writer.part(entries, checkpoints)
    yield writer.end()


def _interleaved(entries: Iterable[StoredEntry], checkpoints: Iterable[str]) -> Iterator[Line]:
    notes = ((parse(note).size, note) for note in checkpoints)
    waiting = next(notes, None)
    index = 0
    for entry in entries:
        while waiting is not None and waiting[0] <= entry.index:
            yield CheckpointLine(waiting[1])
            waiting = next(notes, None)
        leaf = entry.leaf.hex()
        yield ErasedLine(entry.index, leaf) if entry.body is None else EntryLine(entry.body.decode(), entry.index, leaf)
        index = entry.index + 1
    while waiting is not None and waiting[0] >= index:
        yield CheckpointLine(waiting[1])
        waiting = next(notes, None)
