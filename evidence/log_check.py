"""One export, line by line: derives every root again and names what does not fit.

Holds the frontier of the tree and no more than a window of leaves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from evidence.checkpoint import CheckpointBroken, first_of, opened_anew
from evidence.entry import EntryKind
from evidence.erasure import Covered, covered
from evidence.export import (
    LARGEST_LINE,
    CheckpointLine,
    EndLine,
    EntryLine,
    ErasedLine,
    Header,
    Line,
    LineBroken,
    PeerLine,
    read_line,
)
from evidence.findings import Finding, FindingName, Findings, LogChecked
from evidence.log_keys import LogKeys
from evidence.merkle import Frontier
from evidence.reopening import judge_lost, read_reopening
from evidence.trusted import instant

WINDOW: Final = 65536
MOST_UNMATCHED: Final = 1000

_AT = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)


class Held(NamedTuple):
    """A root of this log that its key signed: `holder` is None for the log's own export. `times`: how often it had been opened anew."""

    holder: str | None
    size: int
    root: bytes
    times: int = 0


class _Head(msgspec.Struct):
    """What every entry has."""

    v: int
    id: str
    at: str
    kind: str


_head = msgspec.json.Decoder(_Head)
_COVERING: Final = frozenset({EntryKind.ERASURE_BEGUN.value, EntryKind.ERASURE_CERTIFIED.value})


class LogCheck:
    """Feed every line to `line`, then call `finish`. Findings go to the collector given.

    `fits` is the last root that fitted; `base` is the tree there (or later: a window is never longer than WINDOW),
    `leaves` and `times` are what came since, and `tip` is the tree with the first `tipped` of them. Checkpoints that do
    not fit wait in `unmatched`: if a later one of the log's own fits, its key signed two histories (fork); if none
    does, what lies between was altered (root_mismatch).
    """

    def __init__(
        self,
        label: str,
        header: Header,
        keys: LogKeys,
        held: Sequence[Held],
        findings: Findings,
        slack: timedelta,
    ) -> None:
        self.label, self.header, self.keys, self.slack = label, header, keys, slack
        self.findings = findings
        self.digest = sha256()
        self.lines = 0
        self.entries = 0
        self.next = 0  # the index expected
        self.base = self.tip = Frontier()
        self.tipped = 0
        self.fits = Held(label, 0, self.base.root())
        self.leaves: list[bytes] = []
        self.times: list[str] = []
        self.computed: dict[int, bytes] = {}  # index → hash of the body, where the exported leaf differs
        self.gaps: list[tuple[int, int]] = []
        self.lost_lines = 0
        self.broken = False  # a gap: no root can be derived any more
        self.newest = ""
        self.unmatched: list[Held] = []
        self.watched = sorted(held, key=lambda peer: peer.size, reverse=True)
        self.watch = self.watched[-1].size if self.watched else -1
        self.signed_size = 0
        self.checkpoints = self.roots = self.compared = self.vouched = 0
        self.ended = False
        self.erased = 0
        self.covers: list[Covered] = []  # what entries of this log say of years whose bodies are gone
        self.reopened = (-1, -1)  # where the latest entries `log.reopened` in a row begin and end
        (self.log, self.last_time), self.openings = first_of(header.origin), 0  # how often the log was opened anew

    def line(self, line: bytes) -> None:
        """One line with its newline, in the order of the file."""
        self.lines += 1
        value = self._read(line)
        if type(value) is not EndLine:
            self.digest.update(line)
        if value is None:
            self.lost_lines += 1
            self._report(FindingName.MALFORMED, "not a line of an export", line=self.lines)
        elif type(value) is EntryLine:
            self._entry(value)
        elif type(value) is ErasedLine:
            self._gone(value)
        elif type(value) is EndLine:
            self._end(value)
        else:
            self._other(value)

    def _read(self, line: bytes) -> Line | None:
        """None for what cannot be read, also for anything after the end and for a line that is too long."""
        if self.ended or len(line) > LARGEST_LINE:
            return None
        try:
            return read_line(line)
        except LineBroken:
            return None

    def _other(self, value: Line) -> None:
        if isinstance(value, CheckpointLine):
            self._checkpoint(value.checkpoint)
        elif isinstance(value, PeerLine):
            if self.entries or self.checkpoints:
                self._report(FindingName.MALFORMED, "a held checkpoint in the wrong place", line=self.lines)
        elif self.lines != 1:
            self._report(FindingName.MALFORMED, "a second header", line=self.lines)

    def _entry(self, line: EntryLine) -> None:
        index = line.index
        self._placed(index)
        body = line.entry.encode()
        leaf = sha256(b"\x00" + body).digest()
        if leaf.hex() == line.leaf:
            self._head(index, body)
        else:
            self._flipped(index, leaf)
            leaf = _hash_of(line.leaf) or leaf
        self._grown(index, leaf)

    def _gone(self, line: ErasedLine) -> None:
        """The hash counts as ever; that the body may be gone is for `erasure.judge` to say, once every log is read."""
        self._placed(line.erased)
        leaf = _hash_of(line.leaf)
        if leaf is None:
            self._report(FindingName.MALFORMED, "not a leaf hash", line=self.lines)
        elif self.entries > self.erased:
            detail = "a body is gone behind one that is there: years are erased from their beginning on"
            self._report(FindingName.ERASED_UNCERTIFIED, detail, entry=line.erased)
        self.erased += 1
        self.keys.unseen()
        self.times.append(self.newest)
        self._grown(line.erased, leaf or bytes(32))

    def _placed(self, index: int) -> None:
        if self.next == self.watch:
            self._compare_held()
        if index != self.next:
            self._out_of_order(index)

    def _grown(self, index: int, leaf: bytes) -> None:
        self.leaves.append(leaf)
        self.entries += 1
        self.next = max(self.next, index + 1)
        if len(self.leaves) >= WINDOW:
            self._settle(self._tree())

    def _head(self, index: int, body: bytes) -> None:
        try:
            head = _head.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            at = ""
        else:
            at = head.at
            if head.kind == EntryKind.LOG_REOPENED:
                self._reopened(index, body)
            elif head.kind == EntryKind.KEY_ROTATED:
                self.keys.announced(body)
            elif head.kind in _COVERING and (found := covered(body)) is not None:
                self.covers.append(found)
        if not _AT.fullmatch(at):
            self._report(FindingName.MALFORMED, "the entry is signed but is not an entry of a log", entry=index)
            at = self.newest
        elif at >= self.newest:
            self.newest = at
        elif instant(self.newest) - instant(at) > self.slack:
            self._report(FindingName.TIME_ORDER, "the entry is older than one before it", entry=index)
        self.times.append(at)

    def _reopened(self, index: int, body: bytes) -> None:
        """What others hold of the origin before and is not here must be declared; of several that were lost together, by an entry each, in a row."""
        start, _ = self.reopened = (self.reopened[0] if self.reopened[1] == index else index, index + 1)
        others = (*self.watched, *(held for held in self.unmatched if held.holder))
        lost = [held for held in others if held.times <= self.openings and held.size > start]
        for name, detail, size, holder in judge_lost(read_reopening(body), start, self.openings, lost):
            self._report(name, detail, entry=index, size=size, held_by=holder)
        self.watched, self.unmatched = ([one for one in of if one not in lost] for of in (self.watched, self.unmatched))
        self.watch = self.watched[-1].size if self.watched else -1
        self.openings += 1

    def _flipped(self, index: int, leaf: bytes) -> None:
        self.computed[len(self.leaves)] = leaf
        self.times.append(self.newest)
        self._report(FindingName.BIT_FLIP, "the entry and its leaf hash do not fit each other", entry=index)

    def _out_of_order(self, index: int) -> None:
        self.broken = True
        if index > self.next:
            if index - self.next > self.lost_lines:  # a line that could not be read has been named already
                self.gaps.append((self.next, index))
            self.lost_lines = 0
            return
        for place, (start, stop) in enumerate(self.gaps):
            if start <= index < stop:
                self.gaps[place : place + 1] = [gap for gap in ((start, index), (index + 1, stop)) if gap[0] < gap[1]]
                self._report(FindingName.SWAPPED_ENTRIES, "the entry stands after a later one", entry=index)
                return
        self._report(FindingName.REPEATED_ENTRY, "an entry with this index has been seen", entry=index)

    def _tree(self) -> Frontier:
        self.tip = self.tip.extend(self.leaves[self.tipped :]).frontier
        self.tipped = len(self.leaves)
        return self.tip

    def _settle(self, tree: Frontier) -> None:
        self.base = self.tip = tree
        self.tipped = 0
        self.leaves, self.times, self.computed = [], [], {}

    def _compare_held(self) -> None:
        """Every checkpoint of this size that others hold."""
        root = b"" if self.broken else self._tree().root()
        while self.watched and self.watched[-1].size == self.next:
            held = self.watched.pop()
            if not self.broken:
                self.compared, self.vouched = self.compared + 1, held.size
                if held.root != root:
                    self.unmatched.append(held)
        self.watch = self.watched[-1].size if self.watched else -1

    def _checkpoint(self, note: str) -> None:
        if self.next == self.watch:
            self._compare_held()
        if self.erased:  # the entry that says so may be among those whose bodies are gone
            self.openings = max(self.openings, min(first_of(note.partition("\n")[0])[1], self.last_time))
        try:
            origin = opened_anew(self.log, self.openings) if self.openings else self.log
            checkpoint = self.keys.read(note, origin, self.newest)
        except CheckpointBroken:
            self._report(FindingName.BAD_SIGNATURE, "the checkpoint is not signed by this log", line=self.lines)
            return
        self.checkpoints += 1
        self.signed_size = max(self.signed_size, checkpoint.size)
        if checkpoint.size > self.next:
            detail = "the log has signed more entries than stand here"
            self._report(FindingName.DROPPED_TAIL, detail, entry=self.next, size=checkpoint.size)
        elif checkpoint.size < self.next:
            self._report(FindingName.MALFORMED, "a checkpoint in the wrong place", line=self.lines)
        elif not self.broken:
            self._match(Held(None, checkpoint.size, checkpoint.root))

    def _match(self, own: Held) -> None:
        tree = self._tree()
        if tree.root() != own.root:
            first = all(held.holder for held in self.unmatched)
            repaired = self._repaired(own.root) if first else None
            if repaired is None:
                if len(self.unmatched) < MOST_UNMATCHED:
                    self.unmatched.append(own)
                return
            tree = repaired
        self.roots += 1
        for forked in self.unmatched:
            detail = "the log's key has signed another root for this size"
            self._report(FindingName.FORK, detail, size=forked.size, held_by=forked.holder)
        self.unmatched = []
        self.fits = Held(self.label, own.size, own.root, self.openings)
        self._settle(tree)

    def _repaired(self, root: bytes) -> Frontier | None:
        """The tree of that root, if only leaf hashes were altered in the export or entries stand in another order."""
        first = self.base.size
        leaves = [self.computed.get(place, leaf) for place, leaf in enumerate(self.leaves)]
        tree = self.base.extend(leaves).frontier
        if tree.root() == root:
            return tree
        order = sorted(range(len(leaves)), key=self.times.__getitem__)
        tree = self.base.extend([leaves[place] for place in order]).frontier
        if tree.root() != root:
            return None
        moved = [place for place, true in enumerate(order) if place != true]
        detail = "the entries fit the signed root in the order of their times only"
        self._report(FindingName.SWAPPED_ENTRIES, detail, entry=first + moved[0], until=first + moved[-1] + 1)
        return tree

    def _end(self, line: EndLine) -> None:
        self.ended = True
        if line.end.lines != self.lines - 1 or line.end.sha256 != self.digest.hexdigest():
            self._report(FindingName.FILE_ALTERED, "the digest at the end does not fit the lines before it")

    def finish(self) -> None:
        """After the last line: what is missing at the end, and what never fitted."""
        if self.next == self.watch:
            self._compare_held()
        if not self.ended:
            self._report(FindingName.MALFORMED, "the export has no end line", line=self.lines)
        for start, stop in self.gaps:
            self._report(FindingName.DROPPED_ENTRY, "entries are missing here", entry=start, until=stop)
        if self.header.size > self.next and not self.lost_lines:
            detail = "the header counts more entries than stand here"
            self._report(FindingName.DROPPED_TAIL, detail, entry=self.next, size=self.header.size)
        elif self.header.size < self.next:
            self._report(FindingName.MALFORMED, "the header counts fewer entries than stand here", line=1)
        for held in self.watched:
            if held.size <= self.next:
                continue  # past a gap: nothing to compare with
            detail = "another party holds a checkpoint with more entries than stand here"
            self._report(FindingName.DROPPED_TAIL, detail, entry=self.next, size=held.size, held_by=held.holder)
        if self.signed_size < self.next:
            detail = "no signed checkpoint covers the last entries"
            self._report(FindingName.UNSIGNED_TAIL, detail, entry=self.signed_size, until=self.next)
        if self.openings != self.last_time:
            self._report(FindingName.MALFORMED, "the header names another origin than the entries lead to", line=1)
        self._unmatched()

    def _unmatched(self) -> None:
        for held in self.unmatched[:1]:
            detail = "entries since the last root that fits do not give the signed root"
            until = held.size
            self._report(
                FindingName.ROOT_MISMATCH, detail, entry=self.fits.size, until=until, size=until, held_by=held.holder
            )

    def checked(self, *, anchored: bool) -> LogChecked:
        """What was looked at."""
        return LogChecked(
            export=self.label,
            origin=self.header.origin,
            agency=self.header.agency,
            party=self.header.party.value,
            anchored=anchored,
            entries=self.entries,
            checkpoints=self.checkpoints,
            roots=self.roots,
            peer_checkpoints=self.compared,
            vouched=self.vouched,
            root=self.fits.root.hex(),
            erased=self.erased,
        )

    def _report(
        self,
        name: FindingName,
        detail: str,
        *,
        entry: int | None = None,
        until: int | None = None,
        line: int | None = None,
        size: int | None = None,
        held_by: str | None = None,
    ) -> None:
        self.findings.add(
            Finding(
                name=name,
                export=self.label,
                detail=detail,
                entry=entry,
                until=until,
                line=line,
                size=size,
                held_by=held_by,
            )
        )


def _hash_of(text: str) -> bytes | None:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == 32 and data.hex() == text else None
