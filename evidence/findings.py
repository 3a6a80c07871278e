"""What verification can find, each with one name, and where it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FindingName(StrEnum):
    """The names, stable for scripts."""

    BIT_FLIP = "bit_flip"
    DROPPED_ENTRY = "dropped_entry"
    DROPPED_TAIL = "dropped_tail"
    SWAPPED_ENTRIES = "swapped_entries"
    REPEATED_ENTRY = "repeated_entry"
    ROOT_MISMATCH = "root_mismatch"
    FORK = "fork"
    BAD_SIGNATURE = "bad_signature"
    UNSIGNED_TAIL = "unsigned_tail"
    TIME_ORDER = "time_order"
    MALFORMED = "malformed"
    FILE_ALTERED = "file_altered"
    WRONG_KEY = "wrong_key"
    UNKNOWN_LOG = "unknown_log"
    ERASED_EARLY = "erased_early"
    ERASED_UNCERTIFIED = "erased_uncertified"
    NOT_INCLUDED = "not_included"
    ANOTHER_PERSON = "another_person"

    MISSING_RECORD = "missing_record"
    UNEXPECTED_RECORD = "unexpected_record"
    DUPLICATE_RECORD = "duplicate_record"
    DISAGREEMENT = "disagreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    `export` is the label of the export it concerns. `entry` is an index from 0; with `until` it is the first of
    the entries [entry, until) among which the fault lies. `line` counts from 1. `inquiry_number`, `party` and
    `field` belong to disagreements between parties. `detail` is a constant sentence.
    """

    name: FindingName
    export: str
    detail: str
    entry: int | None = None
    until: int | None = None
    line: int | None = None
    size: int | None = None
    held_by: str | None = None
    inquiry_number: str | None = None
    party: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChecked:
    """How much of one log was checked.

    `checkpoints`: own checkpoints with a good signature; `roots`: of those, how many roots were derived anew and
    fit; `peer_checkpoints`: checkpoints of this log, held by others, whose root was compared; `vouched`: the size of the
    largest of these (behind it only the log's own signature speaks); `anchored`: the key came from the signed register
    and not from the export itself; `erased`: entries of which the hash alone is left; `rotations`: how many times a key
    was followed to the next by the log's own record, where no register names them.
    """

    export: str
    origin: str
    agency: str
    party: str
    anchored: bool
    entries: int
    checkpoints: int
    roots: int
    peer_checkpoints: int
    root: str
    vouched: int = 0
    erased: int = 0
    rotations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Findings of `verify`, and what was looked at.

    `peers_unchecked`: held checkpoints of logs nobody gave a key for.
    """

    findings: tuple[Finding, ...]
    logs: tuple[LogChecked, ...]
    peers_checked: int
    peers_unchecked: int
    findings_left_off: int = 0

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def anchored(self) -> bool:
        """Every key came from the register; without logs there is nothing to vouch for."""
        return all(log.anchored for log in self.logs)


MOST_NAMED: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Findings of `agree`, and what was compared.

    `inquiries`: inquiry numbers seen; `compared`: those of which at least two parties' logs were given and all agree;
    `alone`: those of which one log only was given or only one party needs a record; `open`: those without an end
    yet; `unreceived`: answers that left the provider while the inquirer says it gave up. `alone_numbers` and `open_numbers`: which
    they are, MOST_NAMED of each at most.
    """

    findings: tuple[Finding, ...]
    inquiries: int
    compared: int
    alone: int
    open: int
    unreceived: int
    findings_left_off: int = 0
    alone_numbers: tuple[str, ...] = ()
    open_numbers: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not self.findings


class Findings:
    """Gathers findings, at most `most` of them, so that a file full of faults cannot fill the memory."""

    __slots__ = ("left_off", "list", "most")

    def __init__(self, most: int = 1000) -> None:
        self.list: list[Finding] = []
        self.left_off = 0
        self.most = most

    def add(self, finding: Finding) -> None:
        if len(self.list) < self.most:
            self.list.append(finding)
        else:
            self.left_off += 1
