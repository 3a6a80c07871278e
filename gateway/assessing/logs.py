"""The evidence logs of everybody, exported and read once: what they say in sum, and whether they verify (SC-6, SC-7, SC-12)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from evidence.entry import EntryKind
from evidence.export import ENTRY_START, EntryLine, LineBroken, LogParty, read_line
from evidence.findings import Agreement, Report
from evidence.verify import Export
from gateway.data_folder import DataFolder
from gateway.intermediate_server.bars.states import BarState
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.tracing.decisions import JUDGING, OF_PROVIDER
from gateway.tracing.settling import agreed, verified
from gateway.tracing.sources import Source, Sources
from gateway.verify_arguments import logs_of, trusted_keys
from gateway.verify_command import FileLines
from storage.committer import fiscal_year

_YEARS: Final = 8
"""The current fiscal year and the seven before it (施行令30条)."""
_SAID: Final = ("actor", "reason")
_SAID_FACTS: Final = ("function", "file", "office", "terminal")
_LEFT: Final = frozenset({EntryKind.PROVISION_MADE.value, EntryKind.PROVISION_RELEASED.value})
_NO_CLIENT: Final = "読むクライアントがない。sekisho clients add --grant log:read (no client with log:read)"
_ANALYSED: Final = "staff.analyse"
_OF_ENTRY: Final = (
    "kind", "list_digest", "inquirer", "provider", "inquirer_for", "provider_for", "basis", "item", "information", "reason",
)  # fmt: skip
ASKED: Final = (*_OF_ENTRY, "permit_id")
Question = tuple[str, ...]
"""The hour, then what `ASKED` names; empty where the entry has none, and the permit where the answer does not go by its day."""


@dataclass(slots=True)
class Said:
    """What one log says. `unsaid`: places of staff's entries that leave out who, what, where or why; `asked`: questions to the list → place;
    `issued`: permit → the hour; `released`: place → by whom; `deciders`: members of staff who were on record deciding on what was held;
    `backups`: place, staff, event (begun, made) and id of each; `bars`: bar → what the last entry of it says.
    """

    first_at: str = ""
    entries: int = 0
    refusals: int = 0
    refused: set[str] = field(default_factory=set)
    staff: int = 0
    log_ins: int = 0
    unsaid: list[str] = field(default_factory=list)
    exchanges: int = 0
    anonymous: list[str] = field(default_factory=list)
    left: int = 0
    unsealed: list[str] = field(default_factory=list)
    released: dict[str, str] = field(default_factory=dict)
    deciders: set[str] = field(default_factory=set)
    analysed_at: str = ""
    founded: list[Mapping[str, Any]] = field(default_factory=list)
    approvals: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    asked: dict[Question, str] = field(default_factory=dict)
    issued: dict[str, str] = field(default_factory=dict)
    backups: list[tuple[str, str, str, str]] = field(default_factory=list)
    bars: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """`said`: source → what its log says; `unread`: source → why its log is not here."""

    said: Mapping[str, Said]
    agencies: Mapping[str, tuple[str, LogParty]]
    report: Report
    agreement: Agreement
    unread: Mapping[str, str]

    @property
    def unread_logs(self) -> list[str]:
        """Logs that are here and could not be read: nothing that rests on what the logs say is kept while there is one."""
        return [f"{name}: {why}" for name, why in self.unread.items()]

    def of(self, party: LogParty) -> Iterator[tuple[str, Said]]:
        return ((name, said) for name, said in self.said.items() if self.agencies[name][1] is party)


def gather(data: DataFolder, sources: Sources, hosted: frozenset[str], folder: Path, now: datetime) -> Logs:
    """Download every log of those hosted here, of every year that is kept, and read them. Raises RegisterBrokenError, OSError, ValueError."""
    files: dict[str, tuple[Source, int, Path]] = {}
    unread = {f"{one}/linkage": _NO_CLIENT for one in sources.unread_desks if one in hosted}
    ours = [source for source in sources.logs if source.agency in hosted]
    for source in ours:
        try:
            files |= {f"{source.name}/{year}": (source, year, path) for year, path in _years(source, folder, now)}
        except NotReachableError:
            unread[source.name] = "接続できない (not reachable)"
        except RefusedError as refused:
            unread[source.name] = f"拒否された (refused: {refused.reason or refused})"
    exports = [Export(label, FileLines(path)) for label, (_, _, path) in files.items()]
    trusted = trusted_keys(data.register, None, logs_of(path for _, _, path in files.values()))
    report = verified(exports, trusted, lambda label: _again(label, *files[label]))
    said = {source.name: Said() for source, _, _ in files.values()}
    for source, _, path in sorted(files.values(), key=lambda one: one[1]):
        for place, entry in _entries(path):
            _read(said[source.name], f"{source.name} {place}", entry)
    return Logs(
        said=said,
        agencies={one.name: (one.agency, one.server) for one in ours},
        report=report,
        agreement=agreed(exports),
        unread=unread,
    )


def _years(source: Source, folder: Path, now: datetime) -> list[tuple[int, Path]]:
    """The exports of a log, newest fiscal year first; a year in which nothing happened has none, and older ones still count."""
    found: list[tuple[int, Path]] = []
    for year in range(fiscal_year(now), fiscal_year(now) - _YEARS, -1):
        path = folder / f"{source.name.replace('/', '-')}-{year}.ndjson"
        if source.download(year, path):
            found.append((year, path))
    return found


def _again(label: str, source: Source, year: int, path: Path) -> Export | None:
    fresh = path.with_suffix(".again")
    try:
        return Export(label, FileLines(fresh)) if source.download(year, fresh) else None
    except (NotReachableError, RefusedError):
        return None


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and content of each entry that can be read; evidence.verify names the others."""
    for line in FileLines(path):
        if not line.startswith(ENTRY_START):
            continue
        try:
            value = read_line(line)
            if isinstance(value, EntryLine):
                yield f"{path.stem[-4:]}/{value.index}", json.loads(value.entry)
        except (LineBroken, ValueError):
            continue


def _read(said: Said, place: str, entry: Mapping[str, Any]) -> None:
    """Take one entry into the sums."""
    kind, facts = str(entry.get("kind")), entry.get("facts") or {}
    said.entries += 1
    said.first_at = said.first_at or str(entry.get("at"))
    if entry.get("reason") and (kind.endswith(".refused") or "refused" in kind or kind == EntryKind.INQUIRY_DENIED):
        said.refusals += 1
        said.refused |= {str(entry["inquiry_number"])} if entry.get("inquiry_number") else set()
    if kind == EntryKind.BACKUP_MADE:
        said.backups.append((place, str(entry.get("actor")), str(facts.get("event")), str(facts.get("backup"))))
    if kind == EntryKind.BARS_CHANGED:
        bar = str(facts.get("bar_id"))
        # a lifting is the end of a bar, in whatever order the years are read
        if said.bars.get(bar, {}).get("state") != BarState.LIFTED:
            said.bars[bar] = facts
    if kind.startswith("staff."):
        _read_staff(said, place, entry, facts)
    elif entry.get("inquirer"):
        _read_exchange(said, place, entry)


def _read_staff(said: Said, place: str, entry: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    kind = entry["kind"]
    if kind in (EntryKind.STAFF_OPERATED, EntryKind.GRANT_CHANGED):
        said.staff += 1
        missing = [name for name in _SAID if not entry.get(name)] + [
            name for name in _SAID_FACTS if not facts.get(name)
        ]
        said.unsaid += [f"{place}: {'、'.join(missing)}"] if missing else []
    if kind == EntryKind.STAFF_LOGGED_IN:
        said.log_ins += 1
    elif kind == EntryKind.STAFF_FOUNDED:
        said.founded.append(facts)
    elif kind == EntryKind.GRANT_CHANGED and facts.get("event") == "approve":
        approval = (str(entry.get("actor")), str(facts.get("content_hash")))
        said.approvals.setdefault(str(facts.get("grant_id")), set()).add(approval)
    elif facts.get("function") == _ANALYSED:
        said.analysed_at = max(said.analysed_at, str(entry["at"]))
    elif facts.get("function") == "held.decide":
        said.deciders.add(str(entry.get("actor")))


def _read_exchange(said: Said, place: str, entry: Mapping[str, Any]) -> None:
    kind = str(entry["kind"])
    said.exchanges += 1
    if not entry.get("actor"):
        said.anonymous.append(place)
    if kind in _LEFT:
        said.left += 1
        if not entry.get("sealed_digest") or not entry.get("permit_id"):
            said.unsealed.append(place)
    if kind == EntryKind.PROVISION_RELEASED:
        said.released[place] = str(entry.get("actor"))
    hour, permit_id = str(entry["at"])[:13], str(entry.get("permit_id") or "")
    if kind == EntryKind.PERMIT_ISSUED:
        said.issued[permit_id] = hour
    if kind in JUDGING and entry.get("list_digest"):
        by_permit = permit_id if kind.startswith(OF_PROVIDER) else ""
        said.asked.setdefault((hour, *(str(entry.get(name) or "") for name in _OF_ENTRY), by_permit), place)
