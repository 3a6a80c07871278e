"""The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1): hashes, a growing frontier, proofs.

Storage keeps the leaf hashes and, for every full subtree of 256, 65,536 and 16,777,216 leaves, its root.
A proof is computed from those: ask `inclusion_ranges` or `consistency_ranges` which are needed, fetch
them, hand them to `inclusion_proof` or `consistency_proof`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

HASH_BYTES: Final = 32
SUBTREE_LEVELS: Final = (8, 16, 24)
EMPTY_ROOT: Final = sha256(b"").digest()

_READ_LEVELS: Final = (24, 16, 8, 0)


class Range(NamedTuple):
    """Stored hashes [start, stop) of one level: 0 is leaf hashes, 8, 16, 24 are subtree roots."""

    level: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Subtree:
    """Root of a full subtree of 2^level leaves, the `index`-th of its level from the left."""

    level: int
    index: int
    hash: bytes


class Extended(NamedTuple):
    """What extending gives: the new frontier and the subtrees that became full, lowest level first."""

    frontier: Frontier
    subtrees: tuple[Subtree, ...]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data), 32 bytes (RFC 6962 §2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), 32 bytes (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves as the roots of its perfect subtrees, largest first: all that appending needs."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def extend(self, leaf_hashes: Sequence[bytes]) -> Extended:
        """The tree with these leaf hashes (32 bytes each) appended."""
        if not leaf_hashes:
            return Extended(self, ())
        old = list(self.peaks)
        small: list[bytes] = []
        full: list[Subtree] = []
        nodes, index, level = list(leaf_hashes), self.size, 0
        while nodes:
            if level in SUBTREE_LEVELS:
                full.extend(Subtree(level, index + i, node) for i, node in enumerate(nodes))
            if index & 1:
                nodes.insert(0, old.pop())
            if len(nodes) & 1:
                small.append(nodes.pop())
            nodes = _parents(nodes)
            index >>= 1
            level += 1
        peaks = (*old, *reversed(small))
        return Extended(Frontier(self.size + len(leaf_hashes), peaks), tuple(full))

    def root(self) -> bytes:
        """Merkle tree hash, 32 bytes; of the empty tree SHA-256 of nothing."""
        return _fold(self.peaks)

    def to_bytes(self) -> bytes:
        """The peaks one after another, 32 bytes each; the size is kept beside them."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Raises ValueError if `data` does not hold one hash per set bit of `size`."""
        if size < 0 or len(data) != HASH_BYTES * size.bit_count():
            raise ValueError("frontier bytes do not fit the size")
        return cls(size, tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)))


def _parents(nodes: list[bytes]) -> list[bytes]:
    rest = iter(nodes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(rest, rest, strict=True)]


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The stored hashes that the inclusion proof of leaf `index` in a tree of `size` needs."""
    return [read for start, stop in _path(index, size) for read in _reads(start, stop)]


def inclusion_proof(index: int, size: int, stored: Mapping[Range, Sequence[bytes]]) -> list[bytes]:
    """Audit path of RFC 6962 §2.1.1, leaf side first. KeyError if a range is missing; ValueError outside the tree."""
    return [_range_root(start, stop, stored) for start, stop in _path(index, size)]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The stored hashes that the consistency proof between two sizes needs."""
    return [read for start, stop in _seams(old, new) for read in _reads(start, stop)]


def consistency_proof(old: int, new: int, stored: Mapping[Range, Sequence[bytes]]) -> list[bytes]:
    """Proof of RFC 6962 §2.1.2, empty for old = 0 and old = new.

    KeyError if a range is missing; ValueError if not 0 ≤ old ≤ new.
    """
    return [_range_root(start, stop, stored) for start, stop in _seams(old, new)]


def _path(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    low, high = 0, size
    found: list[tuple[int, int]] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def _seams(old: int, new: int) -> list[tuple[int, int]]:
    if not 0 <= old <= new:
        raise ValueError("the old size is not within the new")
    if old in {0, new}:
        return []
    low, high = 0, new
    found: list[tuple[int, int]] = []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    if low:  # the old tree's own root is known to the verifier unless a right part was entered
        found.append((low, high))
    return found[::-1]


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962 §2.1's k)."""
    return 1 << (count - 1).bit_length() - 1


def _reads(start: int, stop: int) -> Iterator[Range]:
    """Largest stored subtrees that tile [start, stop); `start` is aligned to the range's own size."""
    for level in _READ_LEVELS:
        end = stop >> level
        if start >> level < end and start == start >> level << level:
            yield Range(level, start >> level, end)
            start = end << level


def _range_root(start: int, stop: int, stored: Mapping[Range, Sequence[bytes]]) -> bytes:
    peaks: list[bytes] = []
    for read in _reads(start, stop):
        nodes = list(stored[read])
        if len(nodes) != read.stop - read.start:
            raise ValueError("a fetched range does not hold all its hashes")
        small: list[bytes] = []
        while nodes:
            if len(nodes) & 1:
                small.append(nodes.pop())
            nodes = _parents(nodes)
        peaks.extend(reversed(small))
    return _fold(peaks)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` (a leaf hash) stands at `index` of the tree (`size`, `root`); RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree (`new`, `new_root`) starts with the whole of (`old`, `old_root`); RFC 9162 §2.1.4.2."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return new > 0 and not proof and old_root == EMPTY_ROOT
    if not 0 < old < new or not proof:
        return False
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    return _climb(place, last, hashes, (old_root, new_root))


def _climb(place: int, last: int, hashes: list[bytes], roots: tuple[bytes, bytes]) -> bool:
    old_found = new_found = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_found = node_hash(sibling, old_found)
            new_found = node_hash(sibling, new_found)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            new_found = node_hash(new_found, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and (old_found, new_found) == roots
