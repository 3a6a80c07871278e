"""Offline verification of exports: every leaf, every root at every checkpoint, every signature, order and time.

Reads each export as a stream, in flat memory. Needs no database and no network. What it finds has a name
(evidence.findings). Whether the parties' records agree with each other is evidence.agreement's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice

from msgspec import UnsetType

from evidence import erasure
from evidence.checkpoint import Checkpoint, CheckpointBroken, first_of, parse, parse_vkey, read
from evidence.export import FORMAT, PEER_START, Header, LineBroken, PeerLine, read_line
from evidence.findings import Finding, FindingName, Findings, LogChecked, Report
from evidence.log_check import Held, LogCheck
from evidence.log_keys import DeclaredKeys, LogKeys, RegisteredKeys
from evidence.trusted import TrustedKeys, keys_at, keys_of
from keys.windows import KeyWindow, PublicKeys

DEFAULT_SLACK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Export:
    """An export to verify: a label for the findings, and its lines. `lines` is iterated more than once."""

    label: str
    lines: Iterable[bytes]


@dataclass(slots=True)
class _Peers:
    """Checkpoints that exports hold of other logs, by origin."""

    held: dict[str, list[Held]] = field(default_factory=dict)
    checked: int = 0
    unchecked: int = 0


def verify(
    exports: Sequence[Export],
    trusted: Mapping[str, TrustedKeys] | None = None,
    *,
    slack: timedelta = DEFAULT_SLACK,
) -> Report:
    """Check exports alone and against the checkpoints that each holds of the others.

    `trusted` maps origin to a vkey, or to the keys of the signed register with their windows: a checkpoint counts by a key of
    the time of its entries. Without it an export's own header names the keys and
    the report says `anchored=False`. From a vkey, and from the first key of a header, later keys are followed by the records of
    rotation (`evidence.log_keys`). An entry may be older than one before it by `slack` at most (several
    processes append to one log). Bad input is a finding; only a bad `trusted` raises ValueError.
    """
    findings = Findings()
    headers = [_header(export, findings) for export in exports]
    keys = _keys(exports, headers, trusted, findings)
    peers = _peers(exports, keys, findings, slack)
    logs: list[LogChecked] = []
    covers: list[tuple[str, erasure.Covered]] = []
    usable = [(header, export) for header, export in zip(headers, exports, strict=True) if header is not None]
    for header, export in sorted(usable, key=lambda pair: pair[0].size):
        log, _ = first_of(header.origin)
        known = keys.get(log)
        if known is None:
            continue
        followed = known.while_read(slack)
        check = LogCheck(export.label, header, followed, peers.held.get(log, []), findings, slack)
        for line in export.lines:
            check.line(line)
        check.finish()
        if not followed.reaches(parse_vkey(header.vkey)[1]):
            findings.add(_found(FindingName.WRONG_KEY, export, "no rotation on record leads to the header's key", 1))
        logs.append(replace(check.checked(anchored=trusted is not None), rotations=followed.rotations))
        covers += [(header.origin, one) for one in check.covers]
        peers.held.setdefault(log, []).append(check.fits)  # another export of this log is to hold it too
    for finding in erasure.judge(logs, covers):
        findings.add(finding)
    return Report(
        findings=tuple(findings.list),
        logs=tuple(logs),
        peers_checked=peers.checked,
        peers_unchecked=peers.unchecked,
        findings_left_off=findings.left_off,
    )


def _header(export: Export, findings: Findings) -> Header | None:
    first = next(iter(export.lines), b"")
    try:
        header = read_line(first)
    except LineBroken:
        header = None
    if isinstance(header, Header) and header.sekisho_export == FORMAT and header.size >= 0:
        return header
    findings.add(_found(FindingName.MALFORMED, export, "the first line is not a header of this format", 1))
    return None


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys of one log. `declared`: as its exports name them, oldest first; None: `keys` are the signed register's. `trusted`: handed over apart."""

    keys: PublicKeys
    declared: tuple[bytes, ...] | None = None
    trusted: bytes | None = None

    def fits(self, declared: tuple[bytes, ...]) -> bool:
        """Whether an export of this log may declare these keys."""
        if self.declared is None:
            return declared[-1] in self.keys.all()
        return declared == self.declared[: len(declared)]

    def while_read(self, slack: timedelta) -> LogKeys:
        if self.declared is None:
            return RegisteredKeys(self.keys, slack)
        return DeclaredKeys(self.declared, self.trusted)


def _keys(
    exports: Sequence[Export],
    headers: Sequence[Header | None],
    trusted: Mapping[str, TrustedKeys] | None,
    findings: Findings,
) -> dict[str, _Known]:
    """The keys by origin: of the register if there is one, else as the headers declare them."""
    given = {first_of(origin)[0]: _given(origin, said) for origin, said in (trusted or {}).items()}
    declaring: dict[str, list[tuple[Export, tuple[bytes, ...]]]] = {}
    for export, header in zip(exports, headers, strict=True):
        if header is None:
            continue
        declared = _declared(header)
        log = first_of(header.origin)[0]
        if not declared:
            detail = "the header's keys are not verifier keys of this log"
            findings.add(_found(FindingName.MALFORMED, export, detail, 1))
        elif trusted is not None and log not in given:
            findings.add(_found(FindingName.UNKNOWN_LOG, export, "the register does not know this log", 1))
        else:
            declaring.setdefault(log, []).append((export, declared))
    return given | {log: _agreed(given.get(log), found, findings) for log, found in declaring.items()}


def _given(origin: str, said: TrustedKeys) -> _Known:
    """Raises ValueError."""
    keys = keys_of(origin, said)
    return _Known(keys) if isinstance(said, PublicKeys) else _Known(keys, keys.all(), keys.all()[0])


def _declared(header: Header) -> tuple[bytes, ...]:
    """The keys that a header names, oldest first; nothing when one is no key of its log."""
    earlier = [] if isinstance(header.earlier_vkeys, UnsetType) else header.earlier_vkeys
    try:
        named = [parse_vkey(vkey) for vkey in (*earlier, header.vkey)]
    except ValueError:
        return ()
    return tuple(key for _, key in named) if {name for name, _ in named} == {header.origin} else ()


def _agreed(given: _Known | None, declaring: Sequence[tuple[Export, tuple[bytes, ...]]], findings: Findings) -> _Known:
    """What is known of a log whose exports declare these keys: the longest succession counts, and each other is the beginning of it."""
    longest = max((declared for _, declared in declaring), key=len)
    if given is None:
        known = _Known(_all(longest), longest)
    elif given.trusted is not None and given.trusted in longest:
        known = _Known(_all(longest), longest, given.trusted)
    else:
        known = given
    for export, declared in declaring:
        if not known.fits(declared):
            findings.add(_found(FindingName.WRONG_KEY, export, "the header's key is not the log's known key", 1))
    return known


def _all(keys: tuple[bytes, ...]) -> PublicKeys:
    return PublicKeys(tuple(KeyWindow(key=key) for key in keys))


def _peers(exports: Sequence[Export], keys: Mapping[str, _Known], findings: Findings, slack: timedelta) -> _Peers:
    peers = _Peers()
    for export in exports:
        for number, line in enumerate(islice(export.lines, 1, None), start=2):
            if not line.startswith(PEER_START):
                break
            try:
                peer = read_line(line)
            except LineBroken:
                continue  # LogCheck names it
            if isinstance(peer, PeerLine):
                _hold(peers, export, number, peer, keys, findings, slack)
    return peers


def _hold(
    peers: _Peers,
    export: Export,
    number: int,
    line: PeerLine,
    keys: Mapping[str, _Known],
    findings: Findings,
    slack: timedelta,
) -> None:
    peer = line.peer_checkpoint
    log, times = first_of(peer.origin)
    known = keys.get(log)
    try:
        checkpoint = (
            parse(peer.note)
            if known is None
            else read(peer.note, peer.origin, *keys_at(known.keys, peer.held_since, slack))
        )
    except CheckpointBroken:
        detail = "the signature of a held checkpoint of another log does not fit"
        findings.add(_found(FindingName.BAD_SIGNATURE, export, detail, number))
        return
    if known is None:
        peers.unchecked += 1
        return
    peers.checked += 1
    others = peers.held.setdefault(log, [])
    if _contradicts(checkpoint, times, others):
        detail = "two holders have different roots of one log at one size"
        findings.add(
            Finding(
                name=FindingName.FORK, export=peer.origin, detail=detail, size=checkpoint.size, held_by=export.label
            )
        )
    others.append(Held(holder=export.label, size=checkpoint.size, root=checkpoint.root, times=times))


def _contradicts(checkpoint: Checkpoint, times: int, others: Sequence[Held]) -> bool:
    """A log that was opened anew goes on under another origin, so each of its origins has one history."""
    return any(held.times == times and held.size == checkpoint.size and held.root != checkpoint.root for held in others)


def _found(name: FindingName, export: Export, detail: str, line: int) -> Finding:
    return Finding(name=name, export=export.label, detail=detail, line=line)
