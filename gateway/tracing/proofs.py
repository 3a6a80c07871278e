"""What an export says of one inquiry number, and a proof for each of those entries that it stands in the signed tree (SC-6, IS-5).

The proof is made and verified here from the export alone: audit path of RFC 6962 from the entry's bytes to the root of the newest checkpoint
that covers it, whose signature is checked with the key of the signed register.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evidence import checkpoint, merkle
from evidence.checkpoint import Checkpoint, CheckpointBroken
from evidence.entry import EXCHANGE_KINDS, EntryKind
from evidence.export import CheckpointLine, EntryLine, ErasedLine, Header, LineBroken, LogParty, read_line
from evidence.merkle import Range, Subtree
from evidence.trusted import TrustedKeys, keys_of

MASK: Final = "●●●●●●●●"
COMMITMENTS: Final = ("subject", "purpose")
_BESIDE: Final = frozenset({*COMMITMENTS, "log", "purpose_text"})
_HELD_FUNCTIONS: Final = "held."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """`path`: sibling hashes, leaf side first (32 bytes each). `note`: the signed checkpoint, or None where none covers the entry."""

    leaf: bytes
    path: tuple[bytes, ...]
    tree: Checkpoint | None
    note: str | None

    @property
    def verified(self) -> bool:
        return self.tree is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One entry of one log. `index` and `year`: its place there; `entry`: what it says, its commitment to the person masked."""

    agency: str
    server: LogParty
    origin: str
    year: int
    index: int
    entry: Mapping[str, Any]
    proof: Proof

    @property
    def source(self) -> str:
        """The name of the log among the sources of a trace."""
        return f"{self.agency}/{self.server}" if self.server is LogParty.LINKAGE else self.agency

    @property
    def at(self) -> str:
        return str(self.entry["at"])

    @property
    def kind(self) -> str:
        return str(self.entry["kind"])


class NotAnExportError(Exception):
    """The file's first line is no header of an export."""


def recorded(lines: Iterable[bytes], number: str, trusted: Mapping[str, TrustedKeys]) -> list[Recorded]:
    """The entries of an export about an inquiry number, each with its proof. `trusted`: origin → its keys. Raises NotAnExportError."""
    reading = iter(lines)
    header = _header(reading)
    leaves: list[bytes] = []
    found: list[tuple[int, dict[str, Any]]] = []
    notes: list[str] = []
    wanted = number.encode()
    for line in reading:
        try:
            value = read_line(line)
        except LineBroken:
            continue  # evidence.verify names it
        if isinstance(value, CheckpointLine):
            notes.append(value.checkpoint)
        elif isinstance(value, ErasedLine):
            leaves.append(_hash_of(value.leaf))
        elif isinstance(value, EntryLine):
            body = value.entry.encode()
            leaves.append(merkle.leaf_hash(body))
            if wanted in body and (entry := _about(body, number)) is not None:
                found.append((len(leaves) - 1, entry))
    tree = _newest(header, notes, trusted, leaves)
    year = int(header.origin.rpartition("/")[2])
    return [
        Recorded(
            agency=header.agency,
            server=header.party,
            origin=header.origin,
            year=year,
            index=index,
            entry=entry,
            proof=_proof(index, leaves, tree),
        )
        for index, entry in found
    ]


def _hash_of(text: str) -> bytes:
    """The leaf hash of an entry whose body is gone; a text that is none is no hash of anything, and then no root fits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _header(lines: Iterator[bytes]) -> Header:
    try:
        header = read_line(next(lines, b""))
    except LineBroken:
        raise NotAnExportError from None
    if not isinstance(header, Header) or not header.origin.rpartition("/")[2].isdigit():
        raise NotAnExportError
    return header


def _about(body: bytes, number: str) -> dict[str, Any] | None:
    """The entry if it is a step of the inquiry, a refusal under its number, or staff's work on what it holds; without the commitment.

    Staff who merely searched the log for the number are left out: a trace would otherwise grow by every trace.
    """
    try:
        entry = json.loads(body)
    except ValueError:
        return None
    facts = entry.get("facts") or {}
    kind = entry.get("kind")
    step = kind in EXCHANGE_KINDS and entry.get("inquiry_number") == number
    refused = kind == EntryKind.ACCESS_REFUSED and facts.get("inquiry_number") == number
    held = kind == EntryKind.STAFF_OPERATED and str(facts.get("function", "")).startswith(_HELD_FUNCTIONS)
    if not (step or refused or (held and facts.get("inquiry_number") == number)):
        return None
    return {**entry, **{name: MASK for name in COMMITMENTS if entry.get(name)}}


@dataclass(frozen=True, slots=True)
class _Tree:
    """A tree whose root is signed and is that of these leaves; with the roots of its full subtrees."""

    checkpoint: Checkpoint
    note: str
    subtrees: Mapping[tuple[int, int], bytes]


def _newest(
    header: Header, notes: Sequence[str], trusted: Mapping[str, TrustedKeys], leaves: Sequence[bytes]
) -> _Tree | None:
    """The newest checkpoint with a good signature and within the entries; None when there is none or the key is not registered."""
    said = trusted.get(header.origin)
    if said is None:
        return None
    keys = keys_of(header.origin, said).all()
    for note in reversed(notes):
        try:
            signed = checkpoint.read(note, header.origin, *keys)
        except CheckpointBroken:
            continue
        if signed.size <= len(leaves):
            return _Tree(signed, note, _subtrees(leaves[: signed.size]))
    return None


def _subtrees(leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    full: Sequence[Subtree] = merkle.Frontier().extend(leaves).subtrees
    return {(one.level, one.index): one.hash for one in full}


def _proof(index: int, leaves: Sequence[bytes], tree: _Tree | None) -> Proof:
    """Steps: 1. the audit path (RFC 6962 §2.1.1)  2. from leaf and path to the signed root (RFC 9162 §2.1.3.2)."""
    leaf = leaves[index]
    if tree is None or index >= tree.checkpoint.size:
        return Proof(leaf=leaf, path=(), tree=None, note=None)
    size = tree.checkpoint.size
    # 1
    stored = {one: _hashes(one, leaves, tree) for one in merkle.inclusion_ranges(index, size)}
    path = tuple(merkle.inclusion_proof(index, size, stored))
    # 2
    if not merkle.verify_inclusion(index, size, leaf, path, tree.checkpoint.root):
        return Proof(leaf=leaf, path=path, tree=None, note=tree.note)
    return Proof(leaf=leaf, path=path, tree=tree.checkpoint, note=tree.note)


def _hashes(one: Range, leaves: Sequence[bytes], tree: _Tree) -> Sequence[bytes]:
    if one.level == 0:
        return leaves[one.start : one.stop]
    return [tree.subtrees[one.level, index] for index in range(one.start, one.stop)]


def said(entry: Mapping[str, Any]) -> str:
    """What an entry says, for comparing a log's answer to a search with its export: without its place, the commitments and what is told beside it."""
    return json.dumps({name: value for name, value in entry.items() if name not in _BESIDE}, sort_keys=True)
