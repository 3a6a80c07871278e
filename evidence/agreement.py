"""Whether the records of inquirer, core and provider agree, line by line, by inquiry number.

Reads all exports side by side in order of time and forgets an inquiry once all its records are there and
agree, so memory follows what is open and not what is logged. Which records a situation must have is the
table NEEDS (evidence.steps); docs/architecture.md says who writes them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import msgspec

from evidence.canonical import timestamp
from evidence.entry import EXCHANGE_KINDS, EntryKind
from evidence.export import ENTRY_START, EntryLine, Header, LineBroken, LogParty, bodies_gone, read_line
from evidence.findings import MOST_NAMED, Agreement, Finding, FindingName, Findings
from evidence.steps import (
    BEFORE_PERMIT,
    CALLER,
    CORE_KINDS,
    DISPOSITION_OF,
    ENDS,
    EXCLUDES,
    LAST,
    NEEDS,
    SAME_ALWAYS,
    UNSENT,
    K,
    Role,
)
from evidence.verify import Export


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an exchange entry that parties must agree on."""

    at: str
    kind: str
    inquiry_number: str | None = None
    permit_id: str | None = None
    inquirer: str | None = None
    provider: str | None = None
    basis: str | None = None
    item: str | None = None
    information: str | None = None
    items: tuple[str, ...] = ()
    list_digest: str | None = None
    request_digest: str | None = None
    sealed_digest: str | None = None
    disposition: str | None = None
    reason: str | None = None
    actor: str | None = None
    non_disclosure: bool = False
    period: str | None = None
    inquirer_for: str | None = None
    provider_for: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """A record, and whose log it stands in."""

    record: Record
    role: Role
    export: str
    agency: str


_record = msgspec.json.Decoder(Record)


@dataclass(slots=True)
class _Group:
    lines: list[_Line] = field(default_factory=list)

    def of(self, role: Role) -> Iterator[_Line]:
        return (line for line in self.lines if line.role is role)

    def has(self, role: Role, kinds: frozenset[str]) -> bool:
        return any(line.record.kind in kinds for line in self.of(role))

    def dispositions(self, role: Role) -> dict[str, _Line]:
        return {said: line for line in self.of(role) if (said := _disposition(line.record)) is not None}

    def turned_away(self, permit_id: str | None) -> bool:
        """Whether the core recorded that it refused this permit when it was presented."""
        return any(_is_turned_away(line.record) and line.record.permit_id == permit_id for line in self.of(Role.CORE))

    def excused(self) -> frozenset[Role]:
        """Who need not have an outcome that another party has."""
        refusals = [line.record for line in self.of(Role.INQUIRER) if line.record.kind == K.INQUIRY_REFUSED_BY_NETWORK]
        if any(self.turned_away(record.permit_id) for record in refusals):
            return frozenset({Role.INQUIRER, Role.CORE})
        if refusals or self.has(Role.INQUIRER, frozenset({K.INQUIRY_ABORTED})):
            return frozenset({Role.INQUIRER})
        return frozenset()


def agree(exports: Sequence[Export], *, open_after: datetime | None = None) -> Agreement:
    """Compare the records of every inquiry number across all exports.

    A party's record is missed only if that party's log is among the exports. `open_after`: an inquiry with a record
    at or after this instant may still be under way, so its missing records are not findings.
    """
    return _Comparison(exports, None if open_after is None else timestamp(open_after)).run()


class _Comparison:
    def __init__(self, exports: Sequence[Export], open_after: str | None) -> None:
        self.findings = Findings()
        self.open_after = open_after
        self.groups: dict[str, _Group] = {}
        given = [export for export in exports if not bodies_gone(export.lines)]  # hashes alone say nothing to compare
        self.sources = [(export, header) for export in given if (header := _header(export)) is not None]
        self.has_core = any(header.party is LogParty.CORE for _, header in self.sources)
        self.agencies = {header.agency for _, header in self.sources if header.party is LogParty.INTERMEDIATE}
        self.inquiries = self.compared = self.alone = self.open = self.unreceived = 0
        self.alone_numbers: list[str] = []
        self.open_numbers: list[str] = []

    def run(self) -> Agreement:
        streams = [self._lines(export, header) for export, header in self.sources]
        for line in heapq.merge(*streams, key=lambda line: line.record.at):
            number = line.record.inquiry_number or ""
            if _is_turned_away(line.record) and number not in self.groups:
                continue  # a permit presented again after all was settled
            group = self.groups.setdefault(number, _Group())
            group.lines.append(line)
            if any(other.record.kind in LAST for other in group.lines):
                self._try_settle(number, group)
        for number, group in self.groups.items():
            self._settle(number, group, list(self._check(number, group)))
        return Agreement(
            findings=tuple(self.findings.list),
            inquiries=self.inquiries,
            compared=self.compared,
            alone=self.alone,
            open=self.open,
            unreceived=self.unreceived,
            findings_left_off=self.findings.left_off,
            alone_numbers=tuple(self.alone_numbers),
            open_numbers=tuple(self.open_numbers),
        )

    def _lines(self, export: Export, header: Header) -> Iterator[_Line]:
        for entry in _entries(export):
            try:
                record = _record.decode(entry)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue  # evidence.verify names it
            if record.kind not in EXCHANGE_KINDS or record.inquiry_number is None:
                continue
            role = _role(record.kind, header.party)
            if role is None:
                self._report(FindingName.UNEXPECTED_RECORD, export.label, record, "not a kind that this party writes")
            else:
                yield _Line(record, role, export.label, header.agency)

    def _try_settle(self, number: str, group: _Group) -> None:
        if not any(True for _ in self._check(number, group)):
            self._settle(number, group, [])
            del self.groups[number]

    def _settle(self, number: str, group: _Group, findings: list[Finding]) -> None:
        self.inquiries += 1
        ended = any(line.record.kind in ENDS for line in group.lines)
        recent = self.open_after is not None and any(line.record.at >= self.open_after for line in group.lines)
        if not ended or recent:
            self.open += 1
            self.open_numbers += [number] if len(self.open_numbers) < MOST_NAMED else []
        if recent:
            findings = [finding for finding in findings if finding.name is not FindingName.MISSING_RECORD]
        if not findings:
            if len({line.role for line in group.lines}) > 1:
                self.compared += 1
            else:
                self.alone += 1
                self.alone_numbers += [number] if len(self.alone_numbers) < MOST_NAMED else []
        self.unreceived += _unreceived(group)
        for finding in findings:
            self.findings.add(finding)

    def _check(self, number: str, group: _Group) -> Iterator[Finding]:
        yield from self._duplicates(number, group)
        yield from self._strangers(number, group)
        yield from self._missing(number, group)
        yield from self._missing_presentation(number, group)
        yield from self._missing_outcomes(number, group)
        yield from self._differing(number, group)

    def _duplicates(self, number: str, group: _Group) -> Iterator[Finding]:
        seen: set[tuple[Role, str, str | None]] = set()
        for line in group.lines:
            step = (line.role, line.record.kind, _disposition(line.record))
            if step in seen and not _is_turned_away(line.record):
                yield _finding(FindingName.DUPLICATE_RECORD, number, line, "one step is recorded twice")
            seen.add(step)

    def _strangers(self, number: str, group: _Group) -> Iterator[Finding]:
        for line in group.lines:
            own = {Role.INQUIRER: "inquirer", Role.PROVIDER: "provider", Role.DESK: "inquirer"}.get(line.role)
            if own is not None and getattr(line.record, own) != line.agency:
                detail = "the record names another agency than the one whose log it stands in"
                yield _finding(FindingName.DISAGREEMENT, number, line, detail, differs=own)
            excluded = () if _is_turned_away(line.record) else EXCLUDES.get(line.record.kind, ())
            for role in excluded:
                for other in islice(group.of(role), 1):
                    detail = "a record that cannot be: the inquiry was refused before"
                    yield _finding(FindingName.UNEXPECTED_RECORD, number, other, detail)

    def _missing(self, number: str, group: _Group) -> Iterator[Finding]:
        missed: set[tuple[Role, frozenset[str]]] = set()
        for line in group.lines:
            needs = () if _is_turned_away(line.record) else NEEDS.get(line.record.kind, ())
            for need in needs:
                if need not in missed and not group.has(*need) and self._given(need[0], line.record):
                    missed.add(need)
                    yield _absent(number, line, need[0], max(need[1]), "a record of this step is missing")

    def _missing_presentation(self, number: str, group: _Group) -> Iterator[Finding]:
        """An inquirer that says that the network refused its permit: the core refused that very permit, or relayed a refusal."""
        for line in group.of(Role.INQUIRER):
            if line.record.kind != K.INQUIRY_REFUSED_BY_NETWORK or not self._given(Role.CORE, line.record):
                continue
            if not group.turned_away(line.record.permit_id) and "refused" not in group.dispositions(Role.CORE):
                detail = "the core has no record that it refused this permit"
                yield _absent(number, line, Role.CORE, K.PERMIT_REFUSED, detail)

    def _missing_outcomes(self, number: str, group: _Group) -> Iterator[Finding]:
        """What one of the three recorded as the outcome, all three must have; an inquirer that was left alone need not.

        A provider may have answered an earlier presentation that the core could not record: when the core then refused
        the permit, its and the inquirer's records end with that refusal.
        """
        roles = {role: group.dispositions(role) for role in (Role.PROVIDER, Role.CORE, Role.INQUIRER)}
        excused = group.excused()
        for said in sorted(set().union(*roles.values())):
            witness = next(lines[said] for lines in roles.values() if said in lines)
            for role, lines in roles.items():
                if said not in lines and role not in excused and self._given(role, witness.record):
                    yield _absent(number, witness, role, said, "the outcome is missing in this party's log")

    def _given(self, role: Role, record: Record) -> bool:
        """Whether the log in which such a record would stand is among the exports."""
        if role is Role.CORE:
            return self.has_core
        return (record.provider if role is Role.PROVIDER else record.inquirer) in self.agencies

    def _differing(self, number: str, group: _Group) -> Iterator[Finding]:
        everyone = group.lines
        for name in SAME_ALWAYS:
            yield from _differences(number, everyone, name)
        permitted = [line for line in everyone if not _is_early(line.record, "permit_id", BEFORE_PERMIT)]
        yield from _differences(number, permitted, "permit_id")
        sent = [line for line in everyone if not _is_early(line.record, "request_digest", UNSENT)]
        yield from _differences(number, sent, "request_digest")
        for said in sorted({_disposition(line.record) or "" for line in everyone}):
            same = [line for line in everyone if (_disposition(line.record) or "") == said]
            for name in ("non_disclosure", "sealed_digest")[: 2 if said else 1]:  # an outcome has both sides' marks
                yield from _differences(number, same, name)
            told = [
                line for line in same if (said, line.role) != ("held", Role.PROVIDER)
            ]  # why it is held is told nobody
            yield from _differences(number, told if said else [], "reason")
        yield from self._differing_refusals(number, group)
        for line in everyone:
            if line.record.disposition != DISPOSITION_OF.get(line.record.kind, line.record.disposition):
                detail = "the disposition does not fit the kind of record"
                yield _finding(FindingName.DISAGREEMENT, number, line, detail, differs="disposition")

    def _differing_refusals(self, number: str, group: _Group) -> Iterator[Finding]:
        """What the network refused: the inquirer was told a reason that the core has recorded, and the core's callers are who they must be."""
        for line in group.of(Role.INQUIRER):
            if line.record.kind in (K.INQUIRY_DENIED, K.INQUIRY_REFUSED_BY_NETWORK):
                said = {one.record.reason for one in group.of(Role.CORE) if _is_refusal(one.record)}
                if said and line.record.reason not in said:
                    detail = "the core has recorded another reason"
                    yield _finding(FindingName.DISAGREEMENT, number, line, detail, differs="reason")
        for line in group.of(Role.CORE):
            caller = None if _is_turned_away(line.record) else CALLER.get(EntryKind(line.record.kind))
            if caller is not None and line.record.actor != getattr(line.record, caller):
                detail = "the core has recorded another caller than the party whose step it is"
                yield _finding(FindingName.DISAGREEMENT, number, line, detail, differs="actor")

    def _report(self, name: FindingName, label: str, record: Record, detail: str) -> None:
        self.findings.add(Finding(name=name, export=label, detail=detail, inquiry_number=record.inquiry_number))


def _is_early(record: Record, name: str, kinds: frozenset[EntryKind]) -> bool:
    """The field is not known yet at this step, or the step need not know it."""
    return record.kind in kinds and getattr(record, name) is None


def _is_turned_away(record: Record) -> bool:
    """The core refused a permit it had issued: presented by another, for another request, again or late."""
    return record.kind == K.PERMIT_REFUSED and record.permit_id is not None


def _is_refusal(record: Record) -> bool:
    return record.kind == K.PERMIT_REFUSED or (record.kind, record.disposition) == (K.PROVISION_RELAYED, "refused")


def _differences(number: str, lines: Sequence[_Line], name: str) -> Iterator[Finding]:
    read: Callable[[_Line], object] = lambda line: getattr(line.record, name)  # noqa: E731 - a typed reader of one field
    counted = Counter(read(line) for line in lines)
    if len(counted) < 2:
        return
    (usual, most), (_, second) = counted.most_common(2)
    odd = [line for line in lines if most == second or read(line) != usual]
    for role in dict.fromkeys(line.role for line in odd):
        line = next(line for line in odd if line.role is role)
        yield _finding(FindingName.DISAGREEMENT, number, line, "the records of the parties differ", differs=name)


def _unreceived(group: _Group) -> bool:
    left_alone = group.has(Role.INQUIRER, frozenset({K.INQUIRY_ABORTED, K.INQUIRY_REFUSED_BY_NETWORK}))
    return left_alone and "provided" in group.dispositions(Role.PROVIDER)


def _role(kind: str, party: LogParty) -> Role | None:
    if party is LogParty.LINKAGE:
        return Role.DESK if kind == K.INQUIRY_REFUSED else None
    if party is LogParty.CORE:
        return Role.CORE if kind in CORE_KINDS else None
    if kind in CORE_KINDS:
        return None
    return Role.INQUIRER if kind.startswith("inquiry.") else Role.PROVIDER


def _disposition(record: Record) -> str | None:
    if record.kind in {K.PROVISION_RELAYED, K.PROVISION_EXPIRED}:
        return record.disposition
    return DISPOSITION_OF.get(record.kind)


def _header(export: Export) -> Header | None:
    try:
        line = read_line(next(iter(export.lines), b""))
    except LineBroken:
        return None
    return line if isinstance(line, Header) else None


def _entries(export: Export) -> Iterable[str]:
    for line in export.lines:
        if line.startswith(ENTRY_START):
            try:
                value = read_line(line)
            except LineBroken:
                continue  # evidence.verify names it
            if isinstance(value, EntryLine):
                yield value.entry


def _finding(name: FindingName, number: str, line: _Line, detail: str, *, differs: str | None = None) -> Finding:
    return Finding(
        name=name, export=line.export, detail=detail, inquiry_number=number, party=line.role.value, field=differs
    )


def _absent(number: str, witness: _Line, role: Role, step: str, detail: str) -> Finding:
    return Finding(
        name=FindingName.MISSING_RECORD,
        export=witness.export,
        detail=detail,
        inquiry_number=number,
        party=role.value,
        field=step,
    )
